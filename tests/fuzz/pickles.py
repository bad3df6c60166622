"""MANO's pickles: mutated, and programs of random instructions with everything that could run code or fill memory."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
from numpy.random import Generator

from handsss.hand.load import load_model
from handsss.hand.safe_pickle import array_from, read_pickle
from tests.fuzz.mutate import mutated_bytes
from tests.fuzz.target import Check, Draw, Target
from tests.mano_files import pickled, random_arrays

NAMES = (
    *("os system", "posix system", "builtins eval", "builtins exec", "builtins getattr", "builtins __import__"),
    *("subprocess Popen", "subprocess check_output", "builtins open", "pathlib Path.unlink", "shutil rmtree"),
    *(
        "numpy load",
        "numpy fromfile",
        "numpy memmap",
        "numpy.core.multiarray fromfile",
        "numpy.testing run_module_suite",
    ),
    *("numpy.f2py.crackfortran getlincoef", "scipy.io loadmat", "scipy.sparse csc_matrix.__reduce__", "runpy run_path"),
    *("importlib import_module", "operator attrgetter", "functools partial", "ctypes CDLL", "code InteractiveConsole"),
    *("handsss.hand.pickle_stubs look_up", "handsss.hand.mano load_file", "chumpy.ch os.system", "torch load"),
)
_ALLOWED = (
    *("numpy ndarray", "numpy dtype", "numpy.core.multiarray _reconstruct", "numpy._core.multiarray scalar"),
    *("numpy._core.numeric _frombuffer", "scipy.sparse.csc csc_matrix", "scipy.sparse._coo coo_matrix"),
    *("scipy.sparse csr_matrix", "scipy.sparse.csr csr_array", "chumpy.ch Ch", "chumpy.reordering Select"),
    *("chumpy.reordering Reshape", "chumpy.reordering transpose", "_codecs encode", "copyreg _reconstructor"),
    *("builtins object", "builtins set", "builtins bytes", "__builtin__ object", "copy_reg _reconstructor"),
)
_KEYS = ("v_template", "shapedirs", "J_regressor", "f", "x", "a", "idxs", "preferred_shape", "newshape", "axes", "data")


def _text(word: str) -> bytes:
    data = word.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _random_value(rng: Generator, marker: Path) -> bytes:
    """Instructions that push something."""
    kind = int(rng.integers(12))
    if kind == 0:
        module, name = str(rng.choice(NAMES if rng.random() < 0.3 else _ALLOWED)).split(" ")
        return f"c{module}\n{name}\n".encode() if rng.random() < 0.5 else _text(module) + _text(name) + b"\x93"
    if kind in (1, 2):
        return _text(str(rng.choice([*_KEYS, "f8", "<f4", "O8", "latin1", "b", f"touch {marker}"])))
    if kind == 3:
        return b"J" + struct.pack("<i", int(rng.choice([0, 1, 3, 778, -1, 2**31 - 1])))
    if kind == 4:
        return bytes(rng.choice([b"N", b"\x88", b"\x89", b"]", b"}", b")", b"(", b"\x8f"]))
    if kind == 5:
        raw = bytes(rng.integers(0, 256, int(rng.choice([0, 8, 24])), dtype="uint8"))
        return b"B" + struct.pack("<I", len(raw)) + raw
    if kind == 6:
        return b"h" + bytes([int(rng.integers(6))])
    if kind == 7:
        return b"G" + struct.pack(">d", float(rng.choice([0.0, 1e308, np.nan])))
    return b"q" + bytes([int(rng.integers(6))]) if kind == 8 else b"2"


_ACTS = (
    b"R",
    b"R",
    b"b",
    b"b",
    b"\x85",
    b"\x86",
    b"\x87",
    b"t",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x81",
    b"o",
    b"0",
    b"1",
    b"l",
    b"d",
)


def random_program(rng: Generator, marker: Path) -> bytes:
    pieces = [b"\x80\x04"]
    for _ in range(int(rng.integers(3, 60))):
        pieces.append(_random_value(rng, marker) if rng.random() < 0.7 else _ACTS[int(rng.integers(len(_ACTS)))])
    return b"".join([*pieces, b"."])


def call_of(name: str, argument: str) -> bytes:
    module, function = name.split(" ")
    return f"c{module}\n{function}\n".encode() + _text(argument) + b"\x85R"


def doubled(kind: bytes, times: int) -> bytes:
    """An object of two references to an object of two references to ...: small, but endless to print or to hash."""
    start = {b"\x86": b")", b"]": b"]"}[kind]
    step = b"2\x86" if kind == b"\x86" else b"q\x05]h\x05ah\x05a"
    return start + step * times


def _hostile(rng: Generator, marker: Path) -> bytes:
    """Programs that are meant to hurt, in the value of a dictionary like MANO's."""
    key = _text(str(rng.choice(_KEYS)))
    times = int(rng.choice([10, 26, 60, 400]))
    bomb = doubled(bytes(rng.choice([b"\x86", b"]"])), times)
    ch, select = b"cchumpy.ch\nCh\n)\x81", b"cchumpy.reordering\nSelect\n)\x81"
    inner = b"J\0\0\0\0"
    for _ in range(int(rng.choice([1, 5, 30, 300]))):  # expressions in the shapes of expressions
        inner = select + b"}" + _text("a") + b"]J\0\0\0\0a" + b"s" + _text("idxs") + b"]J\0\0\0\0as"
        inner += _text("preferred_shape") + b"]" + inner[:2000] + b"asb" if len(inner) < 100_000 else b"b"
    nested = b"".join(select + b"}" + _text("preferred_shape") + b"]" for _ in range(times)) + b"J\1\0\0\0"
    nested += (b"as" + _text("a") + b"]J\0\0\0\0as" + _text("idxs") + b"]J\0\0\0\0as" + b"b") * times
    values = [
        call_of(str(rng.choice(NAMES)), f"touch {marker}"),
        b"cnumpy\ndtype\n" + bomb + b"\x85R",
        b"c_codecs\nencode\n" + _text("a") + bomb + b"\x86R",
        bomb,
        b"}" + bomb + b"Ns",  # as a key
        b"\x8f(" + bomb + b"\x90",  # in a set
        ch + b"q\1}" + _text("x") + b"h\1sb",  # itself
        select + b"q\1}" + _text("a") + b"h\1s" + _text("idxs") + b"h\1sb",
        inner,
        nested,
        b"(" * times + b"N" + b"t" * times,
        b"r" + struct.pack("<I", int(rng.choice([10**6 + 1, 2**31 - 1]))),
        b"\x8a" + bytes([255]) + b"\x7f" * 255,
        b"I" + b"9" * 6000 + b"\n",
        b"B" + struct.pack("<I", 2**31 - 1),
        b"\x8e" + struct.pack("<Q", 2**62),
        b"\x95" + struct.pack("<Q", 2**62),
        b"cscipy.sparse.csc\ncsc_matrix\n)\x81}" + _text("_shape") + b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86sb",
    ]
    return b"\x80\x04}" + key + values[int(rng.integers(len(values)))] + b"s."


