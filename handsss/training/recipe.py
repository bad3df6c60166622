"""From settings to the parts of a run: data, hand model, network, objective."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handsss.data.dataset import HandDataset
from handsss.data.mixture import MixedDataset, WeightedStore
from handsss.data.online.dataset import OnlineHands, backgrounds_of, is_online
from handsss.data.online.painter import OnlineSettings
from handsss.data.store.reader import Store
from handsss.errors import InputError, UserError
from handsss.fitting.lifting import can_lift
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.network.precision import for_training
from handsss.network.s2hand import S2Hand
from handsss.training.config import TrainConfig
from handsss.training.objective import Objective

MANO_CNN = "mano-cnn"
KINEMATIC = "joints"  # keypoint set of the kinematic chain, in which bones at rest are measured
TRUE_KEYPOINTS = "ground-truth keypoints"  # the origin of a store's 2D keypoints that are projections of true joints
DISTURBED_KEYPOINTS = "true keypoints with a detector's errors"  # of online pictures
LEAST_ROWS = 2  # of a process in a step: batch normalisation has no variance of one row
FEW_KEYPOINTS = 0.5  # share of rows with keypoints under which a run warns
PAPER_BONE = 0.0282  # m: average length of bone 9-10 of FreiHAND and HO-3D (supplement, section 1)
FREIHAND_SAMPLES = 32560


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what."""

    data: Path  # store with the training rows; "online" or "online:FOLDER": pictures painted while it trains
    validation: Path | None = None  # store with true joints
    supervision: str = "ssl"  # "ssl": detected keypoints; "fsl": true keypoints and joints
    baseline: str = ""  # "mano-cnn", or the paper's method
    model: str = "open"  # hand model: a name or a path
    mixture: tuple[WeightedStore, ...] = ()  # all stores with training rows, where there are several; data is the first

    @property
    def stores(self) -> tuple[WeightedStore, ...]:
        """The stores with training rows."""
        return self.mixture or (WeightedStore(self.data),)

    @property
    def data_words(self) -> str:
        """The training data, for people."""
        if not self.mixture:
            return str(self.data)
        return " + ".join(f"{path}" + ("" if weight == 1 else f" x {weight:g}") for path, weight in self.mixture)


def default_training_data(split: str = "training") -> Path:
    """The store that ``handsss preprocess`` writes by default into this folder; the newest of several.

    Raises:
        UserError: none is here; says which commands make one.
    """
    patterns = (f"freihand*_{split}.h5", f"ho3d_*_{split}.h5")
    stores = sorted((path for pattern in patterns for path in Path().glob(pattern)), key=lambda p: p.stat().st_mtime)
    if stores:
        return stores[-1]
    raise UserError(
        f"no {{data}}, and neither {' nor '.join(patterns)} lies in this folder. Make a dataset that "
        "needs no licence:\n"
        "  handsss synthesize -n 2000 -o synthetic\n"
        "  handsss preprocess freihand synthetic\n"
        "or give FreiHAND's, HO-3D's or your own photos' file as `handsss preprocess` wrote it: {data} FILE.",
        options=["data"],
    )


def as_baseline(config: TrainConfig) -> TrainConfig:
    """MANO-CNN: the same encoder and regressor, supervised by keypoints, without the keypoint branch, texture,
    photometric, bone-direction and consistency terms, and without E_lifted and E_depth."""
    stages = tuple(name for name in config.schedule.stages if name != "keypoints")
    return replace(
        config,
        network=replace(config.network, stacks=0, appearance=False),
        losses=replace(config.losses, w_2d=0.0, w_con=0.0, w_ori=0.0, w_photo=0.0, w_lifted=0.0, w_depth=0.0),
        schedule=replace(config.schedule, stages=stages or ("shape", "finetune")),
    )


def without_lifting(config: TrainConfig, recipe: Recipe) -> tuple[TrainConfig, str]:
    """The settings without E_lifted where it cannot be had, or where true joints say more, and the reason."""
    if config.losses.w_lifted == 0:
        return config, ""
    if recipe.supervision == "fsl":
        reason = "true joints are given"
    elif not can_lift(load_model(recipe.model)):
        reason = f"the lifting network knows the open hand only, not {recipe.model}"
    else:
        return config, ""
    return replace(config, losses=replace(config.losses, w_lifted=0.0)), f"without E_lifted: {reason}"


