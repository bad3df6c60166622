"""Runs OpenPose's binary over the pictures of a dataset."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from handsss.errors import UserError
from handsss.io.atomic import make_folder, write_file

_COMMAND = ("--hand", "--display", "0", "--render_pose", "0")


def run_openpose(
    binary: Path, folders: Sequence[Path], out: Path, *, announce: Callable[[str], None] = lambda text: None
) -> Path:
    """Detect keypoints in all pictures of folders; folders that are done are not run again.

    Args:
        binary: openpose.bin; it is started in the folder two above its own when that holds models/, since OpenPose
            looks for models/ where it is started.
        folders: of pictures.
        out: for the JSON files; one folder for each.
        announce: told what is run.

    Returns:
        ``out``.

    Raises:
        UserError: no such binary, or it failed; with the end of what it printed.
    """
    if not binary.is_file():
        raise UserError(
            f"{{openpose_bin}} {binary}: no such file. Expected OpenPose's program, openpose.bin.",
            options=("openpose_bin",),
        )
    home = next((place for place in binary.resolve().parents if (place / "models").is_dir()), None)
    for folder in folders:
        target = out / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
        mark = target / "done"
        if mark.exists():
            continue
        shutil.rmtree(target, ignore_errors=True)
        make_folder(target)
        command = [str(binary.resolve()), "--image_dir", str(folder.resolve()), "--write_json", str(target.resolve())]
        announce(" ".join([*command, *_COMMAND]))
        try:
            ended = subprocess.run([*command, *_COMMAND], capture_output=True, text=True, cwd=home, check=False)
        except OSError as error:
            raise UserError(
                f"{{openpose_bin}} {binary}: cannot be started ({error.strerror or error}).", options=("openpose_bin",)
            ) from error
        if ended.returncode != 0:
            last = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-5:])
            raise UserError(f"{binary} ended with code {ended.returncode} on {folder}:\n{last}")
        write_file(mark, json.dumps(str(folder.resolve())).encode())
    return out


def json_folder(out: Path, folder: Path) -> Path:
    """Where :func:`run_openpose` wrote the files of a folder of pictures."""
    return out / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
