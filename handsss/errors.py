"""Errors that speak to users: what was expected, what came, what to do. Anything else that is raised is a bug."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_LONGEST = 2000  # characters of a message


class UserError(Exception):
    """A mistake or a situation that the user can mend; shown as one message, without a traceback.

    Python calls an option ``validation``, the command line ``--val``: a message names options as ``{validation}``, and
    each side writes them its own way.

    Args:
        message: what was expected, what came, what to do.
        options: those that the message names in braces. Other braces stay as they are.
    """

    exit_code = 2  # usage

    def __init__(self, message: str = "", *, options: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.options = tuple(options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args), self.__dict__  # subclasses take other arguments than the message

    @property
    def template(self) -> str:
        """The message with its options in braces, for an error that repeats it and passes ``options`` on."""
        return str(self.args[0]) if self.args else ""

    def text(self, written: Callable[[str], str] = str) -> str:
        """The message.

        Args:
            written: how an option is written; as Python names it, unless given.
        """
        message = self.template
        for name in self.options:
            message = message.replace("{" + name + "}", written(name))
        if len(message) > _LONGEST:  # it repeats what a damaged file holds; its start and its end help
            message = f"{message[: _LONGEST // 2]} [...] {message[-_LONGEST // 4 :]}"
        return message

    def __str__(self) -> str:
        return self.text()


def _restored(kind: type[UserError], args: tuple[Any, ...]) -> UserError:
    return kind.__new__(kind, *args)


class InputError(UserError):
    """A file or value given by the user that cannot be used as it is."""


class BadPictureError(InputError):
    """One picture among many cannot be used, and the work stops at it."""

    exit_code = 1


class MissingDependencyError(UserError):
    """An optional package is needed and absent."""

    def __init__(self, package: str, purpose: str, install: str) -> None:
        super().__init__(f"{purpose} needs the package {package}, which is not installed. Install it with: {install}")
        self.package = package
