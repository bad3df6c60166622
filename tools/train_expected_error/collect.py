"""Fitted hands of rendered pictures: what speaks for and against each, and how far its joints are from the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from handsss.detect.types import Detection
from handsss.fitting.doubt import features_of
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import HandInput, hand_inputs
from handsss.fitting.silhouette_fit import posed_vertices
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.geometry.procrustes import aligned_distances
from handsss.io.image import read_image
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings

_BATCH = 8
_REPORT = 200


class Collected(NamedTuple):
    """Hands [N] of pictures; a picture may be there in several ways of fitting it."""

    features: np.ndarray  # [N, 21, FEATURES] float32
    errors: np.ndarray  # [N, 21] mm after similarity alignment
    pictures: np.ndarray  # [N] numbers of the pictures
    ways: np.ndarray  # [N] 0: everything on; 1: no outline; 2: no depth; 3: no network


class _Picture(NamedTuple):
    number: int
    image: np.ndarray
    hand: Detection
    intrinsics: np.ndarray
    joints: np.ndarray  # [21, 3] m


def pictures(root: Path, split: str, first: int, count: int, pipeline: HandPipeline) -> Iterator[_Picture]:
    """Pictures of a dataset in FreiHAND's layout in which a hand is found. Every other one withholds its camera."""
    cameras, joints = (json.loads((root / f"{split}_{what}.json").read_text()) for what in ("K", "xyz"))
    for number in range(first, min(first + count, len(joints))):
        image = read_image(root / split / "rgb" / f"{number:08d}.jpg").array
        hands = sorted(pipeline.detect_hands(image), key=lambda hand: -hand.score)[:1]
        for hand in hands:
            K = np.array(cameras[number], dtype=np.float64)
            if number % 2:
                K = likely_intrinsics(intrinsics_from_fov(image.shape[1], image.shape[0]), [hand], pipeline.model)
            yield _Picture(number, image, hand, K, np.array(joints[number]))


def errors_of(pipeline: HandPipeline, hand: FittedHand, joints: np.ndarray) -> np.ndarray:
    """[21] mm between a fitted hand's joints, as FreiHAND defines them, and the truth after a similarity alignment."""
    vertices = posed_vertices(pipeline.fitter.layer, pipeline.fitter.problem(hand.keypoint_set), hand.parameters)
    own = pipeline.model.keypoint_set("freihand").vertex_weights @ vertices[0].double().numpy()
    if hand.input.left:  # all hands of these pictures are right ones: this one was taken for a left one
        own = own * np.array([-1.0, 1.0, 1.0])
    apart: np.ndarray = 1e3 * aligned_distances(own, joints)
    return apart


def collect(root: Path, split: str, first: int, count: int, *, only_usual: bool = False) -> Collected:
    """Fit the hands of pictures.

    Args:
        root: a dataset that ``handsss synthesize`` wrote.
        split: "training" or "evaluation".
        first, count: of its pictures.
        only_usual: everything on, as photos are reconstructed; else some are fitted a second time without outline,
            depth or network, as users may.
    """
    usual = HandPipeline("open", PipelineSettings())
    plain = HandPipeline("open", PipelineSettings(checkpoint="none"))
    rows: list[tuple[np.ndarray, np.ndarray, int, int]] = []

    def add(pipeline: HandPipeline, some: list[_Picture], inputs: list[HandInput], way: int) -> None:
        fitted = pipeline.fitter(inputs)
        keep(fitted, some, way)
        if way == 0 and not only_usual:
            keep([one._replace(parameters=one.fit.parameters, figures={}) for one in fitted], some, 1)

    def keep(fitted: list[FittedHand], some: list[_Picture], way: int) -> None:
        with torch.no_grad():
            features = features_of(usual.fitter.problem(fitted[0].keypoint_set), fitted)
            errors = [errors_of(usual, *pair) for pair in zip(fitted, (one.joints for one in some), strict=True)]
        rows.extend(zip(features, errors, (one.number for one in some), [way] * len(some), strict=True))

    def finish(some: list[_Picture]) -> None:
        if some:
            inputs = [hand_inputs(one.image, one.intrinsics, [one.hand])[0] for one in some]
            add(usual, some, inputs, 0)
            some_more = [row for row, one in enumerate(some) if one.number // 2 % 8 == 0]
            if some_more and not only_usual:
                chosen = [some[row] for row in some_more]
                blind = [one._replace(observation=one.observation._replace(world=None)) for one in inputs]
                add(usual, chosen, [blind[row] for row in some_more], 2)
                add(plain, chosen, [inputs[row] for row in some_more], 3)

    waiting: list[_Picture] = []
    for one in pictures(root, split, first, count, usual):
        waiting.append(one)
        if len(waiting) == _BATCH:
            finish(waiting)
            waiting = []
        if one.number % _REPORT == 0:
            print(f"{split} {one.number}", flush=True)
    finish(waiting)
    features, errors, numbers, ways = zip(*rows, strict=True)
    return Collected(np.stack(features), np.stack(errors), np.array(numbers), np.array(ways))
