"""Resumable work: numbered blocks in FILE.parts/, each written atomically, and a plan of what they belong to."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from handsss.errors import UserError
from handsss.io.atomic import make_folder, remove_temporary_files, write_file

_PLAN = "plan.json"


def parts_folder(target: Path) -> Path:
    """Where the blocks of a store lie until it is finished: FILE.parts."""
    return target.with_name(target.name + ".parts")


def check_resume(resume: bool, overwrite: bool) -> None:
    """Check that not both resuming and overwriting were asked for.

    Raises:
        UserError: both were asked for.
    """
    if resume and overwrite:
        raise UserError(
            "{resume} goes on and {overwrite} begins anew. Leave one of them out.", options=("resume", "overwrite")
        )


class Blocks:
    """The folder of blocks of one run.

    Args:
        folder: FILE.parts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, plan: dict[str, Any], *, resume: bool, may_turn_on: tuple[str, ...] = ()) -> None:
        """Make the folder, or go on in it.

        Args:
            plan: all that decides the content.
            resume: go on with blocks that are there.
            may_turn_on: entries of the plan that may be true now and were false before: the blocks that are there would
                be the same.

        Raises:
            UserError: blocks are there and were not asked for, or are blocks of something else.
        """
        path = self.folder / _PLAN
        if path.exists():
            if not resume:
                raise UserError(
                    f"{self.folder}: an unfinished run is here. Go on with {{resume}}, or begin anew with "
                    "{overwrite}.",
                    options=("resume", "overwrite"),
                )
            self._check_same(path, plan, may_turn_on)
        make_folder(self.folder, resumable=True)
        remove_temporary_files(self.folder)
        write_file(path, json.dumps(plan, indent=1, sort_keys=True).encode(), resumable=True)

    def _check_same(self, path: Path, plan: dict[str, Any], may_turn_on: tuple[str, ...]) -> None:
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: cannot be read ({error}). Begin anew with {{overwrite}}.", options=("overwrite",)
            ) from error
        wanted = json.loads(json.dumps(plan))
        for key in sorted({*before, *wanted}):
            turned_on = key in may_turn_on and before.get(key) is False and wanted.get(key) is True
            if before.get(key) != wanted.get(key) and not turned_on:
                raise UserError(
                    f"{self.folder}: the unfinished run had {key} = {_short(before.get(key))}, this one has "
                    f"{_short(wanted.get(key))}. Give the same options to go on, or begin anew with {{overwrite}}.",
                    options=("overwrite",),
                )

    def path(self, number: int) -> Path:
        return self.folder / f"block-{number:06d}.npz"

    def done(self, number: int) -> bool:
        """Whether the block is there and whole."""
        path = self.path(number)
        if not path.exists():
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                return "report.npy" in archive.namelist()
        except (OSError, zipfile.BadZipFile):
            return False

    def write(self, number: int, arrays: dict[str, np.ndarray], report: dict[str, Any]) -> None:
        """Write one block and its report.

        Raises:
            UserError: see :func:`handsss.io.atomic.atomic_path`.
        """
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(report).encode(), dtype=np.uint8)
        np.savez(buffer, **arrays, report=text)  # type: ignore[arg-type]
        write_file(self.path(number), buffer.getvalue(), resumable=True)

    def read(self, number: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and report of one block."""
        with np.load(self.path(number), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        report = json.loads(arrays.pop("report").tobytes())
        return arrays, report

    def report(self, number: int) -> dict[str, Any]:
        """The report of one block, without its arrays."""
        with np.load(self.path(number), allow_pickle=False) as archive:
            report: dict[str, Any] = json.loads(archive["report"].tobytes())
        return report

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
