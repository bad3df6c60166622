"""What kinds of values settings take, in words: pydantic checks them, and its own words are for programmers."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError


def expected(kind: Any) -> str:
    """A type in words: ``a whole number``."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if kind in words:
        return words[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin in (Union, UnionType):
        return " or ".join(expected(one) for one in inside if one is not type(None))
    if origin in (tuple, list):
        return f"a list, of which each is {expected(inside[0])}"
    return str(kind)


def mistake(error: ValidationError, kind: type[Any]) -> tuple[str, str]:
    """The first wrong value of a section, and what was expected of it.

    Args:
        error: of the section.
        kind: its class.

    Returns:
        the name of the setting (empty: the section as a whole), and a phrase.
    """
    wrong = error.errors()[0]
    name = ".".join(str(part) for part in wrong["loc"])
    if wrong["type"] == "value_error":  # our own words, of the class
        return name, str(wrong.get("ctx", {}).get("error", wrong["msg"]))
    if wrong["type"] == "missing":
        return name, "it is missing"
    hints = get_type_hints(kind)
    field = str(wrong["loc"][0]) if wrong["loc"] else ""
    if field not in hints:
        return name, f"expected a section of settings, got {type(wrong['input']).__name__}"
    return name, f"expected {expected(hints[field])}, got {wrong['input']!r}"
