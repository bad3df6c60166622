"""The fit of a track: key frames as photos are fitted, one shape of the best of them, every frame from its neighbour's
hand, then all frames as one motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from handsss.detect.types import mirror
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.frame_prior import FramePriors, between
from handsss.fitting.keypoint_fit import COST_SHARE, KeypointFit
from handsss.fitting.levenberg_marquardt import minimise
from handsss.fitting.motion_fit import FREE, MotionSettings, fit_motion
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.fitting.shared_fit import fit_one_shape
from handsss.geometry.cameras import mirror_intrinsics
from handsss.reconstruction.film.tracks import Track
from handsss.reconstruction.hand_fitter import HandFitter

KEY_SECONDS = 0.4  # between key frames
_SHAPE_HANDS = 16  # key frames that the shape is of
_WARM_ITERATIONS = 3
_WINDOW, _OVERLAP = 240, 24  # frames that are fitted as one motion, and those of its neighbours that it sees
_APART = 0.02  # metres between hypotheses of neighbouring key frames that cost as much as one standard deviation


def key_rows(track: Track, seconds: float = KEY_SECONDS) -> list[int]:
    """Rows that are fitted as photos are: seen ones, about evenly spread over each run, the best seen of neighbours."""
    keys: list[int] = []
    score = track.score
    for number in np.unique(track.segment):
        rows = np.flatnonzero((track.segment == number) & track.seen)
        begin, end = track.seconds[rows[0]], track.seconds[rows[-1]]
        count = max(1, round((end - begin) / seconds))
        bins = np.minimum(((track.seconds[rows] - begin) / max(end - begin, 1e-9) * count).astype(int), count - 1)
        for index in range(count):
            inside = rows[bins == index]
            if len(inside):
                middle = begin + (index + 0.5) * (end - begin) / count
                near = np.abs(track.seconds[inside] - middle) <= 0.5 * seconds / 2
                inside = inside[near] if near.any() else inside
                keys.append(int(inside[score[inside].argmax()]))
    return keys


def observed(track: Track, side: str, intrinsics: np.ndarray, width: int, *, depth: bool) -> Observation:
    """Observations [N] of a track as a right hand; rows that are not seen have those of a seen one."""
    K = mirror_intrinsics(intrinsics, width) if side == "left" else intrinsics
    seen = np.flatnonzero(track.seen)
    rows = []
    for row in range(len(track.frames)):
        source = row if track.seen[row] else int(seen[np.abs(seen - row).argmin()])
        detection = track.detection(source, side)
        own = mirror(detection, width) if side == "left" else detection
        rows.append(observation_of(own.keypoints, K, own.world if depth else None))
    return Observation.stack(rows)


def likeliest(problem: KeypointProblem, fits: Sequence[KeypointFit], seconds: np.ndarray) -> HandParameters:
    """Of each key frame's hypotheses the ones that cost least together with the way between them (Viterbi).

    Args:
        problem: of the keypoints.
        fits: of key frames of one run, in order.
        seconds: [K] theirs.
    """
    counts = [len(fit.costs) for fit in fits]
    points, _ = problem.keypoints(HandParameters.concat([fit.refined for fit in fits]))
    centred = (points - points.mean(1, keepdim=True)).split(counts)
    best, before = COST_SHARE * fits[0].costs, []
    for index in range(1, len(fits)):
        apart = (centred[index][:, None] - centred[index - 1][None]).square().sum(-1).mean(-1)  # [new, old]
        elapsed = max(float(seconds[index] - seconds[index - 1]), 1e-3)
        cost = best[None] + apart / (_APART**2 * max(elapsed / KEY_SECONDS, 0.3))
        before.append(cost.argmin(1))
        best = cost.amin(1) + COST_SHARE * fits[index].costs
    chosen = [int(best.argmin())]
    for back in reversed(before):
        chosen.append(int(back[chosen[-1]]))
    return HandParameters.concat([fit.refined.select(k) for fit, k in zip(fits, reversed(chosen), strict=True)])


def one_shape(
    problem: KeypointProblem, hands: HandParameters, observation: Observation, score: np.ndarray
) -> tuple[torch.Tensor, np.ndarray]:
    """The shape [10] of the best seen key frames, and how far each of those agrees with the others.

    Args:
        problem: of the keypoints.
        hands: at the key frames, [K].
        observation: theirs.
        score: [K] how well each is seen.
    """
    count = len(score)
    parts = np.array_split(np.arange(count), min(_SHAPE_HANDS, count))
    rows = torch.as_tensor([int(part[score[part].argmax()]) for part in parts])
    if len(rows) < 2:
        return hands.shape[int(rows[0])], np.ones(1)
    fit = fit_one_shape(problem, hands.select(rows), observation.select(rows))
    return fit.parameters.shape[0], fit.weights.numpy()


def frame_priors(
    fitter: HandFitter,
    name: str,
    observation: Observation,
    track: Track,
    keys: Sequence[int],
    hands: Sequence[FittedHand],
) -> FramePriors:
    """What is expected of every row's pose."""
    problem = fitter.problem(name)
    lifter = fitter.lifter(name)
    lifted = None if lifter is None else torch.cat([lifter.poses(part) for part in _parts(observation)])
    count = len(track.frames)
    predicted = torch.full((count, 45), float("nan"), dtype=torch.float64)
    for number in np.unique(track.segment):
        rows = np.flatnonzero(track.segment == number)
        own = [k for k, key in enumerate(keys) if hands[k].predicted and track.segment[key] == number]
        if own:
            poses = torch.cat([hands[k].fit.starts.pose[:1] for k in own])
            places = torch.tensor([keys[k] - int(rows[0]) for k in own])
            predicted[torch.as_tensor(rows)] = between(places, poses, len(rows))
    return FramePriors(lifted, predicted, problem.settings.prior_scales(observation.confidence))


