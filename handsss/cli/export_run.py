"""Runs ``handsss export onnx``."""

from __future__ import annotations

import time
from pathlib import Path

from handsss.cli.console import error_console, output_console, plain, waiting
from handsss.cli.export_target import export_target
from handsss.cli.tables import show_table
from handsss.io.atomic import check_writable, write_files
from handsss.network.checkpoint import checkpoint_file, load_network
from handsss.network.onnx.check import BATCHES, Difference, compare
from handsss.network.onnx.export import check_installed, export_onnx, metadata


def export(checkpoint: Path, output: Path | None, *, keypoints: bool, opset: int, overwrite: bool, quiet: bool) -> None:
    """Export, compare with torch, write, and say so.

    Raises:
        UserError: a wrong file or option, missing packages, or a file that differs from the network.
    """
    check_installed()
    source = checkpoint_file(checkpoint)
    target = export_target(source, output, ".onnx", overwrite=overwrite)
    loaded = load_network(source)
    check_writable(target.parent)
    out, begin = output_console(quiet=quiet), time.perf_counter()
    out.print(plain(f"network: {source}, hand model {loaded.model}, keypoints {loaded.keypoint_set}"), soft_wrap=True)
    with waiting(error_console(), "exporting", shown=not quiet):
        content = export_onnx(loaded, opset=opset, keypoints=keypoints)
    with waiting(error_console(), "comparing with torch", shown=not quiet):
        differences = compare(content, loaded, keypoints=keypoints)
    write_files({target: content})
    _show(differences, quiet)
    about = metadata(loaded, [item.output for item in differences])
    out.print(plain(f"input: {about['preparation']}, as the metadata of the file say"), soft_wrap=True)
    if "licence" in about:
        out.print(plain(f"licence: {about['licence']}"), soft_wrap=True)
    seconds = time.perf_counter() - begin
    out.print(plain(f"wrote {target}, {len(content) / 1e6:.1f} MB, opset {opset}, in {seconds:.1f} s"), soft_wrap=True)


def _show(differences: list[Difference], quiet: bool) -> None:
    rows = []
    for item in differences:
        size = " x ".join(map(str, item.shape)) or "1"
        rows.append([item.output, size, f"{item.largest:.1e} {item.unit}", f"{item.allowed:g} {item.unit}"])
    worst = max(differences, key=lambda item: item.largest / item.allowed)
    out = output_console(quiet=quiet)
    show_table(out, ["output", "shape per image", "largest difference", "allowed"], rows, right=(2, 3))
    out.print(
        f"compared with torch on {sum(BATCHES)} random images in batches of {' and '.join(map(str, BATCHES))}: "
        f"largest difference {worst.largest:.1e} {worst.unit}".rstrip()
        + f" ({worst.output})",
        soft_wrap=True,
    )
