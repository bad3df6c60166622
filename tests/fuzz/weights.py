"""Weights files (safetensors): headers, offsets, types, and the settings and facts inside."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from numpy.random import Generator

from handsss.network.checkpoint import load_network
from handsss.network.weights import BUNDLED, OPEN, read_weights
from tests.fuzz.mutate import mutated_bytes, mutated_tree
from tests.fuzz.target import Check, Draw, Target

_LENGTHS = (0, 1, 2**16, 2**31 - 1, 2**32, 2**62, 2**64 - 1)
_KINDS = ("F16", "F32", "F64", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "X", "")
_SIZES: tuple[Any, ...] = (0, 1, 2, -1, 1e9, 10**9, 10**30, "7", None, True, 2.5, [], {})


def _header(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _file(header: Any, body: bytes, length: int | None = None) -> bytes:
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _settings(text: str, rng: Generator) -> str:
    """The settings with other values behind some of their keys."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(lines)))
        key, equals, _ = lines[at].partition("=")
        if equals:
            value = _SIZES[int(rng.integers(len(_SIZES)))]
            lines[at] = f"{key}= {json.dumps(value) if value is not None else 'nan'}"
        else:
            lines[at] = str(rng.choice(["[network", "network = 3", "[a.b.c]", "x = " + "[" * 3000, "[network.x]"]))
    return "\n".join(lines)


def prepare(folder: Path) -> Draw:
    path = folder / "a.safetensors"
    bundled = BUNDLED[OPEN].read_bytes()
    whole, whole_body = _header(bundled)
    names = [name for name in whole if name != "__metadata__"][:4]
    small: dict[str, Any] = {"__metadata__": whole["__metadata__"]}
    at = 0
    for name in names:
        size = whole[name]["data_offsets"][1] - whole[name]["data_offsets"][0]
        small[name] = {**whole[name], "data_offsets": [at, at + size]}
        at += size
    body = bytes(at)
    path.write_bytes(_file(small, body))
    assert len(read_weights(path)["network"]) == 4
    load_network(BUNDLED[OPEN])

    def check() -> None:
        json.dumps({key: value for key, value in read_weights(path).items() if key != "network"})

    def whole_check() -> None:
        load_network(path)

    def about(rng: Generator) -> dict[str, Any]:
        (kind,) = whole["__metadata__"]
        content = json.loads(whole["__metadata__"][kind])
        way = rng.random()
        if way < 0.1:  # hand models that are no files
            content["model"] = str(
                rng.choice(["/dev/zero", "/dev/stdin", "/proc/self/mem", ".", "x" * 5000, "a\0.npz"])
            )
        elif way < 0.6:
            content["config"] = _settings(content["config"], rng)
        else:
            content = mutated_tree(content, rng)
        return {kind: json.dumps(content)}

    def draw(rng: Generator) -> Check:
        way = rng.random()
        if way < 0.04:  # a network of hostile settings
            path.write_bytes(_file({**whole, "__metadata__": about(rng)}, whole_body))
            return whole_check
        if way < 0.3:
            path.write_bytes(mutated_bytes(_file(small, body), rng))
        elif way < 0.4:
            path.write_bytes(_file(small, body, _LENGTHS[int(rng.integers(len(_LENGTHS)))]))
        elif way < 0.6:
            path.write_bytes(_file({**small, "__metadata__": about(rng)}, body))
        else:
            header = mutated_tree(small, rng)
            if isinstance(header, dict) and rng.random() < 0.5:
                for entry in header.values():
                    if isinstance(entry, dict) and "dtype" in entry and rng.random() < 0.5:
                        entry["dtype"] = str(rng.choice(_KINDS))
            path.write_bytes(_file(header, body))
        return check

    return draw


# A whole network takes half a second and 60 MB.
TARGET = Target(prepare, count=1500, seconds=20.0, megabytes=700.0)
