"""Runs ``handsss export weights``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from handsss.cli.console import output_console, plain
from handsss.cli.export_target import export_target
from handsss.errors import InputError, UserError
from handsss.hand.open_hand import OPEN_MODELS
from handsss.io.atomic import check_writable, write_files
from handsss.io.content import read_text
from handsss.network.checkpoint import checkpoint_file, load_network
from handsss.network.weights import SUFFIX, weights_bytes, without_folders
from handsss.network.weights_check import check_rounding

_ALIGNMENTS = ("aligned", "root_aligned", "raw")


def export_weights(
    checkpoint: Path,
    output: Path | None,
    facts: dict[str, Any],
    *,
    evaluation: Path | None,
    keypoints: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Export, read back, compare with the network, write.

    Raises:
        UserError: a wrong file or option, or weights that half precision changes.
    """
    source = checkpoint_file(checkpoint)
    target = export_target(source, output, SUFFIX, overwrite=overwrite)
    begin = time.perf_counter()
    loaded = load_network(source)
    if keypoints and loaded.network.branch is None:
        raise UserError(f"{source}: has no keypoint branch. Leave --keypoints out.")
    check_writable(target.parent)
    if loaded.model not in (*OPEN_MODELS, "mano"):
        raise UserError(
            f"{source}: was trained with the hand model file {loaded.model}, which others do not find there. Expected "
            f"a model with a name: {', '.join(OPEN_MODELS)} or mano (the same file by way of HANDSSS_MANO)."
        )
    if loaded.model not in OPEN_MODELS and "licence" not in {**loaded.facts, **facts}:
        facts["licence"] = "trained with a hand model of others: its makers' licence may bind the weights too"
    facts = {"name": target.stem} | loaded.facts | facts
    if evaluation is not None:
        facts["evaluation"] = evaluation_figures(evaluation)
    content = weights_bytes(without_folders(loaded), facts, branch=keypoints)
    moved = check_rounding(loaded, content)
    write_files({target: content})
    out = output_console(quiet=quiet)
    out.print(plain(f"network: {source}, hand model {loaded.model}"), soft_wrap=True)
    out.print(plain(f"half precision moves vertices by at most {moved:.3f} mm on random images"), soft_wrap=True)
    seconds = time.perf_counter() - begin
    out.print(plain(f"wrote {target}, {len(content) / 1e6:.1f} MB, in {seconds:.1f} s"), soft_wrap=True)
    out.print(plain(f"next: handsss info weights {target}"), soft_wrap=True)


def evaluation_figures(path: Path) -> dict[str, Any]:
    """The main figures of an evaluation's metrics.json.

    Raises:
        InputError: not such a file.
    """
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({error}). Expected metrics.json of `handsss evaluate`."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("aligned"), dict):
        raise InputError(f"{path}: holds no figures. Expected metrics.json of `handsss evaluate`.")
    kept = {key: content[key] for key in ("count", "split", "protocol") if key in content}
    kept["data"] = Path(str(content.get("data", ""))).name
    return kept | {key: content[key] for key in _ALIGNMENTS if key in content}