def prepare(folder: Path) -> Draw:
    marker = folder / "it ran"
    path = folder / "MANO_RIGHT.pkl"
    arrays = random_arrays()
    small = {name: value[:4] for name, value in arrays.items() if name in ("v_template", "weights", "hands_mean")}
    whole = [pickled(arrays, chumpy=c, protocol=p, python2=old) for c, p, old in ((True, 2, True), (True, 4, False))]
    minor = [pickle.dumps({**small, "kintree_table": np.arange(32).reshape(2, 16)}, p) for p in range(6)]
    path.write_bytes(whole[0])
    load_model(str(path))

    def parts() -> None:
        content = read_pickle(path)
        for key in list(content)[:20]:
            array = array_from(content, key, path)
            assert array.dtype.kind in "fiub"

    def check() -> None:
        try:
            parts()
        finally:
            assert not marker.exists()

    def whole_check() -> None:
        try:
            model = load_model(str(path))
            assert model.v_template.shape == (778, 3)
        finally:
            assert not marker.exists()

    def draw(rng: Generator) -> Check:
        way = rng.random()
        if way < 0.03:
            path.write_bytes(mutated_bytes(whole[int(rng.integers(len(whole)))], rng, minor))
            return whole_check
        if way < 0.35:
            path.write_bytes(mutated_bytes(minor[int(rng.integers(len(minor)))], rng, minor))
        elif way < 0.75:
            path.write_bytes(random_program(rng, marker))
        else:
            data = _hostile(rng, marker)
            path.write_bytes(mutated_bytes(data, rng) if rng.random() < 0.1 else data)
        return check

    return draw


TARGET = Target(prepare, count=4000, megabytes=400.0)
