"""Mutations: of bytes, and of nested lists and objects that keep most of their structure."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.random import Generator

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_DEEP = "a list of lists of lists"  # stands for one, since no writer of JSON nests so deeply
_WILD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        21,
        0.5,
        -0.5,
        1e308,
        -1e308,
        5e-324,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        2**63,
    ),
    *(
        "",
        "a",
        "left",
        "right",
        "mediapipe",
        "0",
        "nan",
        "/etc/passwd",
        "../../a.jpg",
        "\ud800",
        "\0",
        "é" * 3,
        "x" * 5000,
    ),
    *(
        [],
        [[]],
        [[], []],
        {},
        {"": []},
        {"x": {}},
        [None],
        [[0, 0]] * 21,
        [[1, 2, 3]] * 21,
        [0] * 63,
        [1e300] * 63,
        _DEEP,
    ),
)


def mutated_bytes(data: bytes, rng: Generator, others: Sequence[bytes] = ()) -> bytes:
    """Some bytes changed, removed, repeated, cut off, or taken from another file.

    Args:
        data: a file that is right, or nearly.
        rng: of the mutation.
        others: files of which parts may come.
    """
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if not changed:
            return bytes(rng.integers(0, 256, 20, dtype="uint8"))
        _BYTES[int(rng.integers(len(_BYTES)))](changed, rng, others)
    return bytes(changed)


def _at(data: bytearray, rng: Generator) -> int:
    """A position; half of them near the start, where headers are."""
    length = len(data) if rng.random() < 0.5 else min(len(data), 256)
    return int(rng.integers(length))


def _flip(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    data[_at(data, rng)] ^= 1 << int(rng.integers(8))


def _random(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    count = min(int(rng.integers(1, 9)), len(data) - at)
    data[at : at + count] = bytes(rng.integers(0, 256, count, dtype="uint8"))


def _number(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    """A number as headers have them, at a limit of its kind."""
    size = int(rng.choice([1, 2, 4, 8]))
    value = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) % (1 << 8 * size)
    at = _at(data, rng)
    data[at : at + size] = value.to_bytes(size, "big" if rng.random() < 0.5 else "little")


def _cut(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    del data[int(rng.integers(len(data))) :]


def _remove(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    del data[at : at + int(rng.integers(1, 40))]


def _repeat(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    at = _at(data, rng)
    piece = data[at : at + int(rng.integers(1, 200))]
    data[at:at] = piece * int(rng.integers(1, 4))


def _splice(data: bytearray, rng: Generator, others: Sequence[bytes]) -> None:
    other = others[int(rng.integers(len(others)))] if others else bytes(data)
    start, at = int(rng.integers(len(other))), _at(data, rng)
    piece = other[start : start + int(rng.integers(1, 400))]
    data[at : at + (len(piece) if rng.random() < 0.5 else 0)] = piece


_BYTES: tuple[Callable[[bytearray, Generator, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _random, _random, _number, _number, _number, _cut, _remove, _repeat, _splice),
)


def mutated_tree(content: Any, rng: Generator) -> Any:
    """Nested lists and objects with a few values, keys or lengths changed."""
    box = [copy.deepcopy(content)]
    for _ in range(int(rng.integers(1, 5))):
        holder, key = _place(box, rng)
        _change(holder, key, rng)
        if not box:
            return _wild(rng)
    return box[0]


def _place(box: list[Any], rng: Generator) -> tuple[Any, Any]:
    """A list or object in the tree, and a key in it: walks down and stops by chance."""
    holder: Any = box
    key: Any = 0
    while True:
        inner = holder[key]
        if not isinstance(inner, (list, dict)) or not inner or rng.random() < 0.2:
            return holder, key
        holder = inner
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        key = keys[int(rng.integers(len(keys)))]


def _wild(rng: Generator) -> Any:
    return copy.deepcopy(_WILD[int(rng.integers(len(_WILD)))])


def _change(holder: Any, key: Any, rng: Generator) -> None:
    value = holder[key]
    kind = int(rng.integers(9))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif kind == 1:
        holder[str(_wild(rng))[:50]] = holder.pop(key)  # renamed
    elif kind == 2:
        holder[key] = [value]
    elif kind == 3:
        holder[key] = {str(_wild(rng))[:50]: value}
    elif kind == 4 and isinstance(value, list) and value:
        holder[key] = value[: int(rng.integers(len(value)))] if rng.random() < 0.5 else value[0]
    elif kind == 5 and isinstance(value, (int, float)) and not isinstance(value, bool):
        factor = float(rng.choice([-1, 1e-3, 1e3, 1e30, 1e300, math.nan]))
        holder[key] = value * (factor if abs(value) < 1e308 else 10)
    elif kind == 6 and isinstance(value, list):
        holder[key] = value + value
    else:
        holder[key] = _wild(rng)


def json_bytes(content: Any, rng: Generator) -> bytes:
    """As JSON; sometimes in another encoding, with keys twice, or with bytes changed."""
    text = json.dumps(content)
    if _DEEP in text:
        depth = int(rng.choice([50, 900, 100_000]))
        text = text.replace(json.dumps(_DEEP), "[" * depth + "]" * depth)
    if rng.random() < 0.05:
        key, value = (json.dumps(_wild(rng)) for _ in range(2))
        text = text.replace("{", f"{{{key if key.startswith(chr(34)) else chr(34) * 2}: {value}, ", 1)
    data = text.encode(str(rng.choice(["utf-8", "utf-8-sig", "utf-16"], p=[0.9, 0.05, 0.05])))
    return mutated_bytes(data, rng) if rng.random() < 0.15 else data