def _parts(observation: Observation) -> Iterator[Observation]:
    for rows in torch.arange(len(observation.confidence)).split(128):
        yield observation.select(rows)


def fit_rows(
    problem: KeypointProblem,
    observation: Observation,
    track: Track,
    keys: Sequence[int],
    hands: HandParameters,
    priors: FramePriors,
) -> HandParameters:
    """Every row's own fit, [N], from the hand of the row before or after, outwards from the key frames.

    Args:
        problem: of the keypoints.
        observation: [N].
        track: its runs.
        keys: rows of the key frames.
        hands: there, [K], of one shape.
        priors: of the rows.
    """
    count = len(track.frames)
    nearest, places = np.zeros(count, dtype=np.int64), np.array(keys)
    for row in range(count):
        own = np.flatnonzero(track.segment[places] == track.segment[row])
        nearest[row] = own[np.abs(places[own] - row).argmin()]
    away = np.abs(places[nearest] - np.arange(count))
    ended = hands.select(torch.as_tensor(nearest)).copy()
    for distance in range(int(away.max()) + 1):
        rows = np.flatnonzero(away == distance)
        index = torch.as_tensor(rows)
        start = ended.select(torch.as_tensor(rows + np.sign(places[nearest[rows]] - rows)))
        start = priors.of(index, start, problem.settings)
        ended.assign(index, start)
        index = index[torch.as_tensor(track.seen[rows])]
        for some in index.split(64):
            state = minimise(
                problem, ended.select(some), observation.select(some), _WARM_ITERATIONS, torch.arange(len(some)), FREE
            )
            ended.assign(some, state.parameters)
    return ended


def smooth(
    problem: KeypointProblem,
    hands: HandParameters,
    observation: Observation,
    track: Track,
    settings: MotionSettings | None = None,
) -> HandParameters:
    """All rows as one motion, run by run, in windows that overlap: memory does not grow with the film."""
    result = hands.copy()
    for rows, kept in _windows(track.segment):
        index = torch.as_tensor(rows)
        fit = fit_motion(
            problem, hands.select(index), observation.select(index), track.seen[rows], track.seconds[rows], settings
        )
        result.assign(index[torch.as_tensor(kept)], fit.parameters.select(torch.as_tensor(kept)))
    return result


def _windows(segment: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of each window, and which of them are its own."""
    for number in np.unique(segment):
        rows = np.flatnonzero(segment == number)
        for begin in range(0, len(rows), _WINDOW):
            first, last = max(begin - _OVERLAP, 0), min(begin + _WINDOW + _OVERLAP, len(rows))
            some = np.arange(first, last)
            yield rows[some], (some >= begin) & (some < begin + _WINDOW)
