"""Options of ``handsss export onnx`` that are refused: versions, networks, files."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from numpy.random import Generator

from handsss.cli.main import run
from handsss.network.checkpoint import load_network
from handsss.network.weights import BUNDLED
from tests.fuzz.target import Check, Draw, Target

_OPEN = "handsss-open-lite0"
_OPSETS = (*range(16, 26), -1, 0, 10**9, 10**30, "x", "", "18.5", "１８", "nan", "--quiet")
_RIGHT = range(18, 24)
_PLACES = ("a folder", "taken.onnx", "no/such/b.onnx", "x.txt", "x.onnx/", "y" * 300, "\0.onnx", "taken.onnx/b.onnx")


def prepare(folder: Path) -> Draw:
    (folder / "a folder").mkdir()
    (folder / "damaged.safetensors").write_bytes(b"\x08" + bytes(20))
    taken = folder / "taken.onnx"
    taken.write_bytes(b"of somebody else")
    load_network(BUNDLED[_OPEN])  # what is imported on the way is not watched
    networks = ["", "nothing", "damaged.safetensors", "a folder", "\0", "taken.onnx", "x" * 300]

    def draw(rng: Generator) -> Check:
        opset = _OPSETS[int(rng.integers(len(_OPSETS)))]
        network, place = networks[int(rng.integers(len(networks)))], "out.onnx"
        if rng.random() < 0.5:
            place = _PLACES[int(rng.integers(len(_PLACES)))]
        if rng.random() < 0.4 and (opset not in _RIGHT or place in ("a folder", "taken.onnx")):
            network = _OPEN
        words = [str(folder / network) if network and network != _OPEN else network, "-o", str(folder / place)]
        words += ["--opset", str(opset)] + ["--keypoints"] * int(rng.random() < 0.3) + ["-q"] * int(rng.random() < 0.5)

        def check() -> None:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = _code(["export", "onnx", *words])
            assert code == 2, code
            assert taken.read_bytes() == b"of somebody else" and not (folder / "out.onnx").exists()

        return check

    return draw


def _code(words: list[str]) -> int | str | None:
    try:
        run(words)
    except SystemExit as end:
        return end.code


TARGET = Target(prepare, count=150, seconds=60.0, megabytes=1000.0)
