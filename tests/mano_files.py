"""MANO-format models and files, made up on the spot: no licensed file is needed."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from handsss.hand.joints import MODEL_PARENTS
from handsss.hand.model import HandModel, model_from_arrays
from tests.mano_hands import bent_arrays, handlike_arrays

Arrays = dict[str, np.ndarray]
WriteMano = Callable[..., Path]
_LENGTHS = {
    "index": (33, 22, 20),
    "middle": (31, 23, 21),
    "little": (20, 14, 16),
    "ring": (28, 23, 20),
    "thumb": (32, 28, 25),
}
_BASES = {
    "index": (8, 0, 24),
    "middle": (0, 0, 0),
    "little": (20, -4, -38),
    "ring": (7, -1, -20),
    "thumb": (72, -12, 26),
}


def random_arrays(seed: int = 0, vertices: int = 778) -> Arrays:
    """A right hand in MANO's layout: a plausible skeleton with a cloud of vertices around it."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((16, 3))
    joints[0] = (0.092, 0.004, 0.003)
    for finger, name in enumerate(_LENGTHS):
        position = np.array(_BASES[name]) / 1000
        direction = np.array([-0.8, -0.2, 0.55]) if name == "thumb" else np.array([-1.0, 0.0, 0.0])
        for step in range(3):
            joints[1 + 3 * finger + step] = position
            position = position + direction * _LENGTHS[name][step] / 1000
    owner = rng.permutation(np.arange(vertices) % 16)
    ends = np.array([joints[j + 1] if j and j % 3 else joints[j] + np.array([-0.02, 0, 0]) for j in range(16)])
    along = rng.uniform(-0.3, 1, (vertices, 1))
    template = joints[owner] * (1 - along) + ends[owner] * along + rng.normal(scale=0.006, size=(vertices, 3))
    weights = np.exp(-np.linalg.norm(template[:, None] - joints, axis=-1) / 0.008)
    weights[np.arange(vertices), owner] += weights.max(1)
    weights /= weights.sum(1, keepdims=True)
    regressor = np.zeros((16, vertices))
    for joint in range(16):
        near = np.argsort(np.linalg.norm(template - joints[joint], axis=1))[:25]
        regressor[joint, near] = rng.dirichlet(np.ones(len(near)))
    shapedirs = rng.normal(scale=4e-4, size=(vertices, 3, 10))
    shapedirs[..., 0] = 0.06 * (template - template.mean(0))
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    return {
        "v_template": template,
        "faces": rng.integers(0, vertices, (1538, 3)).astype(np.int32),
        "weights": weights,
        "shapedirs": shapedirs,
        "posedirs": rng.normal(scale=1e-3, size=(vertices, 3, 135)),
        "J_regressor": regressor,
        "hands_mean": rng.normal(scale=0.25, size=45),
        "hands_components": components,
        "hands_coeffs": rng.normal(size=(1554, 45)) * np.linspace(1.2, 0.05, 45),
    }


def mirrored_arrays(arrays: Arrays, *, wrong_shape: bool) -> Arrays:
    """The left hand's file; with MANO's fault in the shape directions if asked for."""
    signs = np.array([-1.0, 1.0, 1.0])
    pose_signs = np.tile([1.0, -1.0, -1.0], 15)
    entry_signs = np.tile(np.outer(signs, signs).reshape(9), 15)
    return {
        **arrays,
        "v_template": arrays["v_template"] * signs,
        "faces": arrays["faces"][:, ::-1],
        "shapedirs": arrays["shapedirs"] * (1 if wrong_shape else signs[:, None]),
        "posedirs": arrays["posedirs"] * signs[:, None] * entry_signs,
        "hands_mean": arrays["hands_mean"] * pose_signs,
        "hands_components": arrays["hands_components"] * pose_signs,
    }


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes strings and bytes as Python 2 did: raw, without an encoding."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _raw(self, value: bytes | str) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = _raw
    dispatch[str] = _raw


