"""``handsss doctor`` in whole and broken installations."""

from __future__ import annotations

import importlib
import io
import json
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handsss.cli.doctor import pipe_line, terminal_line
from handsss.cli.main import run
from handsss.doctor import files, machine, packages, report
from handsss.doctor.check import Check, note, ok, problem, run_checks
from handsss.rendering import compile_cache
from tests.mano_files import WriteMano

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes imports of a module fail with an error."""

    def hide(module: str, error: Exception) -> None:
        real = importlib.import_module

        def refuse(name: str, *rest: Any) -> Any:
            if name.split(".")[0] == module:
                raise error
            return real(name, *rest)

        monkeypatch.setattr(importlib, "import_module", refuse)

    return hide


def test_this_installation_is_usable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["doctor", "--json"])
    assert not end.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["usable"] is True
    names = {check["name"] for check in document["checks"]}
    assert {"python", "torch", "numba", "litert", "compile cache", "model open", "weights", "disk here"} <= names
    assert {check["state"] for check in document["checks"]} <= {"ok", "note"}


@pytest.mark.parametrize(
    ("module", "check", "error"),
    [
        ("torch", packages.torch, ModuleNotFoundError("No module named 'torch'")),
        ("torch", packages.torch, OSError("libcudart.so.12: cannot open shared object file")),
        ("numba", packages.libraries, ImportError("Numba needs NumPy 2.3 or less. Got NumPy 9.0.")),
        ("ai_edge_litert", packages.libraries, ModuleNotFoundError("No module named 'ai_edge_litert'")),
    ],
)
def test_a_library_that_cannot_be_imported_is_a_problem(
    without: Callable[..., None], module: str, check: Callable[..., Any], error: Exception
) -> None:
    without(module, error)
    (found,) = [line for line in check() if line.state == "problem"]
    assert str(error) in found.text and "pip install" in found.advice
    assert not report.is_usable([found])


def test_a_library_or_an_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "is_installed", lambda name: name not in ("h5py", "onnx"))
    (lacking,) = [line for line in packages.libraries() if line.state == "problem"]
    assert "h5py" in lacking.advice
    (extra,) = [line for line in packages.extras() if line.state == "note"]
    assert extra.name == "extra onnx" and "handsss[onnx]" in extra.advice


def test_problems_end_with_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "_CHECKS", (("torch", lambda: [problem("torch", "not installed", "pip install it")]),))
    with pytest.raises(SystemExit) as end:
        run(["doctor"])
    assert end.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "problem: torch: not installed -> pip install it"
    assert "not usable" in lines[1]


def test_a_check_that_breaks_leaves_the_others() -> None:
    def broken() -> list[Check]:
        raise RuntimeError("first line\nsecond")

    checks = run_checks([("a", broken), ("b", lambda: [ok("b", "fine")])])
    assert [check.state for check in checks] == ["problem", "ok"] and "first line" in checks[0].text


def test_damaged_weights_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from handsss.network import weights

    pointer = tmp_path / "handsss-open-lite0.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    monkeypatch.setattr(weights, "BUNDLED", {"x": pointer})
    (found,) = [line for line in files.weights() if line.state == "problem"]
    assert pointer.name in found.text


@pytest.mark.parametrize("value", ["", "absent", "."])
def test_mano_that_is_missing_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDSSS_MANO", value)
    lines = list(files.mano())
    assert {line.state for line in lines} == {"note"} and all("HANDSSS_MANO" in line.advice for line in lines)


def test_mano_that_is_there_is_read(write_mano: WriteMano, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDSSS_MANO", str(write_mano("right").parent))
    right, left = files.mano()
    assert right.state == "ok" and "778 vertices" in right.text
    assert left.state == "note" and "MANO_LEFT" in left.text


def test_datasets_and_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANDSSS_DATA", str(tmp_path / "sets"))
    (tmp_path / "sets/FreiHAND_pub_v2/training/rgb").mkdir(parents=True)
    (tmp_path / "freihand_training.h5").touch()
    lines = {line.name: line for line in files.datasets()}
    assert "FreiHAND_pub_v2" in lines["freihand training"].text
    assert lines["ho3d training"].state == "note" and "HANDSSS_DATA" in lines["ho3d training"].advice
    assert lines["stores"].text == "freihand_training.h5"


@pytest.mark.parametrize(
    ("cache", "state", "words"),
    [
        ((None, False, False), "note", "none can be written"),
        ((Path("c"), True, False), "note", "first run compiles about 20 s"),
        ((Path("c"), False, False), "note", "cannot be written"),
        ((Path("c"), False, True), "ok", "filled"),
    ],
)
def test_compile_cache(monkeypatch: pytest.MonkeyPatch, cache: tuple[Any, ...], state: str, words: str) -> None:
    monkeypatch.setattr(compile_cache, "compile_cache", lambda: compile_cache.CompileCache(*cache))
    (line,) = machine.compile_cache()
    assert line.state == state and words in line.text


@pytest.mark.parametrize(("free", "state"), [(1e6, "problem"), (5e8, "note"), (5e10, "ok")])
def test_disk(monkeypatch: pytest.MonkeyPatch, free: float, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1e11, 0, free))
    assert {line.state for line in machine.disk()} == {state}


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux's")
def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path / "absent")
    (line,) = machine.shared_memory()
    assert line.state == "note" and "--shm-size" in line.advice
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(64e6, 0, 64e6))
    (line,) = machine.shared_memory()
    assert line.state == "note" and "64 MB" in line.text


@pytest.mark.parametrize(("encoding", "state"), [("utf-8", "ok"), ("ascii", "note"), ("cp932", "note")])
def test_output(monkeypatch: pytest.MonkeyPatch, encoding: str, state: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    (line,) = machine.output()
    assert line.state == state and encoding in line.text


def test_lines_fit_a_terminal_and_stay_whole_in_a_pipe() -> None:
    check = note("compile cache", "empty: /a/path of words " * 8, "Do this and that. " * 9)
    shown = terminal_line(check).splitlines()
    assert len(shown) > 3 and max(map(len, shown)) <= 80 and shown[0].startswith("note     compile cache:")
    assert "\n" not in pipe_line(check)
