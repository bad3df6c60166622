"""The wheel, in an environment that holds nothing else, outside the checkout: the README's shell and Python lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.docs.test_code_blocks import page_blocks

ROOT = Path(__file__).parents[2]


def call(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("handsss-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_what_the_program_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = subprocess.run(["git", "ls-files", "handsss"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0 and tracked.stdout:
        assert set(tracked.stdout.split()) <= names
    assert {"handsss/py.typed", "handsss/samples/nocurl.jpg", "handsss/samples/palm.jpg"} <= names
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/", "tools/")) for name in names)


@pytest.mark.slow
def test_the_readme_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    call(sys.executable, "-m", "venv", place, cwd=tmp_path)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    call(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)

    work = tmp_path / "work"
    (work / "photos").mkdir(parents=True)
    sample = ROOT / "handsss" / "samples" / "nocurl.jpg"
    for target in ("photo.jpg", "photos/one.jpg", "photos/two.jpg"):
        shutil.copy(sample, work / target)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HANDSSS", "VIRTUAL_"))}
    env["PATH"] = os.pathsep.join([str(programs), env["PATH"]])
    where = call(python, "-c", "import handsss; print(handsss.__file__)", cwd=work, env=env)
    assert Path(where.strip()).is_relative_to(place)

    blocks = page_blocks("README.md")
    shell = [block for block in blocks if block.language == "sh" and block.how == "run"]
    code = [block for block in blocks if block.language == "python"]
    assert shell and code
    for block in shell:
        call("bash", "-euo", "pipefail", "-c", block.code, cwd=work, env=env)
    for block in code:
        call(python, "-c", block.code, cwd=work, env=env)
    for name in (
        "hand.glb",
        "hand.json",
        "hand.png",
        "results/one.obj",
        "results/summary.json",
        "both.ply",
        "look.png",
    ):
        assert (work / name).stat().st_size > 100, name