@contextmanager
def fake_chumpy() -> Iterator[types.ModuleType]:
    """A chumpy that can be pickled with; gone afterwards."""
    chumpy, ch, reordering = (types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering"))

    class Ch:
        def __init__(self, **terms: Any) -> None:
            self.__dict__.update(terms, _dirty_vars=set(), _itr=None)

        def __getstate__(self) -> dict[str, Any]:
            return dict(self.__dict__)

        def __setstate__(self, state: dict[str, Any]) -> None:
            raise AssertionError("chumpy code ran while a file was read")

    for module, name in ((ch, "Ch"), (reordering, "Select"), (reordering, "Reshape"), (reordering, "transpose")):
        made = Ch if name == "Ch" else type(name, (Ch,), {})
        made.__module__, made.__qualname__ = module.__name__, name
        setattr(module, name, made)
    modules = {"chumpy": chumpy, "chumpy.ch": ch, "chumpy.reordering": reordering}
    sys.modules.update(modules)
    try:
        chumpy.ch, chumpy.reordering = ch, reordering  # type: ignore[attr-defined]
        yield chumpy
    finally:
        for name in modules:
            del sys.modules[name]


def pickled(arrays: Arrays, *, chumpy: bool = True, protocol: int = 2, python2: bool = False) -> bytes:
    """The bytes of a MANO file, with the names that old versions of numpy and scipy wrote."""
    content: dict[str, Any] = {k: v for k, v in arrays.items() if k != "faces"}
    content["f"] = arrays["faces"].astype(np.uint32)
    parents = np.array([2**32 - 1, *MODEL_PARENTS[1:]], dtype=np.int64)
    content["kintree_table"] = np.stack([parents, np.arange(16)])
    content["J_regressor"] = csc_matrix(arrays["J_regressor"])
    content["bs_style"], content["bs_type"] = "lbs", "lrotmin"
    with fake_chumpy() as module:
        if chumpy:
            for key in ("v_template", "weights", "posedirs"):
                content[key] = module.ch.Ch(x=content[key])
            wide = np.concatenate([content["shapedirs"], np.zeros_like(content["shapedirs"])], 2)
            chosen = np.arange(wide.size).reshape(wide.shape)[:, :, :10]
            content["shapedirs"] = module.reordering.Select(
                a=module.ch.Ch(x=wide), idxs=chosen.ravel(), preferred_shape=chosen.shape
            )
        buffer = io.BytesIO()
        (_Python2Pickler if python2 else pickle.Pickler)(buffer, protocol).dump(content)
    data = buffer.getvalue()
    if protocol == 2:
        data = data.replace(b"scipy.sparse._csc\n", b"scipy.sparse.csc\n").replace(b"numpy._core.", b"numpy.core.")
    return data


@pytest.fixture(scope="session")
def mano_arrays() -> Arrays:
    return random_arrays()


@pytest.fixture(scope="session")
def handlike_mano() -> Arrays:
    return handlike_arrays()


@pytest.fixture(scope="session")
def bent_mano() -> Arrays:
    return bent_arrays()


@pytest.fixture(scope="session")
def mano_model(mano_arrays: Arrays) -> HandModel:
    return model_from_arrays(mano_arrays, name="made up", side="right", source="test", mano=True)


@pytest.fixture(scope="session")
def make_mano() -> Callable[[int], HandModel]:
    """Models of any number of vertices (MANO's fingertip numbers need 746)."""

    def make(vertices: int) -> HandModel:
        arrays = random_arrays(vertices, vertices)
        return model_from_arrays(arrays, name="made up", side="right", source="test", mano=True)

    return make


@pytest.fixture(scope="session")
def small_mano(mano_model: HandModel) -> HandModel:
    """40 vertices, for finite differences."""
    kept = np.arange(0, 778, 20)
    regressor = mano_model.j_regressor[:, kept] + 1e-3
    return replace(
        mano_model,
        v_template=mano_model.v_template[kept],
        weights=mano_model.weights[kept],
        shapedirs=mano_model.shapedirs[kept],
        posedirs=mano_model.posedirs[kept],
        j_regressor=regressor / regressor.sum(1, keepdims=True),
        tips=np.array([3, 9, 20, 20, 31]),  # one vertex serves twice
        keypoint_sets={},
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes to the user's cache."""
    monkeypatch.setenv("HANDSSS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def write_mano(tmp_path: Path, mano_arrays: Arrays) -> WriteMano:
    """Writes a MANO file: ``write_mano("right", **options of pickled)`` returns its path."""

    def write(side: str = "right", *, wrong_shape: bool = True, folder: Path = tmp_path, **options: Any) -> Path:
        arrays = options.pop("arrays", mano_arrays)
        if side == "left":
            arrays = mirrored_arrays(arrays, wrong_shape=wrong_shape)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"MANO_{side.upper()}.pkl"
        path.write_bytes(pickled(arrays, **options))
        return path

    return write
