"""MANO files of the user: located, read safely, repaired and converted once.

MANO (Romero, Tzionas, Black, SIGGRAPH Asia 2017) is licensed for research only and may not be passed on, so this
package holds no part of it and never downloads it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from handsss.errors import InputError
from handsss.hand.cache import cache_directory, write_arrays
from handsss.hand.joints import MODEL_PARENTS
from handsss.hand.model import HandModel, Side, model_from_arrays, read_npz
from handsss.hand.open_hand import open_model
from handsss.hand.own_poses import registered_coefficients
from handsss.hand.safe_pickle import array_from, read_pickle
from handsss.hand.transfer import transfer_keypoint_set

ENVIRONMENT = "HANDSSS_MANO"
VERTEX_COUNT = 778
_CONVERSION = 1  # raise it when converted files change
_WHERE = (
    "MANO is not part of this package: register at https://mano.is.tue.mpg.de (research licence), download the models, "
    f"and set {ENVIRONMENT} to the folder that holds MANO_RIGHT.pkl and MANO_LEFT.pkl. "
    "Without it, use the model 'open'."
)
_KEYS = ("v_template", "weights", "shapedirs", "posedirs", "J_regressor", "hands_mean", "hands_components")


def file_name(side: Side) -> str:
    return f"MANO_{side.upper()}"


def find_file(side: Side, path: Path) -> Path | None:
    """The file of one hand in a folder (or beside a file), or None.

    Args:
        side: which hand.
        path: a folder that holds the files, the folder they were unpacked to, or one of the files.
    """
    stem = file_name(side)
    if path.is_file():
        if _other(side) not in path.stem.lower():
            return path
        path = path.parent
    for folder in (path, path / "models", path / "mano", path / "mano_v1_2" / "models"):
        for suffix in (".pkl", ".npz"):
            if (folder / (stem + suffix)).is_file():
                return folder / (stem + suffix)
    return None


def find_model(side: Side) -> HandModel:
    """MANO, from where the environment variable ``HANDSSS_MANO`` points to.

    Args:
        side: which hand.

    Raises:
        InputError: the variable is not set, points nowhere, or no file of that hand is there; or as :func:`load_file`.
    """
    value = os.environ.get(ENVIRONMENT, "")
    if not value:
        raise InputError(f"the model 'mano' needs {ENVIRONMENT}, which is not set. {_WHERE}")
    path = Path(os.path.expanduser(value))  # Path's own raises for users without a home
    if not path.exists():
        raise InputError(f"{ENVIRONMENT} is {value!r}, and there is no such file or folder. {_WHERE}")
    file = find_file(side, path)
    if file is None:
        raise InputError(f"{ENVIRONMENT} is {value!r}, and no {file_name(side)}.pkl (or .npz) is there. {_WHERE}")
    return load_file(file, side)


def load_file(path: Path, side: Side) -> HandModel:
    """A hand model from a MANO file.

    A left hand's shape directions are mended if need be, see :func:`left_shape_is_wrong`. MANO's file knows no
    keypoints of other tools; those that were measured on the open hand are carried over, see
    :mod:`handsss.hand.transfer`.

    Args:
        path: ``.pkl`` as downloaded, or an ``.npz`` with the same keys.
        side: the hand that is expected in it.

    Raises:
        InputError: not readable, not MANO, a wrong shape, or the other hand.
    """
    path = Path(path)
    arrays = dict(load_arrays(path))
    _check_side(arrays, side, path)
    if side == "left":
        other = find_file("right", path.parent)
        right = load_arrays(other)["shapedirs"] if other is not None and other != path else None
        if left_shape_is_wrong(arrays["shapedirs"], right, arrays["v_template"]):
            arrays["shapedirs"] = arrays["shapedirs"] * np.array([-1.0, 1.0, 1.0])[:, None]
    open_hand = open_model("open", side)
    if "hands_std" not in arrays:
        arrays["hands_std"] = prior_scale(arrays, open_hand)
    model = model_from_arrays(arrays, name="mano", side=side, source=str(path), mano=True)
    for name in open_hand.keypoint_sets:
        if name not in model.keypoint_sets:
            model.keypoint_sets[name] = transfer_keypoint_set(open_hand, model, name)
    return model


def left_shape_is_wrong(left: np.ndarray, right: np.ndarray | None, template: np.ndarray) -> bool:
    """Whether a left hand's shape directions still have the right hand's x.

    The left hand is the right one mirrored in x, and so should its shape directions be; in the files as distributed
    they are not, and a hand that should grow gets longer and narrower instead (smplx issue 48). The community's rule is
    ``sum |left_x - right_x| < 1``; the same is asked here without a unit: is x nearer to the right hand's than to its
    mirror image? Without a right hand's file to compare with, a growing hand should grow along x when it grows along z.

    Args:
        left: [V, 3, 10] shape directions of the left hand.
        right: [V, 3, 10] of the right hand, or None.
        template: [V, 3] of the left hand.
    """
    if right is not None and right.shape == left.shape:
        same, mirrored = np.abs(left[:, 0] - right[:, 0]).sum(), np.abs(left[:, 0] + right[:, 0]).sum()
        return bool(same < 0.1 * mirrored)
    centred = template - template.mean(0)
    growth = np.einsum("vc,vcs->cs", centred, left) / (centred**2).sum(0)[:, None]
    return bool((growth[0] * growth[2]).sum() < 0)


def prior_scale(arrays: dict[str, np.ndarray], open_hand: HandModel) -> np.ndarray:
    """Standard deviation of each pose coefficient, [45].

    MANO's file states none. It holds the coefficients of the poses that it was made from (``hands_coeffs``), whose
    standard deviation is taken; in a file without them, the open hand's own poses seen along MANO's components.
    """
    coefficients = registered_coefficients(arrays)
    if coefficients is not None:
        std: np.ndarray = coefficients.std(0)
        return std
    projected = open_hand.hands_components @ arrays["hands_components"].T
    return np.sqrt((open_hand.hands_std[:, None] ** 2 * projected**2).sum(0))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a MANO file in this package's npz layout, unmended; converted once, then from the cache."""
    if path.suffix == ".npz":
        return _from_npz(read_npz(path), path)
    try:
        key = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). {_WHERE}") from error
    folder = cache_directory()
    cached = None if folder is None else folder / f"mano-{_CONVERSION}-{key}.npz"
    if cached is not None and cached.is_file():
        try:
            return read_npz(cached)
        except InputError:
            pass  # damaged: made again
    arrays = _from_pickle(read_pickle(path), path)
    write_arrays(cached, arrays)
    return arrays


