"""A film hand by hand as it comes, without looking ahead: warm-started fits and a One-Euro filter."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handsss.detect.detector import detection_of
from handsss.detect.landmarks import Landmarks
from handsss.detect.tracking import HandTracker, log_odds, mean_probability
from handsss.detect.types import Detection, impose_side
from handsss.fitting.frame_prior import FramePriors
from handsss.fitting.hand_input import hand_inputs
from handsss.fitting.keypoint_fit import is_contradicted, off_keypoints
from handsss.fitting.levenberg_marquardt import minimise
from handsss.fitting.motion_fit import FREE, palm_middle
from handsss.fitting.observation import Observation
from handsss.fitting.one_euro import HandFilter
from handsss.fitting.problem import PARAMETERS, HandParameters, KeypointProblem
from handsss.reconstruction.film.tracks import VOTE_LEAST

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_ITERATIONS = 4
SHAPE_FRAMES = 15  # that the shape is the mean of; it stays from then on
_PAUSE = 0.3  # seconds without a hand after which its fit begins anew


class LiveHand(NamedTuple):
    """A hand in the frame that just came, as a right one."""

    track: int
    left: bool
    right: float  # probability of a right hand by the vote so far
    hand: Landmarks
    keypoint_set: str
    parameters: HandParameters  # [1] filtered


@dataclass
class _State:
    votes: float = 0.0  # log odds of a right hand
    weight: float = 0.0
    left: bool = False
    fitted: HandParameters | None = None
    shapes: list[Tensor] = field(default_factory=list)
    filter: HandFilter | None = None
    seconds: float = -np.inf


class LiveFitter:
    """Fits the hands of frames as they come.

    Args:
        pipeline: with the settings.
        intrinsics: [3, 3] px of the film.
        threads: per detection network.
    """

    def __init__(self, pipeline: HandPipeline, intrinsics: np.ndarray, threads: int = 1) -> None:
        self.pipeline, self.intrinsics = pipeline, intrinsics
        self.tracker = HandTracker(None if pipeline.settings.all_hands else 1, threads=threads)
        self._states: dict[int, _State] = {}

    def __call__(self, image: np.ndarray, seconds: float) -> list[LiveHand]:
        """The hands of the next frame [H, W, 3] uint8."""
        return [self._fit(number, hand, image, seconds) for number, hand in self.tracker(image, seconds)]

    def _fit(self, number: int, hand: Landmarks, image: np.ndarray, seconds: float) -> LiveHand:
        state = self._states.setdefault(number, _State())
        self._vote(state, hand)
        detection = self._detection(state, hand)
        (hand_input,) = hand_inputs(image, self.intrinsics, [detection])
        name = self.pipeline.fitter.keypoint_set(detection)
        problem = self.pipeline.fitter.problem(name)
        observation = Observation.stack([hand_input.observation])
        fitted = None
        if state.fitted is not None and seconds - state.seconds <= _PAUSE:
            fitted = self._warm(state, problem, name, observation)
            if is_contradicted(off_keypoints(problem, fitted, hand_input.observation)):
                fitted = None
        if fitted is None:
            if seconds - state.seconds > _PAUSE:
                state.filter = None  # a hand that comes back is shown where it is; otherwise the filter goes on
            (new,) = self.pipeline.fit([hand_input])
            fitted = new.parameters
        self._settle(state, fitted)
        if len(state.shapes) >= SHAPE_FRAMES:
            fitted = fitted._replace(shape=_shape(state))
        if state.filter is None:
            state.filter = HandFilter(torch.as_tensor(palm_middle(problem, fitted)), problem.space)
        state.fitted, state.seconds = fitted, seconds
        right = mean_probability(state.votes, state.weight)
        return LiveHand(number, state.left, right, hand, name, state.filter(fitted, seconds))

    def _vote(self, state: _State, hand: Landmarks) -> None:
        """The side is the track's: it changes only while the vote is young or turns clearly against it."""
        state.votes += hand.presence * log_odds(hand.right, VOTE_LEAST)
        state.weight += hand.presence
        imposed = self.pipeline.settings.side
        left = state.votes < 0 if imposed == "auto" else imposed == "left"
        first = state.fitted is None
        if first or (left != state.left and abs(state.votes) > 4.0):
            state.left = left
            state.fitted, state.filter = None, None
            state.shapes.clear()

    def _detection(self, state: _State, hand: Landmarks) -> Detection:
        detection = impose_side(detection_of(hand), "left" if state.left else "right")
        return detection if self.pipeline.settings.depth else replace(detection, world=None)

    def _warm(self, state: _State, problem: KeypointProblem, name: str, observation: Observation) -> HandParameters:
        assert state.fitted is not None
        lifter = self.pipeline.fitter.lifter(name)
        lifted = None if lifter is None else lifter.poses(observation)
        priors = FramePriors(lifted, None, problem.settings.prior_scales(observation.confidence))
        start = priors.of(torch.zeros(1, dtype=torch.long), state.fitted, problem.settings)
        free = FREE if len(state.shapes) >= SHAPE_FRAMES else PARAMETERS
        return minimise(problem, start, observation, _ITERATIONS, free=free).parameters

    def _settle(self, state: _State, fitted: HandParameters) -> None:
        if len(state.shapes) < SHAPE_FRAMES:
            state.shapes.append(fitted.shape)


def _shape(state: _State) -> Tensor:
    return torch.stack(state.shapes).mean(0)
