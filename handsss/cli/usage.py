"""Mistakes in options and arguments, in our own words: one plain line, as all other errors have."""

from __future__ import annotations

import difflib
import re
from typing import Any

import typer

# Of the parser that typer brings along, which does not export it: everything that it refuses is one of these.
ParserError: type[Any] = typer.BadParameter.__mro__[2]
_KINDS = {
    "integer": "a whole number",
    "integer range": "a whole number",
    "float": "a number",
    "float range": "a number",
    "boolean": "true or false",
}
_PARSED = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
}
_NO_KIND = re.compile(r"(?P<value>.*) is not a valid (?P<kind>[\w ]+)\.", re.DOTALL)
_OUTSIDE = re.compile(r"(?P<value>\S+) is not in the range (?P<range>.*)\.", re.DOTALL)
_NONE_OF = re.compile(r"(?P<value>.*) is not one of (?P<words>.*)\.", re.DOTALL)
_RANGE = re.compile(r"(?:(?P<least>[^<]+)(?P<open><=?))?x(?P<sign>[<>]=?)?(?P<bound>.*)")


def usage_message(error: Any) -> str:
    """What was expected, what came, and where it is explained.

    Args:
        error: a :data:`ParserError`.
    """
    text = _message(error)
    text = text if text.endswith((".", "?", ")")) else f"{text}."
    context = getattr(error, "ctx", None)
    return text if context is None else f"{text} See: {context.command_path} --help"


def _message(error: Any) -> str:
    name = type(error).__name__
    if name == "NoSuchOption":
        known = [option for parameter in error.ctx.command.params for option in parameter.opts] if error.ctx else []
        close = difflib.get_close_matches(error.option_name, known, 1)
        return f"no option {error.option_name}." + (f" Did you mean {close[0]}?" if close else "")
    if name == "MissingParameter":
        return f"{_name_of(error)} is missing"
    if isinstance(error, typer.BadParameter):
        return f"{_name_of(error)}: {_of_cause(error.__cause__) or _expected(str(error.message))}"
    text = str(error.format_message())
    return text[:1].lower() + text[1:]


def _of_cause(cause: Any) -> str:
    """What pydantic, by which typer reads values, holds against one; empty where it was something else."""
    if not hasattr(cause, "errors"):
        return ""
    wrong = cause.errors()[0]
    value, limits = wrong["input"], wrong.get("ctx", {})
    if wrong["type"] in _PARSED:
        return f"expected {_PARSED[wrong['type']]}, got {value!r}"
    if "ge" in limits or "gt" in limits:
        bound = limits.get("ge", limits.get("gt"))
        return f"expected {f'{bound} or more' if 'ge' in limits else f'more than {bound}'}, got {value}"
    if "le" in limits or "lt" in limits:
        bound = limits.get("le", limits.get("lt"))
        return f"expected {f'{bound} or less' if 'le' in limits else f'less than {bound}'}, got {value}"
    return _expected(str(limits.get("error", wrong["msg"])))


def _name_of(error: Any) -> str:
    """An option as it is typed, or an argument's name."""
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "a value")
    options = [option for option in parameter.opts if option.startswith("-")]
    return max(options, key=len) if options else str(parameter.metavar or parameter.name)


def _expected(message: str) -> str:
    """The parser's words for a value, as other messages say it."""
    if (found := _NO_KIND.fullmatch(message)) and found["kind"] in _KINDS:
        return f"expected {_KINDS[found['kind']]}, got {found['value']}"
    if found := _OUTSIDE.fullmatch(message):
        return f"expected {_range(found['range'])}, got {found['value']}"
    if found := _NONE_OF.fullmatch(message):
        return f"expected one of {found['words'].replace(chr(39), '')}, got {found['value']}"
    return message


def _range(text: str) -> str:
    """``1<=x<=8``, ``x>=1``, ``x<=8`` in words."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return text
    least, sign, bound = found["least"], found["sign"] or "", found["bound"]
    if least is not None and sign == "<=" and found["open"] == "<=":
        return f"{least} to {bound}"
    words = {">=": f"{bound} or more", ">": f"more than {bound}", "<=": f"{bound} or less", "<": f"less than {bound}"}
    return words.get(sign, text) if least is None else text
