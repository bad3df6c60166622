"""Checkpoints: torch's zip of a pickle and tensors, mutated, and with pickles that would run something."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator

from handsss.errors import InputError
from handsss.network.checkpoint import load_checkpoint, load_network
from handsss.training.checkpoint import save_checkpoint
from tests.fuzz.mutate import mutated_bytes, mutated_tree
from tests.fuzz.pickles import NAMES, call_of, doubled, random_program
from tests.fuzz.target import Check, Draw, Target

_BOMB = 300_000_000  # bytes of zeros that a packed entry unpacks to


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def prepare(folder: Path) -> Draw:
    path, marker = folder / "a.pt", folder / "it ran"
    content: dict[str, Any] = {
        "network": {"encoder.a": torch.zeros(3), "regressor.b": torch.ones(2, 2, dtype=torch.float64)},
        "averaged": {"encoder.a": torch.zeros(3)},
        "config": '[network]\nencoder = "efficientnet-b0"\nstacks = 0\n',
        "model": "open",
        "keypoint_set": "openpose",
        "about": {"step": 3, "start": "random"},
        "history": [{"step": 0, "mpjpe_mm": 3.0}],
    }
    save_checkpoint(path, content)
    plain = path.read_bytes()
    entries = _entries(plain)
    program = next(name for name in entries if name.endswith("data.pkl"))
    bomb = _zipped({**entries, next(n for n in entries if "/data/" in n): bytes(_BOMB)}, zipfile.ZIP_DEFLATED)

    def check(read: Callable[[Path], object] = load_checkpoint) -> None:
        try:
            text = _message(read, path)
        finally:
            assert not marker.exists()
        assert "weights_only" not in text  # torch's advice to run what is in the file

    def draw(rng: Generator) -> Check:
        way = rng.random()
        if way < 0.35:
            path.write_bytes(mutated_bytes(plain, rng))
        elif way < 0.45:
            path.write_bytes(_zipped({**entries, program: mutated_bytes(entries[program], rng)}))
        elif way < 0.6:
            path.write_bytes(_zipped({**entries, program: random_program(rng, marker)}))
        elif way < 0.7:
            calling = call_of(str(rng.choice(NAMES)), f"touch {marker}")
            path.write_bytes(_zipped({**entries, program: b"\x80\x02" + calling + b"."}))
        elif way < 0.702:
            path.write_bytes(bomb)
        elif way < 0.73:
            twice = doubled(b"]", int(rng.choice([10, 30, 60])))
            path.write_bytes(_zipped({**entries, program: b"\x80\x02" + twice + b"."}))
        else:
            save_checkpoint(path, _tree(content, rng))
            if rng.random() < 0.3:
                return lambda: check(load_network)
        return check

    return draw


def _message(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ""


def _tree(content: dict[str, Any], rng: Generator) -> dict[str, Any]:
    changed = mutated_tree(content, rng)
    if not isinstance(changed, dict):
        return {"network": changed}
    return {str(key): value for key, value in changed.items() if key not in ("format", "program")}


TARGET = Target(prepare, count=800, seconds=10.0, megabytes=700.0)