def _from_pickle(content: dict[str, Any], path: Path) -> dict[str, np.ndarray]:
    arrays = {key: array_from(content, key, path) for key in _KEYS}
    arrays["faces"] = array_from(content, "f", path)
    arrays["kintree_table"] = array_from(content, "kintree_table", path)
    if "hands_coeffs" in content:
        arrays["hands_coeffs"] = array_from(content, "hands_coeffs", path)
    return _checked(arrays, path)


def _from_npz(arrays: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    if "faces" not in arrays and "f" in arrays:
        arrays["faces"] = arrays["f"]
    return _checked(arrays, path)


def _checked(arrays: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """What only MANO's layout promises; :func:`model_from_arrays` checks the rest."""
    for key in ("v_template", "hands_components", "J_regressor", "shapedirs"):
        if key not in arrays:
            raise InputError(f"{path}: no {key!r} in this file. Expected a MANO model.")
    if arrays["v_template"].shape != (VERTEX_COUNT, 3):
        got = arrays["v_template"].shape
        raise InputError(f"{path}: 'v_template' has shape {got}, expected ({VERTEX_COUNT}, 3): not MANO's hand.")
    if arrays["shapedirs"].shape != (VERTEX_COUNT, 3, 10):
        got = arrays["shapedirs"].shape
        raise InputError(f"{path}: 'shapedirs' has shape {got}, expected ({VERTEX_COUNT}, 3, 10).")
    if arrays["hands_components"].shape != (45, 45) or arrays["J_regressor"].shape != (16, VERTEX_COUNT):
        got = arrays["hands_components"].shape, arrays["J_regressor"].shape
        raise InputError(
            f"{path}: 'hands_components' and 'J_regressor' have shapes {got}, expected (45, 45) and (16, 778)."
        )
    tree = arrays.get("kintree_table")
    if tree is not None:
        # The root's parent is -1, which unsigned integers show as 4294967295.
        parents = tuple(tree[0, 1:].astype(np.int64).tolist()) if tree.ndim == 2 and tree.shape == (2, 16) else ()
        if parents != MODEL_PARENTS[1:]:
            raise InputError(f"{path}: 'kintree_table' is not MANO's tree of 16 joints.")
    wanted = (*_KEYS, "faces", "hands_coeffs", "hands_std")
    numbers = {key: value for key, value in arrays.items() if key in wanted and value.dtype.kind in "fiu"}
    bad = [key for key, value in numbers.items() if not np.isfinite(value).all()]
    if bad:
        raise InputError(f"{path}: {bad[0]!r} holds values that are not finite. Get the file again.")
    return {key: value.astype(np.int32 if key == "faces" else np.float64) for key, value in numbers.items()}


def _check_side(arrays: dict[str, np.ndarray], side: Side, path: Path) -> None:
    """A right hand's fingers run along -x, a left hand's along +x."""
    joints = arrays["J_regressor"] @ arrays["v_template"]
    found: Side = "right" if joints[4, 0] < joints[0, 0] else "left"
    if found != side:
        raise InputError(f"{path}: a {found} hand's model, and a {side} hand's is needed ({file_name(side)}.pkl).")


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"
