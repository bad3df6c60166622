"""Commands of a user without name and home, from an installation that cannot be written, and on full disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import handsss

PACKAGE = Path(handsss.__file__).parent
ROOT = PACKAGE.parent
SAMPLE = str(PACKAGE / "samples/nocurl.jpg")
SHIM = ROOT / "tests/shims/other_user"
UNKNOWN = 54321  # a user that no list has

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="users and limits of files are Linux's"),
]

COMMANDS = {
    "doctor": ["doctor", "--json"],
    "reconstruct": ["reconstruct", SAMPLE, "-o", "out/hand.glb"],
    "demo": ["demo", "-o", "out"],
    "synthesize": ["synthesize", "-n", "1", "--eval", "1", "-o", "out"],
    "preprocess": ["preprocess", "images", str(PACKAGE / "samples"), "-o", "out.h5"],
    "export": ["export", "weights", "handsss-open-lite0", "-o", "out.safetensors"],
}


def without_name() -> dict[str, str]:
    """Environment without home, name and caches."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "OMP_NUM_THREADS")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def run(
    command: list[str], folder: Path, *, package: Path = ROOT, prefix: tuple[str, ...] = (), shim: Path | None = None
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(place) for place in (shim, package) if place is not None)
    return subprocess.run(
        [*prefix, sys.executable, "-m", "handsss", *command],
        cwd=folder,
        env={**without_name(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def has_worked(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr and not (folder / "~").exists()


@pytest.mark.parametrize("name", ["doctor", "demo", "synthesize", "preprocess", "export"])
def test_a_user_without_name_and_home(tmp_path: Path, name: str) -> None:
    has_worked(run(COMMANDS[name], tmp_path, shim=SHIM), tmp_path)


def namespace() -> tuple[str, ...]:
    """A prefix that runs a program under another number and without root's rights; empty where the system has none."""
    prefix = ("unshare", "--user", f"--map-user={UNKNOWN}", f"--map-group={UNKNOWN}", "--")
    if shutil.which("unshare") is None:
        return ()
    done = subprocess.run([*prefix, sys.executable, "-c", "pass"], capture_output=True, check=False)
    return prefix if done.returncode == 0 else ()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that nobody may write."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, folder / "handsss", ignore=shutil.ignore_patterns("__pycache__"))
    for place in (folder / "handsss").rglob("*"):
        place.chmod(0o555 if place.is_dir() else 0o444)
    (folder / "handsss").chmod(0o555)
    return folder


@pytest.mark.parametrize("name", ["doctor", "reconstruct", "synthesize"])
def test_another_number_and_an_installation_that_cannot_be_written(
    tmp_path: Path, installation: Path, name: str
) -> None:
    prefix = namespace()
    if not prefix:
        pytest.skip("this system lets nobody become another user (unshare --user)")
    done = run(COMMANDS[name], tmp_path, package=installation, prefix=prefix)
    has_worked(done, tmp_path)
    assert not list(installation.rglob("__pycache__"))
