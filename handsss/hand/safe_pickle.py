"""Arrays from MANO's pickles, without executing code.

A pickle is a program: plain ``pickle.load`` runs whatever its author wrote. Here every name that it may use is on an
allow-list and resolves to an inert stub, see :mod:`handsss.hand.pickle_stubs`. chumpy, which MANO's files refer to and
which no longer imports with current numpy, is not needed.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from handsss.errors import InputError
from handsss.hand.pickle_stubs import MAXIMUM_BYTES, RefusedError, as_array, look_up
from handsss.io.content import mistaken_for

# MANO's own files have a few thousand.
_MAXIMUM_INSTRUCTIONS = 1_000_000


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler, in Python: the one in C cannot be kept from hashing keys.

    The hash of a tuple of two references to a tuple of two references to ... takes for ever, in a file of 200 bytes.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        return look_up(module, name)

    def persistent_load(self, pid: Any) -> NoReturn:
        raise RefusedError("an object from outside the file")


def _with_flat_keys(instruction: bytes, keys: slice) -> None:
    """Let an instruction look at the objects on the stack that it will hash, before it does."""
    run = pickle._Unpickler.dispatch[instruction[0]]

    def checked(unpickler: Any) -> None:
        for key in unpickler.stack[keys]:
            if isinstance(key, (tuple, frozenset)) and any(isinstance(part, (tuple, frozenset)) for part in key):
                raise RefusedError("a key of nested tuples")
        run(unpickler)

    _Unpickler.dispatch[instruction[0]] = checked


_with_flat_keys(pickle.SETITEM, slice(-2, -1))
_with_flat_keys(pickle.SETITEMS, slice(None, None, 2))  # the stack begins at the mark
_with_flat_keys(pickle.DICT, slice(None, None, 2))
_with_flat_keys(pickle.ADDITEMS, slice(None))
_with_flat_keys(pickle.FROZENSET, slice(None))


def _inspect(data: bytes) -> None:
    """Read the program before it runs: refuse names that are not allowed and instructions that waste memory."""
    for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
        if count > _MAXIMUM_INSTRUCTIONS:
            raise RefusedError(f"more than {_MAXIMUM_INSTRUCTIONS} instructions")
        if instruction.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            look_up(module, name)
        elif instruction.name in ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"):
            raise RefusedError(f"the instruction {instruction.name}")
        elif instruction.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > _MAXIMUM_INSTRUCTIONS:
            raise RefusedError(f"memory for {argument} objects")


def read_pickle(path: Path, whose: str = "MANO") -> dict[str, Any]:
    """The dictionary that a pickle holds; arrays in it are turned into numpy's by :func:`as_array`.

    Args:
        path: the file.
        whose: "MANO" or the dataset's name, for messages.

    Raises:
        InputError: not there, too large, damaged, no dictionary, or it asks for something that is not on the list.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 2**20:.0f} MB; {whose}'s files have about 4 MB.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Expected {whose}'s pickle.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # strange escapes in damaged files
            _inspect(data)
        content = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except RefusedError as refused:
        raise InputError(_refusal(path, refused, whose)) from None
    except Exception as error:  # damaged pickles raise nearly anything
        expected = "MANO_RIGHT.pkl or MANO_LEFT.pkl" if whose == "MANO" else "the file"
        came = mistaken_for(path)
        reason = f"it is {came}" if came else str(error) or type(error).__name__
        raise InputError(
            f"{path}: not a readable pickle ({reason}). It may be cut off, or not be {whose}'s "
            f"file: expected {expected} as it was downloaded."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, expected {whose}'s dictionary of arrays.")
    return content


def array_from(content: dict[str, Any], key: str, path: Path, whose: str = "MANO") -> np.ndarray:
    """One array of a pickle's dictionary.

    Raises:
        InputError: it is missing, damaged, or holds Python objects.
    """
    if key not in content:
        raise InputError(f"{path}: no {key!r} in this file. Expected {whose}'s pickle.")
    try:
        return as_array(content[key])
    except RefusedError as refused:
        raise InputError(_refusal(path, refused, whose)) from None
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise InputError(f"{path}: {key!r} is damaged ({error}).") from error


def _refusal(path: Path, refused: RefusedError, whose: str) -> str:
    return (
        f"{path}: refused. This pickle asks for {refused}, which {whose}'s files have no use for and which could run "
        f"code. Nothing of it was run. Take the file from the {whose} site again."
    )
