"""What stands behind the public verbs: reconstruct, train, evaluate. The commands do the same.

``import handsss`` hands these out without loading torch; what is heavy is imported where it is used.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from handsss.errors import UserError

if TYPE_CHECKING:
    from handsss.data.mixture import WeightedStore
    from handsss.evaluation.evaluate import EvaluationResult
    from handsss.evaluation.options import OnProgress
    from handsss.reconstruction.hand import Hand
    from handsss.reconstruction.reconstructor import ImageLike, Reconstructor, Side
    from handsss.training.launch import Callbacks, TrainResult

PathLike = str | os.PathLike[str]


@overload
def reconstruct(
    image: ImageLike, *, same_hand: Literal[False] = ..., intrinsics: Any = ..., hand: Side = ..., side: Side = ...,
    box: Any = ..., all_hands: bool = ..., model: str = ..., device: str = ..., refine: bool = ...,
    keypoints: Any = ...,
) -> list[Hand]: ...  # fmt: skip
@overload
def reconstruct(
    image: Sequence[ImageLike], *, same_hand: Literal[True], intrinsics: Any = ..., hand: Side = ..., side: Side = ...,
    box: Any = ..., all_hands: bool = ..., model: str = ..., device: str = ..., refine: bool = ...,
    keypoints: Any = ...,
) -> list[list[Hand]]: ...  # fmt: skip
def reconstruct(
    image: ImageLike,
    *,
    intrinsics: Any = None,
    hand: Side = "auto",
    side: Side = "auto",
    box: Any = None,
    all_hands: bool = False,
    same_hand: bool = False,
    model: str = "open",
    device: str = "cpu",
    refine: bool = True,
    keypoints: Any = None,
) -> list[Hand] | list[list[Hand]]:
    """One photo to textured 3D hands. For many photos keep a :class:`handsss.Reconstructor`.

    Args:
        image: a path, a PIL picture, or an array [H, W, 3] uint8 RGB. EXIF orientation is applied.
        intrinsics: [3, 3] px or (fx, fy, cx, cy), of the upright photo; left out: from EXIF, or a field of view of 60
            degrees is assumed (``hand.camera`` says which).
        hand: keep hands that are detected as this side only; "auto": either. With an array of keypoints: whose they
            are.
        side: "left" or "right": every hand is of this side, whatever the detector takes it for; "auto": as detected,
            and where the detector doubts (``handedness``), as fits better.
        box: (x0, y0, x1, y1) px around the hand: the detector looks there and nowhere else.
        all_hands: every hand, not only the surest.
        same_hand: ``image`` is a list of photos of one person's hands: they get one shape and one skin. ``keypoints``
            then has an entry a photo.
        model: "open", "open-detail", "mano" or a path.
        device: of the network.
        refine: fit; False: the network's prediction alone.
        keypoints: found elsewhere, instead of the built-in detector: a path to a file of OpenPose, MMPose, MediaPipe or
            another source, or an array [21, 2] or [21, 3] of px and confidence in OpenPose's hand order.

    Returns:
        the surest hand, or all, surest first; empty where no hand was found. With ``same_hand`` such a list a photo.

    Raises:
        InputError: a photo, camera, keypoints or model that cannot be used; the message says why.
        TypeError, ValueError: an image or array of another kind or shape.

    Examples:
        >>> import handsss
        >>> hand = handsss.reconstruct("photo.jpg")[0]
        >>> hand.joints.shape, hand.vertices.shape
        ((21, 3), (778, 3))
        >>> paths = hand.save("hand.glb")
        >>> hand.overlay().save("look.png")
    """
    reconstructor = _kept(model, hand, side, all_hands, refine, device, same_hand)
    if same_hand:
        return list(reconstructor.batch(image, intrinsics=intrinsics, keypoints=keypoints, box=box))
    return reconstructor(image, intrinsics=intrinsics, keypoints=keypoints, box=box)


@lru_cache(maxsize=2)
def _kept(
    model: str, hand: Side, side: Side, all_hands: bool, refine: bool, device: str, same_hand: bool
) -> Reconstructor:
    """A reconstructor that the next call finds again: a loop over photos loads networks once."""
    from handsss.reconstruction.reconstructor import Reconstructor

    return Reconstructor(
        model=model, hand=hand, side=side, all_hands=all_hands, same_hand=same_hand, refine=refine, device=device
    )


def train(
    data: PathLike | Sequence[PathLike] | None = None,
    *,
    out: PathLike | None = None,
    preset: Literal["full", "small", "open"] = "full",
    ssl: bool = True,
    validation: PathLike | None = None,
    baseline: Literal["", "mano-cnn"] = "",
    model: str = "open",
    config: PathLike | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    steps: int | None = None,
    minutes: float | None = None,
    batch: int | Literal["auto"] | None = None,
    weights: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
    tensorboard: bool | None = None,
    log: Sequence[str] = (),
    resume: bool = False,
    callbacks: Callbacks | None = None,
) -> TrainResult:
    """Train a reconstructor from pictures and 2D keypoints, without 3D labels (S2HAND): ``handsss train``.

    Args:
        data: store of ``handsss preprocess``, or several that are mixed (``"FILE:2"`` draws the rows of FILE twice as
            often); the newest one in the working folder if left out.
        out: the run's folder; runs/TIME-KIND if left out.
        preset: "full", the paper's network and schedule, or "small", for an hour on two CPU cores, or
            "open", from open ImageNet weights, online pictures with their truth and photos among them.
        ssl: from detected keypoints alone; False: from true keypoints and joints (FSL).
        validation: store with true joints; NAME_evaluation.h5 beside NAME_training.h5 if left out.
        baseline: "mano-cnn": the paper's baseline instead of its method.
        model: hand model: "open", "mano" or a path.
        config: TOML file that overrides the preset.
        settings: override both: ``{"losses.w_con": 0}``, or ``["losses.w_con=0"]``.
        steps: of the whole run, all stages together; with ``resume``, more than it has: it is lengthened.
        minutes: end within this time: the pace is measured and the steps chosen so that the schedule fits.
        batch: samples a step, over all processes; "auto": as many as the memory holds.
        weights: start from a trained network.
        device: "auto", "cpu", "cuda" or "cuda:1".
        workers: processes that read; by device and cores if left out.
        tensorboard: write event files; if the package is there, unless said.
        log: further loggers, "wandb" and "mlflow".
        resume: continue the run in ``out`` (the newest one if left out) with its own settings.
        callbacks: told of the run.

    Returns:
        folder, checkpoint, steps done, metrics of the last validation, and their history.

    Raises:
        UserError, InputError: settings or data that cannot be used, options that contradict each other.
        StoppedError: interrupted; the state is saved.
        CollapseError, NotFiniteStopError: the training collapsed, or met NaN; the message says what to do.

    Examples:
        >>> import handsss
        >>> run = handsss.train("freihand_training.h5", out="runs/ours", preset="small", steps=400)  # doctest: +SKIP
        >>> run.checkpoint, run.metrics["aligned_mpjpe_mm"]  # doctest: +SKIP
    """
    begun = time.monotonic()
    from handsss.training import launch

    names = (log,) if isinstance(log, str) else tuple(log)
    command = ("handsss.train",)
    runtime = launch.RuntimeOptions(device, workers, tensorboard, names, command)
    overrides = _settings(settings)
    given: dict[str, Any] = {"steps": steps, "minutes": minutes, "batch": batch, "weights": weights, "config": config}
    given |= {"data": data, "validation": validation, "settings": overrides, "baseline": baseline}
    if resume:
        wrong = [name for name, value in given.items() if value and name != "steps"]
        if wrong:
            raise UserError(f"resume continues a run with its own settings. Leave out {', '.join(wrong)}.")
        return launch.resume(None if out is None else Path(out), runtime, callbacks, steps=steps)
    check_minutes(minutes, steps, overrides)
    if steps is not None and steps < 1:
        raise UserError(f"steps {steps}: expected at least 1. Leave it out for as many as the preset has.")
    if baseline not in ("", "mano-cnn"):
        raise UserError(f"baseline {baseline}: expected mano-cnn, or none for the paper's method.")
    for name, value in (("batch", None if batch == "auto" else batch), ("steps", steps)):
        if value is not None:
            overrides.append(f"schedule.{name}={value}")
    if weights is not None:
        overrides.append(f"data.weights={json.dumps(os.fspath(weights), ensure_ascii=False)}")
    options = launch.TrainOptions(
        data=_stores(data),
        validation=None if validation is None else Path(validation),
        out=None if out is None else Path(out),
        preset=preset,
        config=None if config is None else Path(config),
        settings=tuple(overrides),
        supervision="ssl" if ssl else "fsl",
        baseline=baseline,
        model=model,
        fit_batch=batch == "auto",
        deadline=None if minutes is None else begun + 60 * minutes,
    )
    return launch.launch(options, runtime, callbacks)


def _stores(data: PathLike | Sequence[PathLike] | None) -> Path | tuple[WeightedStore, ...] | None:
    from handsss.data.mixture import parse_stores

    if data is None:
        return None
    return Path(data) if isinstance(data, str | os.PathLike) else parse_stores(data) or None


def check_minutes(minutes: Any, steps: int | None, settings: Sequence[str]) -> None:
    """That a time budget is one, and that nothing else says how long a run lasts.

    Args:
        minutes: of the run; None: no budget.
        steps: of the run, if given.
        settings: ``section.key=value``, which may hold ``schedule.steps``.

    Raises:
        UserError: it is none, or something else does.
    """
    if minutes is None:
        return
    if not (isinstance(minutes, (int, float)) and 0 < minutes < float("inf")):
        shown = f"{minutes:g}" if isinstance(minutes, float) else str(minutes)
        raise UserError(f"{{minutes}} {shown}: expected a time above 0.", options=["minutes"])
    if steps is not None or any(setting.replace(" ", "").startswith("schedule.steps=") for setting in settings):
        raise UserError(
            "{minutes} and {steps} were both given: {minutes} chooses the steps. Leave one of them out.",
            options=("minutes", "steps"),
        )


def _settings(settings: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """``section.key=value`` with the value as TOML has it; JSON writes numbers, words, booleans and lists alike."""
    if isinstance(settings, Mapping):
        return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()]
    return [settings] if isinstance(settings, str) else list(settings)


def evaluate(
    checkpoint: PathLike | None = None,
    data: PathLike | None = None,
    *,
    predictions: PathLike | None = None,
    protocol: Literal["freihand", "ho3d"] | None = None,
    split: str | None = None,
    limit: int | None = None,
    proper: bool = False,
    procrustes: bool = True,
    out: PathLike | None = None,
    device: str = "auto",
    precision: str = "float32",
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Score a trained network, or anyone's predictions, locally by the official protocols: ``handsss evaluate``.

    Args:
        checkpoint: a checkpoint, a run's folder, weights, or "handsss-open-lite0"; the newest run if left out.
        data: a store, or the folder of FreiHAND, HO-3D or data in FreiHAND's layout; the evaluation store in the
            working folder if left out.
        predictions: a pred.json or pred.zip to score instead of a network.
        protocol: the data's own if left out.
        split: "training" or "evaluation", of a dataset's folder.
        limit: only the first pictures.
        proper: no reflections in the Procrustes alignment.
        procrustes: all alignments; False: errors in camera space alone (table 4 of the paper).
        out: folder for the report (HTML, markdown, JSON, curves); none is written if left out.
        device: of the network.
        precision: of the network: "float32", "bfloat16" or "float16".
        on_progress: told stage, pictures done and pictures in all.

    Returns:
        ``metrics``, a flat dictionary with units in its names, tables, and the report's paths.

    Raises:
        UserError: options that contradict each other, no such device, a folder that cannot be written.
        InputError: no checkpoint, predictions or data that can be used, or data without ground truth.

    Examples:
        >>> import handsss
        >>> scores = handsss.evaluate("runs/ours", "freihand_evaluation.h5", out="report")  # doctest: +SKIP
        >>> scores.metrics["aligned_mpjpe_mm"]  # doctest: +SKIP
    """
    from handsss.evaluation.evaluate import evaluate as score

    if limit is not None and limit < 1:
        raise UserError(f"limit {limit}: expected at least 1 picture. Leave it out for all.")
    return score(
        checkpoint=None if checkpoint is None else Path(checkpoint),
        data=None if data is None else Path(data),
        predictions=None if predictions is None else Path(predictions),
        out=None if out is None else Path(out),
        protocol=protocol,
        split=split,
        limit=limit,
        proper=proper,
        procrustes=procrustes,
        device=device,
        precision=precision,
        on_progress=on_progress,
    )
