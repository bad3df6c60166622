"""The file: what is refused, what a kill leaves, shards, and reading."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.data.resumable_jobs import parts_folder
from handsss.data.store.inspect import contact_sheet, contents
from handsss.data.store.merge import merge
from handsss.data.store.reader import Store
from handsss.errors import InputError, UserError
from tests.data.conftest import assert_same, content_of

RUN = [sys.executable, "-m", "handsss"]


def make(freihand: Path, target: Path, **options: object) -> Path:
    preprocess(open_freihand(freihand), TruthSource("freihand"), target, PreprocessOptions(**options))  # type: ignore[arg-type]
    return target


def many(freihand: Path, count: int) -> Path:
    """The dataset with more pictures, so that there is time to kill."""
    import json

    for name in ("K", "scale", "xyz", "mano"):
        path = freihand / f"training_{name}.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps([content[i % 3] for i in range(count)]))
    for number in range(3, count):
        source = freihand / f"training/rgb/{number % 3:08d}.jpg"
        target = freihand / f"training/rgb/{number:08d}.jpg"
        target.unlink(missing_ok=True)
        os.link(source, target)
        os.link(freihand / f"training/mask/{number % 3:08d}.jpg", freihand / f"training/mask/{number:08d}.jpg")
    return freihand


def test_same_input_same_content(freihand: Path, tmp_path: Path) -> None:
    a, b = make(freihand, tmp_path / "a.h5"), make(freihand, tmp_path / "b.h5")
    assert_same(content_of(a), content_of(b))
    assert a.read_bytes() == b.read_bytes()


def test_workers_do_not_matter(freihand: Path, tmp_path: Path) -> None:
    many(freihand, 20)
    a, b = make(freihand, tmp_path / "a.h5"), make(freihand, tmp_path / "b.h5", workers=2)
    assert_same(content_of(a), content_of(b))


def _killed_and_resumed(command: list[str], folder: Path, moments: list[float]) -> int:
    """Kill a command at each moment and go on with it; how often it was killed in time."""
    killed = 0
    for moment in moments:
        process = subprocess.Popen([*command, "--resume"], cwd=folder, stdout=subprocess.DEVNULL)
        time.sleep(moment)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    done = subprocess.run([*command, "--resume"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return killed


def test_killed_runs_go_on(freihand: Path, tmp_path: Path) -> None:
    many(freihand, 400)
    command = [*RUN, "preprocess", "freihand", str(freihand), "--keypoints", "truth", "--workers", "1", "-q"]
    begin = time.perf_counter()
    subprocess.run([*command, "-o", "whole.h5"], cwd=tmp_path, check=True)
    whole = time.perf_counter() - begin
    moments = [whole * share for share in (0.5, 0.75, 0.95)]
    assert _killed_and_resumed([*command, "-o", "cut.h5"], tmp_path, moments) >= 1
    assert_same(content_of(tmp_path / "whole.h5"), content_of(tmp_path / "cut.h5"))
    assert not parts_folder(tmp_path / "cut.h5").exists()


@pytest.mark.slow
def test_killed_twenty_times(freihand: Path, tmp_path: Path) -> None:
    many(freihand, 1500)
    command = [*RUN, "preprocess", "freihand", str(freihand), "--keypoints", "truth", "--workers", "2", "-q"]
    begin = time.perf_counter()
    subprocess.run([*command, "-o", "whole.h5"], cwd=tmp_path, check=True)
    whole = time.perf_counter() - begin
    chance = random.Random(0)
    for turn in range(4):
        moments = [chance.uniform(0.2, 0.95) * whole for _ in range(5)]
        _killed_and_resumed([*command, "-o", f"cut{turn}.h5"], tmp_path, moments)
        assert_same(content_of(tmp_path / "whole.h5"), content_of(tmp_path / f"cut{turn}.h5"))


def test_unfinished_runs_are_not_mistaken(freihand: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.h5"
    bad = freihand / "training/rgb/00000011.jpg"
    good = bad.read_bytes()
    bad.write_bytes(good[:500])
    with pytest.raises(InputError):
        make(freihand, target)
    assert not target.exists()
    assert parts_folder(target).exists()
    with pytest.raises(InputError, match="An unfinished run is in .*parts: go on with resume"):
        Store(target)
    bad.write_bytes(good)
    with pytest.raises(UserError, match="an unfinished run is here. Go on with resume"):
        make(freihand, target)
    with pytest.raises(UserError, match='the unfinished run had encoding = "jpeg", this one has "raw"'):
        make(freihand, target, resume=True, encoding="raw")
    make(freihand, target, resume=True)
    assert_same(content_of(target), content_of(make(freihand, tmp_path / "b.h5")))


def test_a_full_disk(freihand: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writes fail in the same places."""
    command = [*RUN, "preprocess", "freihand", str(freihand), "--keypoints", "truth", "--workers", "1", "-o", "a.h5"]
    options = ["--encoding", "raw"]

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_300_000, 1_300_000))

    full = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=small
    )
    assert full.returncode == 1, full.stderr
    assert "no space left on the disk. What is finished is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (tmp_path / "a.h5").exists()
    assert not list(tmp_path.glob("a.h5.parts/*.tmp")) + list(tmp_path.glob("a.h5.parts/assembled.h5"))
    subprocess.run([*command, *options, "--resume"], cwd=tmp_path, check=True, capture_output=True)
    assert_same(content_of(tmp_path / "a.h5"), content_of(make(freihand, tmp_path / "b.h5", encoding="raw")))


