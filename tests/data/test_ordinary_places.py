"""Preprocessing on file systems without locks, without shared memory, and on full disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from handsss.data.store.reader import Store, open_store
from handsss.errors import InputError
from tests.training.conftest import TINY

ROOT = Path(__file__).parents[2]
needs_gcc = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="compiles a library that is loaded before others"
)


def shim(name: str, folder: Path) -> dict[str, str]:
    """Environment of a system that lacks something."""
    library = folder / f"{name}.so"
    source = ROOT / "tests/shims" / f"{name}.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return {"LD_PRELOAD": str(library)}


def run(*arguments: object, folder: Path, env: dict[str, str], file_size: int = 0) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    return subprocess.run(
        [sys.executable, "-m", "handsss", "preprocess", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **env},
        preexec_fn=limit if file_size else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@needs_gcc
@pytest.mark.slow
@pytest.mark.parametrize("number", [37, 95])  # ENOLCK of NFS, EOPNOTSUPP of FUSE
def test_without_locks(freihand: Path, tmp_path: Path, number: int) -> None:
    env = {**shim("no_locks", tmp_path), "NO_LOCKS": str(number)}
    command = ("freihand", freihand, "--keypoints", "truth", "--version", "gs", "--workers", 1)
    for part in (0, 1):
        done = run(*command, "--shard", f"{part}/2", "-o", f"{part}.h5", folder=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
    done = run("merge", "0.h5", "1.h5", "-o", "all.h5", folder=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    done = run("inspect", "all.h5", folder=tmp_path, env=env)  # through its virtual parts
    assert done.returncode == 0, done.stderr
    asked = run("inspect", "0.h5", folder=tmp_path, env={**env, "HDF5_USE_FILE_LOCKING": "TRUE"})
    assert asked.returncode == 2 and "set HDF5_USE_FILE_LOCKING=FALSE" in asked.stderr


def test_a_file_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    program = f"import h5py; file = h5py.File({str(path)!r}, 'w', locking=True); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "1\n"
        with pytest.raises(InputError, match="another program is writing it"):
            open_store(path)
        writer.communicate("\n")
    with pytest.raises(InputError, match="no store of handsss"):
        open_store(path)


@needs_gcc
def test_a_store_that_another_program_took_before_its_summary(freihand: Path, tmp_path: Path) -> None:
    env = {**shim("no_locks", tmp_path), "NO_LOCKS": "11"}  # EAGAIN
    command = ("freihand", freihand, "--keypoints", "truth", "--version", "gs", "--workers", 1, "-o", "a.h5")
    for resume in ((), ("--resume",)):
        done = run(*command, *resume, folder=tmp_path, env=env)
        assert done.returncode == 2 and done.stderr.startswith("error: a.h5: another program is writing it."), (
            done.stderr
        )
    assert len(Store(tmp_path / "a.h5")) == 3


@needs_gcc
@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_without_shared_memory(freihand: Path, tmp_path: Path, workers: int) -> None:
    command = ("freihand", freihand, "--keypoints", "truth", "--workers", workers, "-o", "a.h5")
    done = run(*command, folder=tmp_path, env=shim("no_shared_memory", tmp_path))
    assert done.returncode == 0 and "note: one process does the work" in done.stderr
    assert len(Store(tmp_path / "a.h5")) == 12


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX's")
@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 20_000])
def test_on_a_full_disk(freihand: Path, tmp_path: Path, size: int) -> None:
    command = ("freihand", freihand, "--keypoints", "truth", "--workers", 1, "-o", "a.h5")
    done = run(*command, folder=tmp_path, env={}, file_size=size)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "no space left on the disk" in done.stderr and "--resume" in done.stderr
    assert not (tmp_path / "a.h5").exists()
    again = run(*command, "--resume", folder=tmp_path, env={})
    assert again.returncode == 0 and h5py.is_hdf5(tmp_path / "a.h5")


def small_shared_memory() -> tuple[str, ...]:
    """A prefix that gives a program 64 MB of shared memory, as containers have; empty where the system forbids it."""
    mount = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        return ()
    return prefix


@pytest.mark.slow
@pytest.mark.parametrize("command", ["preprocess", "train"])
def test_in_64_megabytes_of_shared_memory(freihand: Path, tmp_path: Path, command: str) -> None:
    prefix = small_shared_memory()
    if not prefix:
        pytest.skip("this system lets nobody mount anything (unshare --mount)")
    words = ["preprocess", "freihand", str(freihand), "--keypoints", "truth", "--workers", "2", "-o", "a.h5"]
    if command == "train":
        assert run(*words[1:], folder=tmp_path, env={}).returncode == 0
        settings = (*TINY, "schedule.steps=2", "schedule.batch=8")
        words = ["train", "--data", "a.h5", "--workers", "8", "--out", "r", *(f"--set={one}" for one in settings)]
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "handsss", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