def training_data(recipe: Recipe, config: TrainConfig) -> HandDataset:
    """The training rows, with true joints for full supervision.

    Raises:
        InputError: not a store; no rows; too few of them; no true joints where they are needed; stores that cannot be
            mixed; no backgrounds in the folder of online pictures.
    """
    stored = {s.path: _rows_of(s.path, recipe, config) for s in recipe.stores if not is_online(s.path)}
    like = next(iter(stored.values())).attributes if stored else {}
    parts = [stored[s.path] if s.path in stored else _online(s.path, config, like) for s in recipe.stores]
    if len(parts) == 1:
        (data,) = parts
    else:
        data = MixedDataset(parts, [store.weight for store in recipe.stores], seed=config.schedule.seed)
        bones = [mean_bone_of(part.attributes, config, load_model(recipe.model))[0] for part in parts]
        data.attributes["mean_bone_9_10"] = float(np.average(bones, weights=data.counts))
    if len(data) < config.schedule.batch:
        if len(data) < LEAST_ROWS:
            raise InputError(f"{recipe.data_words}: {len(data)} rows. Expected at least {LEAST_ROWS}: give more data.")
        raise InputError(
            f"{recipe.data_words}: {len(data)} rows, but a batch has {config.schedule.batch}. Give more data, or "
            f"{{batch}} {len(data)} at most.",
            options=["batch"],
        )
    return data


def _online(path: Path, config: TrainConfig, like: dict[str, Any]) -> OnlineHands:
    """Pictures painted while it trains, with keypoints and joints as the stores beside them define theirs."""
    settings = OnlineSettings(
        backgrounds_of(path),
        config.schedule.seed,
        config.data.online_keypoints,
        augmentation=config.augmentation,
    )
    known = load_model("open").keypoint_sets
    if like.get("keypoint_set") in known:
        settings = replace(settings, keypoint_set=str(like["keypoint_set"]))
    if like.get("joints_3d_set") in known:
        settings = replace(settings, joints_set=str(like["joints_3d_set"]))
    return OnlineHands(settings, max(config.data.online_rows, config.schedule.batch))


def _rows_of(path: Path, recipe: Recipe, config: TrainConfig) -> HandDataset:
    """The training rows of one store."""
    known = HandDataset(path).fields
    fields: tuple[str, ...] = ("world_3d",) if config.losses.w_depth > 0 and "world_3d" in known else ()
    if recipe.supervision == "fsl":
        if "joints_3d" not in known:
            raise InputError(f"{path}: has no true joints. Full supervision (fsl) needs them, ssl does not.")
        fields = ("joints_3d",)
    if recipe.supervision == "ssl":
        check_keypoints(path)
    return HandDataset(path, config.augmentation, seed=config.schedule.seed, fields=fields)


def check_keypoints(path: Path) -> None:
    """That a store of a self-supervised run has any keypoint.

    Raises:
        InputError: it has none.
    """
    if not is_online(path) and _share_with_keypoints(path) == 0:
        raise InputError(
            f"{path}: no row has a 2D keypoint, so there is nothing to learn from. Expected keypoints in most rows: "
            "run `handsss preprocess` with other --keypoints."
        )


def few_keypoints(path: Path) -> str:
    """A warning, where less than half of a store's rows have a keypoint; empty otherwise."""
    share = 1.0 if is_online(path) else _share_with_keypoints(path)
    if share >= FEW_KEYPOINTS:
        return ""
    return (
        f"only {100 * share:.3g} % of the rows of {path} have keypoints (warned of under {100 * FEW_KEYPOINTS:.0f} %); "
        "the others teach nothing but the priors"
    )