def test_refused_files(freihand: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file. Make it with `handsss preprocess`"):
        Store(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        Store(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="no store of handsss"):
        Store(tmp_path / "other.h5")
    path = make(freihand, tmp_path / "a.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        Store(cut)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 2
        file.attrs["program"] = "handsss 9.0"
    with pytest.raises(InputError, match=r"has format version 2, written by handsss 9.0; this program reads.*up to 1"):
        Store(path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 1
        del file["K"]
    with pytest.raises(InputError, match="the fields K are missing"):
        Store(path)


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_shards_join_to_the_whole(freihand: Path, tmp_path: Path, encoding: str, copy: bool) -> None:
    whole = make(freihand, tmp_path / "whole.h5", encoding=encoding)
    parts = [make(freihand, tmp_path / f"{i}.h5", shard=(i, 5), encoding=encoding) for i in range(5)]
    joined = tmp_path / "sub/joined.h5"
    joined.parent.mkdir()
    assert merge(parts[::-1], joined, copy=copy) == 12
    own = ("@fingerprint", "@merged_from", "@keypoint_source")
    a, b = content_of(whole), content_of(joined)
    assert_same(a, b, own)
    store, original = Store(joined), Store(whole)
    for row in range(12):
        np.testing.assert_array_equal(store.crop(row), original.crop(row))
    store.close()
    moved = tmp_path / "far/away/joined.h5"
    moved.parent.mkdir(parents=True)
    shutil.move(joined, moved)
    if copy:
        assert len(Store(moved)) == 12
    else:
        with pytest.raises(InputError, match="is not beside it. A merged file points to its parts"):
            Store(moved)


@pytest.mark.parametrize("copy", [False, True])
def test_a_shard_of_an_earlier_version_has_no_depth(freihand: Path, tmp_path: Path, copy: bool) -> None:
    parts = [make(freihand, tmp_path / f"{i}.h5", shard=(i, 2)) for i in range(2)]
    world = np.random.default_rng(0).normal(size=(6, 21, 4)).astype(np.float32)
    with h5py.File(parts[1], "r+") as file:
        file["world_3d"] = world
    merge(parts, tmp_path / "joined.h5", copy=copy)
    store = Store(tmp_path / "joined.h5")
    assert np.isnan(store.read("world_3d", slice(6))).all()
    np.testing.assert_array_equal(store.read("world_3d", slice(6, None)), world)
    (line,) = [line for line in contents(store).fields if line.name == "world_3d"]
    assert line.present == "6 of 12" and line.shape == (12, 21, 4) and line.unit.startswith("m, ")
    store.close()
    with h5py.File(parts[0], "r+") as file:
        file["world_3d"] = world[..., :3]
    with pytest.raises(InputError, match="world_3d is 6 x 21 x 3 float32, expected 6 x 21 x 4"):
        Store(parts[0])


def test_shards_that_do_not_belong_together(freihand: Path, tmp_path: Path) -> None:
    parts = [make(freihand, tmp_path / f"{i}.h5", shard=(i, 3)) for i in range(3)]
    with pytest.raises(InputError, match="shard 1 of 3 is missing"):
        merge([parts[0], parts[2]], tmp_path / "j.h5")
    with pytest.raises(InputError, match="both are shard 0 of 3"):
        merge([parts[0], parts[0], parts[1]], tmp_path / "j.h5")
    other = make(freihand, tmp_path / "raw.h5", shard=(1, 3), encoding="raw")
    with pytest.raises(InputError, match="encoding is 'raw', but 'jpeg'"):
        merge([parts[0], other, parts[2]], tmp_path / "j.h5")
    assert not (tmp_path / "j.h5").exists()


def test_inspect(freihand: Path, tmp_path: Path) -> None:
    path = make(freihand, tmp_path / "a.h5")
    store = Store(path)
    found = contents(store)
    fields = {line.name: line for line in found.fields}
    assert fields["joints_3d"].shape == (12, 21, 3)
    assert fields["joints_3d"].unit == "m, camera frame"
    assert found.attributes["dataset"] == "freihand"
    sheet = np.asarray(contact_sheet(store, 12, columns=4, side=100))
    margin, gap = 10, 6
    assert sheet.shape == (3 * (100 + gap) + 2 * margin, 4 * (100 + gap) - gap + 2 * margin, 3)
    # Keypoint 9 of every crop lies at (120, 128) px: its disk, of the middle finger's colour, is on the sheet.
    disk = sheet[margin + int(128 / 2.24), margin + int(120 / 2.24)].astype(int)
    assert np.abs(disk - (70, 214, 90)).max() < 60
    done = subprocess.run([*RUN, "preprocess", "inspect", str(path)], capture_output=True, text=True, check=True)
    assert "joints_3d" in done.stdout
    assert (tmp_path / "a_sheet.png").exists()
