"""Inert stubs for every class and function that a MANO pickle may name.

They only store their arguments while a pickle is read, and a pickle cannot change them. Arrays are built from them
afterwards, by :func:`as_array`, from checked bytes.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

# MANO's own files have 4 MB.
MAXIMUM_BYTES = 128 * 2**20
_MAXIMUM_DEPTH = 6  # of chumpy's expressions; MANO's own have two
_MAXIMUM_DIMENSIONS = 8
_NUMBERS = re.compile(r"[<>=|]?(f[248]|[iu][1248]|b1)")


class RefusedError(Exception):
    """The text says what was asked for."""


class _Sealed(type):
    """Classes that an unpickled program cannot change."""

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise RefusedError(f"a change of {name!r} of a class")


class _Stand(metaclass=_Sealed):
    """Keeps constructor arguments and state, and does nothing with them."""

    __slots__ = ("arguments", "state")

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Any:
        self = object.__new__(cls)
        self.arguments = arguments
        self.state = None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DType(_Stand):
    __slots__ = ()

    def real(self) -> np.dtype[Any]:
        code = self.arguments[0] if self.arguments else None
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            objects = isinstance(code, str) and code.lstrip("<>=|").startswith("O")
            kind = "an array of Python objects" if objects else "an array of type"
            raise RefusedError(f"{kind} ({reprlib.repr(code)})")
        dtype: np.dtype[Any] = np.dtype(code)
        if isinstance(self.state, tuple) and len(self.state) > 1 and self.state[1] in ("<", ">"):
            dtype = dtype.newbyteorder(self.state[1])
        return dtype


class _Array(_Stand):
    __slots__ = ()

    def real(self) -> np.ndarray:
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise ValueError("an array without contents")
        _, shape, dtype, fortran, raw = self.state
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        if not isinstance(dtype, _DType) or not isinstance(raw, (bytes, bytearray)):
            raise RefusedError("an array of Python objects")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("an array without a proper shape")
        real = dtype.real()
        if math.prod(shape) * real.itemsize != len(raw):
            raise ValueError(f"an array of shape {shape} with {len(raw)} bytes")
        return np.frombuffer(raw, real).reshape(shape, order="F" if fortran else "C")


class _Sparse(_Stand):
    """scipy's sparse matrices, made dense; the three subclasses differ in how positions are stored."""

    __slots__ = ()

    def real(self) -> np.ndarray:
        state = self.state if isinstance(self.state, dict) else {}
        shape = state.get("_shape", state.get("shape"))
        if not isinstance(shape, tuple) or len(shape) != 2 or not all(type(n) is int and n > 0 for n in shape):
            raise ValueError("a sparse matrix without a proper shape")
        if shape[0] * shape[1] > MAXIMUM_BYTES // 8:
            raise ValueError(f"a sparse matrix of shape {shape}")
        values = as_array(state.get("data"))
        rows, columns = self.positions(state, shape)
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        if not rows.shape == columns.shape == values.shape or not inside.all():
            raise ValueError("a sparse matrix with entries outside it")
        dense = np.zeros(shape)
        np.add.at(dense, (rows, columns), values)
        return dense

    def positions(self, state: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = state.get("coords") or (state.get("row"), state.get("col"))
        return as_array(rows).astype(np.int64), as_array(columns).astype(np.int64)


class _SparseRows(_Sparse):
    __slots__ = ()

    def positions(self, state: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        return _expand(state, shape[0])


class _SparseColumns(_Sparse):
    __slots__ = ()

    def positions(self, state: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        columns, rows = _expand(state, shape[1])
        return rows, columns


def _expand(state: dict[str, Any], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Major and minor positions of compressed storage."""
    pointers, minor = as_array(state.get("indptr")).astype(np.int64), as_array(state.get("indices")).astype(np.int64)
    runs = np.diff(pointers)
    if pointers.shape != (count + 1,) or pointers[0] != 0 or (runs < 0).any() or pointers[-1] != len(minor):
        raise ValueError("a sparse matrix whose pointers do not fit")
    return np.repeat(np.arange(count), runs), minor


class _Chumpy(_Stand):
    """chumpy's expressions: a leaf holds its array in ``x``, a reordering its operand in ``a``."""

    __slots__ = ()

    def real(self, depth: int = 0) -> np.ndarray:
        if depth > _MAXIMUM_DEPTH or not isinstance(self.state, dict):
            raise ValueError("a chumpy object without contents")
        return self.compute(self.state, depth + 1)

    def compute(self, state: dict[str, Any], depth: int) -> np.ndarray:
        return as_array(state.get("x"), depth)


class _Select(_Chumpy):
    __slots__ = ()

    def compute(self, state: dict[str, Any], depth: int) -> np.ndarray:
        chosen = as_array(state.get("a"), depth).ravel()[as_array(state.get("idxs"), depth)]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(_shape(shape, depth))


class _Reshape(_Chumpy):
    __slots__ = ()

    def compute(self, state: dict[str, Any], depth: int) -> np.ndarray:
        return as_array(state.get("a"), depth).reshape(_shape(state.get("newshape"), depth))


class _Transpose(_Chumpy):
    __slots__ = ()

    def compute(self, state: dict[str, Any], depth: int) -> np.ndarray:
        axes = state.get("axes")
        return as_array(state.get("a"), depth).transpose(None if axes is None else _shape(axes, depth))


def _shape(value: Any, depth: int) -> tuple[int, ...]:
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if len(sizes) > _MAXIMUM_DIMENSIONS:
        raise ValueError(f"an array of {len(sizes)} dimensions")
    return tuple(int(as_array(size, depth)) for size in sizes)


def as_array(value: Any, depth: int = 0) -> np.ndarray:
    """The array that an unpickled value stands for.

    Raises:
        ValueError: it stands for none, or for a damaged one.
    """
    if isinstance(value, _Chumpy):
        return value.real(depth)
    if isinstance(value, (_Array, _Sparse)):
        return value.real()
    if isinstance(value, (bool, int, float)):
        return _of_numbers(value)
    if isinstance(value, (list, tuple)) and all(isinstance(v, (bool, int, float, _Array)) for v in value):
        entries = [as_array(entry) for entry in value]
        if all(entry.shape == () for entry in entries):  # HO-3D's boxes are lists of numpy scalars
            return _of_numbers(entries)
    raise ValueError(f"a {type(value).__name__.lstrip('_')} where an array should be")


def _of_numbers(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError("a whole number beyond 64 bits")
    return array


class _Function:
    """A callable that an unpickled program cannot change."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def __call__(self, *arguments: Any) -> Any:
        return self._run(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise RefusedError("a change of a function")


def _encode(text: Any, encoding: Any = None) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"_codecs.encode to {reprlib.repr(encoding)}")
    return text.encode("latin1")


def _reconstructor(cls: Any, base: Any, state: Any) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, _Stand)) or base is not _NOTHING or state is not None:
        raise RefusedError("copyreg._reconstructor of something else than an array")
    return cls()


def _reconstruct(cls: Any, *_: Any) -> _Array:
    if cls is not _Array:
        raise RefusedError("numpy's _reconstruct of something else than an array")
    return _Array()


def _filled(shape: Any, dtype: Any, fortran: bool, raw: Any) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, fortran, raw)
    return array


def _empty(*arguments: Any) -> bytes:
    if arguments:
        raise RefusedError("builtins.bytes with arguments")
    return b""


_NOTHING = _Function(lambda *_: None)


def _allowed() -> dict[tuple[str, str], Any]:
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _DType,
        ("_codecs", "encode"): _Function(_encode),
        ("copyreg", "_reconstructor"): _Function(_reconstructor),
        ("builtins", "object"): _NOTHING,
        ("builtins", "set"): _Function(lambda *_: ()),  # chumpy's list of changed terms, not wanted here
        ("builtins", "bytes"): _Function(_empty),
        ("chumpy.ch", "Ch"): _Chumpy,
        ("chumpy", "Ch"): _Chumpy,
        ("chumpy.reordering", "Select"): _Select,
        ("chumpy.reordering", "Reshape"): _Reshape,
        ("chumpy.reordering", "transpose"): _Transpose,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = _Function(_reconstruct)
        names[f"{core}.multiarray", "scalar"] = _Function(lambda dtype, raw: _filled((), dtype, False, raw))
        names[f"{core}.numeric", "_frombuffer"] = _Function(
            lambda raw, dtype, shape, order: _filled(shape, dtype, order == "F", raw)
        )
    for kind, stand in (("csc", _SparseColumns), ("csr", _SparseRows), ("coo", _Sparse)):
        for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}"):
            names[module, f"{kind}_matrix"] = stand
            names[module, f"{kind}_array"] = stand
    return names


_ALLOWED = _allowed()
# What Python 2 called the modules.
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def look_up(module: str, name: str) -> Any:
    """The stand-in for a name; :class:`RefusedError` if it is not on the list."""
    try:
        return _ALLOWED[_OLD_MODULES.get(module, module), name]
    except KeyError:
        raise RefusedError(f"{module}.{name}") from None
