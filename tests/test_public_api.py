"""The public face: its names, and what importing it costs. Adding or losing a name is a decision: it is made here."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

import handsss

PUBLIC = [
    "EvaluationResult",
    "Hand",
    "HandLayer",
    "Reconstructor",
    "TrackedFrame",
    "TrackedHand",
    "TrainResult",
    "__version__",
    "evaluate",
    "load_hand_model",
    "reconstruct",
    "render",
    "track",
    "train",
]


def test_the_public_names() -> None:
    assert sorted(handsss.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(handsss))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there_and_documented(name: str) -> None:
    thing = getattr(handsss, name)
    if name != "__version__":
        assert (thing.__doc__ or "").strip()
        assert callable(thing)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reconstrukt'"):
        _ = handsss.reconstrukt  # type: ignore[attr-defined]


def test_importing_loads_no_heavy_library() -> None:
    code = (
        "import sys, handsss\n"
        "assert 'reconstruct' in dir(handsss)\n"
        "heavy = {'torch', 'numpy', 'scipy', 'numba', 'PIL', 'h5py', 'trimesh', 'pydantic', 'rich', 'typer', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_verbs_are_functions_and_no_package_shadows_them() -> None:
    code = (
        "import handsss.cli.main, handsss.api, handsss.rendering, handsss.reconstruction, handsss.evaluation, handsss\n"
        "assert callable(handsss.reconstruct) and callable(handsss.train)\n"
        "assert callable(handsss.evaluate) and callable(handsss.render)\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_types_are_published() -> None:
    assert files("handsss").joinpath("py.typed").is_file()
