"""Supervision of E_depth: whether a run has the detector's 3D points, and a hand model with their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handsss.data.mixture import WeightedStore
from handsss.data.online.dataset import is_online
from handsss.data.store.reader import Store
from handsss.detect.types import KEYPOINT_SET
from handsss.errors import UserError
from handsss.hand.load import load_model
from handsss.training.config import TrainConfig
from handsss.training.recipe import Recipe

FIELD = "world_3d"  # of a store


def without_depth(config: TrainConfig, recipe: Recipe, *, asked: bool) -> tuple[TrainConfig, str]:
    """The settings without E_depth where it cannot be had, or where true joints say more, and the reason.

    Args:
        config: the settings.
        recipe: the data and the hand model.
        asked: the user gave the weight: an error instead.

    Raises:
        UserError: the term cannot be had, and was asked for.
    """
    if config.losses.w_depth == 0:
        return config, ""
    reason = _missing(recipe)
    if not reason:
        return config, ""
    if asked:
        raise UserError(
            f"losses.w_depth = {config.losses.w_depth:g}: expected data with the detector's 3D points, but {reason}. "
            "Give losses.w_depth=0."
        )
    return replace(config, losses=replace(config.losses, w_depth=0.0)), f"without E_depth: {reason}"


def _missing(recipe: Recipe) -> str:
    if recipe.supervision == "fsl":
        return "true joints are given"
    if KEYPOINT_SET not in load_model(recipe.model).keypoint_sets:
        return f"the hand model {recipe.model} has no keypoints as the detector defines them ({KEYPOINT_SET})"
    if not any(rows_with_depth(store) for store in recipe.stores):
        return (
            f"no row of {recipe.data_words} has any (stores of earlier versions, keypoints from files or truth, and "
            "online pictures have none; `handsss preprocess ... --keypoints detect` writes them)"
        )
    return ""


def rows_with_depth(store: WeightedStore) -> int:
    """How many rows of a store have the detector's 3D points.

    Raises:
        InputError: not a store.
    """
    if is_online(store.path):
        return 0
    opened = Store(store.path)
    try:
        if FIELD not in opened.file:
            return 0
        return int(np.isfinite(opened.read(FIELD, (slice(None), 0, 0))).sum())
    finally:
        opened.close()
