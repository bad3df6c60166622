"""Errors that speak to users: what was expected, what came, what to do. Anything else that is raised is a bug."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or a situation that the user can mend; shown as one message, without a traceback."""

    exit_code = 2  # usage


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
