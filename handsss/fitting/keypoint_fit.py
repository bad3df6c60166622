"""Fitting a hand to 2D keypoints: starts, refinement of the best, choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from handsss.fitting.levenberg_marquardt import FitState, minimise
from handsss.fitting.lifting import Lifter, can_lift
from handsss.fitting.network_prediction import PosePrediction
from handsss.fitting.observation import Observation
from handsss.fitting.pose_bank import PoseBank
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem
from handsss.hand.load import load_model
from handsss.hand.model import HandModel

# Costs are sums of squared standard deviations whose errors are not independent: where fits are weighed against each
# other, they count this share (docs/lab/detector.md).
COST_SHARE = 0.1
_KEPT = 3  # hypotheses that are refined to the end
Start = Literal["auto", "lifted", "search"]


class KeypointFit(NamedTuple):
    """The chosen hypothesis and those that were not."""

    parameters: HandParameters  # batch of 1
    cost: float  # squared standard deviations
    starts: HandParameters  # [S] hypotheses that were tried, before any refinement
    refined: HandParameters  # [R] those that were refined to the end, the chosen one among them
    costs: Tensor  # [R] of the refined ones


class KeypointFitter:
    """Fits a right hand model to keypoints of one definition.

    Args:
        model: a right hand.
        keypoint_set: the definition that observations follow.
        settings: see :class:`FitSettings`.
        start: where fits start, beside the prediction if there is one. "lifted": the lifting network's hands;
            "search": the poses of a bank that look most like the keypoints; "auto": lifted for the open hand, else
            search.

    Raises:
        InputError: "lifted" for a hand model that the lifting network does not know.
    """

    def __init__(
        self, model: HandModel, keypoint_set: str, settings: FitSettings | None = None, *, start: Start = "auto"
    ) -> None:
        self.settings = settings or FitSettings()
        self.model = model
        self.problem = KeypointProblem(model, model.keypoint_set(keypoint_set), self.settings)
        lifts = start == "lifted" or (start == "auto" and can_lift(model))
        self.lifter = Lifter(model, self.problem) if lifts else None

    @cached_property
    def bank(self) -> PoseBank:
        """Made when it is first searched: it takes most of a second."""
        return PoseBank(self.model, self.problem)

    def starts(self, observation: Observation, prediction: PosePrediction | None) -> HandParameters:
        """Hypotheses: the predictor's first, if there is one, then the lifting network's, if the model is one that it
        knows, else the bank's. All of them expect the pose that was predicted."""
        found = self.bank.starts(observation, self.settings.starts) if self.lifter is None else self.lifter(observation)
        if prediction is None:
            return found
        axis_angle = torch.tensor(prediction.axis_angle, dtype=torch.float64).reshape(1, 15, 3)
        given = HandParameters(
            torch.tensor(prediction.rotation, dtype=torch.float64)[None],
            torch.tensor(prediction.translation, dtype=torch.float64)[None],
            self.problem.space.coefficients(axis_angle),
            torch.tensor(prediction.shape, dtype=torch.float64)[None],
            # Where keypoints were lifted, what they say of the pose holds for the predicted hand too.
            prior_mean=found.prior_mean[:1],
            prior_std=found.prior_std[:1],
            prior_disagreement=found.prior_disagreement[:1],
        )
        spread = self.settings.predicted_std * self.settings.prior_scale(observation.confidence)
        return HandParameters.concat([given, found]).with_pose_prior(given.pose, spread)

    def __call__(
        self, observation: Observation, prediction: PosePrediction | None = None, *, refine: bool = True
    ) -> KeypointFit:
        """Fit one hand; see :meth:`fit_batch`."""
        return self.fit_batch([observation], [prediction], refine=refine)[0]

    def fit_batch(
        self,
        observations: Sequence[Observation],
        predictions: Sequence[PosePrediction | None],
        *,
        refine: bool = True,
    ) -> list[KeypointFit]:
        """Fit hands, all hypotheses of all of them at once.

        Args:
            observations: keypoints of a right hand each.
            predictions: a network's start for each.
            refine: False returns the first starts as they are.
        """
        if not observations:
            return []
        found = [self.starts(*pair) for pair in zip(observations, predictions, strict=True)]
        if not refine:
            firsts = [hypotheses.select(0) for hypotheses in found]
            costs, _ = self.problem.robust(
                self.problem.residuals(HandParameters.concat(firsts), Observation.stack(observations))
            )
            return [
                KeypointFit(first, float(cost), hypotheses, first, cost[None])
                for first, cost, hypotheses in zip(firsts, costs, found, strict=True)
            ]
        rough = self._minimised(found, observations, self.settings.first_iterations)
        best = [state.parameters.select(state.cost.argsort(stable=True)[:_KEPT]) for state in rough]
        fine = self._minimised(best, observations, self.settings.final_iterations)
        fits = []
        for begun, state in zip(found, fine, strict=True):
            chosen = int(state.cost.argmin())
            fits.append(
                KeypointFit(
                    state.parameters.select(chosen), float(state.cost[chosen]), begun, state.parameters, state.cost
                )
            )
        return fits

    def _minimised(
        self, hypotheses: Sequence[HandParameters], observations: Sequence[Observation], iterations: int
    ) -> list[FitState]:
        """Hypotheses of each hand after so many steps at most."""
        counts = [len(hand.pose) for hand in hypotheses]
        hand = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        state = minimise(
            self.problem,
            HandParameters.concat(hypotheses),
            Observation.stack(observations).select(hand),
            iterations,
            hand,
        )
        parts = [value.split(counts) for value in (*state.parameters, state.cost)]
        return [FitState(HandParameters(*part[:-1]), part[-1]) for part in zip(*parts, strict=True)]


@lru_cache(maxsize=4)
def keypoint_fitter(model: str, keypoint_set: str, start: Start = "auto") -> KeypointFitter:
    """A fitter for a named model, made once a process."""
    return KeypointFitter(load_model(model), keypoint_set, start=start)
