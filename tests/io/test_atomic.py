"""Results are whole or absent: full disks, folders in the way, a kill in mid-write."""

from __future__ import annotations

import builtins
import errno
from pathlib import Path
from typing import Any

import pytest

from handsss.errors import UserError
from handsss.io.atomic import DiskFullError, atomic_path, check_writable, write_file, write_files


def fail_on(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """The ``number``-th file opened for writing fails in mid-write."""
    opened = 0
    real = builtins.open

    class Broken:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, content: bytes) -> None:
            self.stream.write(content[: len(content) // 2])
            raise error

    def stand_in(*arguments: Any, **options: Any) -> Any:
        nonlocal opened
        stream = real(*arguments, **options)
        if len(arguments) > 1 and arguments[1] == "xb":
            opened += 1
            if opened == number:
                return Broken(stream)
        return stream

    monkeypatch.setattr(builtins, "open", stand_in)


def test_files_and_missing_folders_are_written(tmp_path: Path) -> None:
    write_files({tmp_path / "a/b/one": b"1", tmp_path / "two": b"22"})
    assert (tmp_path / "a/b/one").read_bytes() == b"1"
    assert (tmp_path / "two").read_bytes() == b"22"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "one", "two"]


@pytest.mark.parametrize("number", [1, 2])
def test_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    (tmp_path / "one").write_bytes(b"old")
    fail_on(monkeypatch, number, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(UserError, match=r"cannot be written .No space left on device"):
        write_files({tmp_path / "one": b"new", tmp_path / "two": b"22"})
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"old"


def test_interruption_in_mid_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_on(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "one": b"1", tmp_path / "two": b"22"})
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "hand.obj").mkdir()
    with pytest.raises(UserError, match=r"hand\.obj: cannot be written"):
        write_files({tmp_path / "hand.json": b"{}", tmp_path / "hand.obj": b"v"})
    assert [path.name for path in tmp_path.iterdir()] == ["hand.obj"]


def test_places_are_tried_before_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        check_writable(tmp_path / "file/below")


def test_a_streamed_file_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    with pytest.raises(ValueError, match="stop"), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise ValueError("stop")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_says_whether_the_run_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (resumable, message) in enumerate(
        ((True, r"no space left on the disk\. What is finished is kept: .* with resume\."), (False, "Make room, or"))
    ):
        with monkeypatch.context() as patch:
            fail_on(patch, 1, OSError(errno.ENOSPC, "No space left on device"))
            with pytest.raises(DiskFullError, match=message):
                write_file(tmp_path / f"{number}", b"content", resumable=resumable)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="cannot be written") as raised:
        write_file(tmp_path / "absent/file", b"")
    assert not isinstance(raised.value, DiskFullError)
