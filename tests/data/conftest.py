"""Datasets in their own layouts, written byte format by byte format, with values that can be computed by hand."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.mano_files import _Python2Pickler

FOCAL, CENTRE = 480.0, 112.0
SAMPLES = 3


def freihand_joints(sample: int) -> np.ndarray:
    """[21, 3] m: on a slanted plane; joint 9 at (0.01, 0.02, 0.6), the bone 9-10 of sample s is 3 + s cm long."""
    joints = np.array([[0.01 + 0.004 * (j - 9), 0.02 - 0.003 * (j - 9), 0.6 + 0.002 * (j - 9)] for j in range(21)])
    joints[10] = joints[9] + [0.0, -(0.03 + 0.01 * sample), 0.0]
    return joints


def picture(seed: int, size: tuple[int, int] = (224, 224)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (7, 7, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))


@pytest.fixture
def freihand(tmp_path: Path) -> Path:
    """FreiHAND with three samples in four versions, and two evaluation pictures."""
    root = tmp_path / "FreiHAND_pub_v2"
    for folder in ("training/rgb", "training/mask", "evaluation/rgb"):
        (root / folder).mkdir(parents=True)
    for number in range(4 * SAMPLES):
        Image.fromarray(picture(number)).save(root / f"training/rgb/{number:08d}.jpg", quality=90)
    for number in range(SAMPLES):
        mask = np.zeros((224, 224), np.uint8)
        mask[50:150, 60 : 160 + number] = 255
        Image.fromarray(mask).save(root / f"training/mask/{number:08d}.jpg")
    K = [[FOCAL, 0.0, CENTRE], [0.0, FOCAL, CENTRE], [0.0, 0.0, 1.0]]
    joints = [freihand_joints(sample).tolist() for sample in range(SAMPLES)]
    mano = []
    for sample in range(SAMPLES):
        # The root's pixel and "scale" of joint 9 at (0.01, 0.02, 0.6): 480 * .01 / .6 = 8 px, 480 / .6 = 800.
        mano.append([[0.1 * sample] * 48 + [0.5] * 10 + [CENTRE + 8, CENTRE + 16, 800.0]])
    lists = {"K": [K] * SAMPLES, "scale": [0.03 + 0.01 * s for s in range(SAMPLES)], "xyz": joints, "mano": mano}
    for name, content in lists.items():
        (root / f"training_{name}.json").write_text(json.dumps(content))
    for number in range(2):
        Image.fromarray(picture(100 + number)).save(root / f"evaluation/rgb/{number:08d}.jpg")
    (root / "evaluation_K.json").write_text(json.dumps([K] * 2))
    (root / "evaluation_scale.json").write_text(json.dumps([0.028, 0.029]))
    return root


def ho3d_joints() -> np.ndarray:
    """[21, 3] HO-3D order, OpenGL camera: joint i at (0.01 (i - 10), 0.02, -0.5)."""
    return np.array([[0.01 * (i - 10), 0.02, -0.5] for i in range(21)])


HO3D_K = np.array([[600.0, 0, 320], [0, 610.0, 240], [0, 0, 1]])


def ho3d_meta(split: str) -> dict[str, Any]:
    common: dict[str, Any] = {
        "camMat": HO3D_K,
        "objTrans": np.zeros(3),
        "objRot": np.zeros((3, 1)),
        "objName": "010_potted_meat_can",
        "objLabel": 3,
        "camIDList": ["0", "1"],
    }
    if split == "evaluation":
        box = list(np.array([200.0, 150.0, 300.0, 250.0]))  # a list of numpy scalars, as the dataset may have it
        return common | {"handBoundingBox": box, "handJoints3D": np.array([0.05, 0.02, -0.5])}
    return common | {
        "handJoints3D": ho3d_joints(),
        "handPose": np.linspace(0, 1, 48),
        "handTrans": np.array([0.1, 0.2, -0.5]),
        "handBeta": np.arange(10) / 10,
        "objCorners3D": np.zeros((8, 3)),
    }


def python2_pickle(content: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    _Python2Pickler(buffer, 2).dump(content)
    return buffer.getvalue().replace(b"numpy._core.", b"numpy.core.")


@pytest.fixture
def ho3d(tmp_path: Path) -> Callable[[str], Path]:
    """HO-3D, two training frames of one sequence (the second without annotation) and one evaluation frame."""

    def write(version: str) -> Path:
        root = tmp_path / f"HO3D_{version}"
        suffix = "png" if version == "v2" else "jpg"
        frames = {"train": ["ABF10/0000", "ABF10/0001"], "evaluation": ["SM1/0007"]}
        for folder, names in frames.items():
            for name in names:
                sequence, number = name.split("/")
                for kind in ("rgb", "meta", "depth"):
                    (root / folder / sequence / kind).mkdir(parents=True, exist_ok=True)
                target = root / folder / sequence / "rgb" / f"{number}.{suffix}"
                Image.fromarray(picture(int(number), (640, 480))).save(target)
                meta = ho3d_meta("training" if folder == "train" else "evaluation")
                if name == "ABF10/0001":
                    meta = dict.fromkeys(meta)
                    meta["camMat"] = HO3D_K
                data = python2_pickle(meta) if version == "v2" else pickle.dumps(meta)
                (root / folder / sequence / "meta" / f"{number}.pkl").write_bytes(data)
            (root / f"{folder}.txt").write_text("\n".join(names) + "\n")
        return root

    return write


def content_of(path: Path) -> dict[str, Any]:
    """All fields and attributes of a store, for comparison."""
    with h5py.File(path, "r") as file:
        fields = {name: file[name][:] for name in file}
        attributes = {key: file.attrs[key] for key in file.attrs}
    return {**fields, **{f"@{key}": value for key, value in attributes.items()}}


def assert_same(a: dict[str, Any], b: dict[str, Any], ignore: tuple[str, ...] = ()) -> None:
    assert set(a) - set(ignore) == set(b) - set(ignore)
    for key in set(a) - set(ignore):
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