def keypoint_origin(attributes: dict[str, Any]) -> str:
    """Where a store's 2D keypoints come from, in words.

    Args:
        attributes: of the store; stores of other programs may lack ``keypoint_source``.
    """
    source = attributes.get("keypoint_source")
    kind = source.get("source") if isinstance(source, dict) else None
    if kind == "mixed" and isinstance(source, dict):
        return " and ".join(sorted({keypoint_origin({"keypoint_source": part}) for part in source["parts"]}))
    if kind == "truth":
        return TRUE_KEYPOINTS
    if kind == "detect":
        return "detected keypoints"
    if kind == "disturbed":
        return DISTURBED_KEYPOINTS
    if kind == "files" and isinstance(source, dict):
        return f"keypoints from files ({source.get('format') or 'JSON'})"
    return "2D keypoints of unknown origin"


def has_true_keypoints(path: Path) -> bool:
    """Whether a store's 2D keypoints are projections of the true joints.

    Raises:
        InputError: not a store.
    """
    store = Store(path)
    try:
        return keypoint_origin(store.attributes) == TRUE_KEYPOINTS
    finally:
        store.close()


def true_keypoints_note(path: Path) -> str:
    """A warning for self-supervision by ground-truth keypoints; empty for other stores."""
    if is_online(path) or not has_true_keypoints(path):
        return ""
    return (
        f"self-supervised (SSL), but the 2D keypoints of {path} are the ground truth's: its figures are not comparable "
        "to training from detections. Make a store with `handsss preprocess ... --keypoints detect` for that"
    )


def _share_with_keypoints(path: Path) -> float:
    """Share of a store's rows with a detected keypoint; 1 of a store without rows, which is told elsewhere."""
    store = Store(path)
    try:
        confidence = store.read("confidence")
    finally:
        store.close()
    return float((confidence > 0).any(1).mean()) if len(confidence) else 1.0


def keypoint_set_of(attributes: dict[str, Any], model: HandModel, supervision: str) -> str:
    """The definition of the 2D keypoints that joints are projected with: the data's where the model has it, else the
    joints as they are, as the paper takes OpenPose's points."""
    name = str(attributes.get("joints_3d_set" if supervision == "fsl" else "keypoint_set", "openpose"))
    return name if name in model.keypoint_sets else "openpose"


def joints_set_of(attributes: dict[str, Any], model: HandModel) -> str:
    """The definition of the data's true joints, in which their bones are measured; kinematic joints without any."""
    name = str(attributes.get("joints_3d_set", KINEMATIC))
    return name if name in model.keypoint_sets else KINEMATIC


def mean_bone_of(attributes: dict[str, Any], config: TrainConfig, model: HandModel) -> tuple[float, str]:
    """The average length of bone 9-10 (m) for E_s, and where it comes from."""
    if config.data.mean_bone > 0:
        return config.data.mean_bone, "data.mean_bone"
    original = int(attributes.get("samples", 0)) == FREIHAND_SAMPLES
    if attributes.get("dataset") == "ho3d" or (attributes.get("dataset") == "freihand" and original):
        return PAPER_BONE, "the supplement, for FreiHAND and HO-3D"
    value = attributes.get("mean_bone_9_10")
    if value is not None and np.isfinite(value) and value > 0:
        return float(value), "the data's average"
    joints = model.j_regressor @ model.v_template
    return float(np.linalg.norm(joints[5] - joints[4])), "the hand model at rest, since the data knows no lengths"


def build(config: TrainConfig, recipe: Recipe, data: HandDataset, device: torch.device) -> tuple[S2Hand, Objective]:
    """Network, with its seed's weights, and objective.

    Raises:
        UserError: a precision or a prior that is not known.
        InputError: no such hand model.
    """
    model = load_model(recipe.model)
    if config.losses.pose_prior not in ("limits", "average"):
        raise UserError(f"losses.pose_prior {config.losses.pose_prior!r}: expected limits or average.")
    torch.manual_seed(config.schedule.seed)
    network = S2Hand(model, config.network).to(device)
    network.precision = for_training(config.schedule.precision, device)
    objective = Objective(
        config.losses,
        keypoint_set_of(data.attributes, model, recipe.supervision),
        mean_bone_of(data.attributes, config, model)[0],
        joints_set_of(data.attributes, model),
    )
    return network, objective
