"""Standard output and error that never end the work: any encoding, closed pipes, full disks."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys

_ERRORS = "handsss.plain"
_PLAIN = {
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u00d7": "x",
    "\u00b0": " degrees",
    "\u00b1": "+-",
    "\u2212": "-",
}


class OutputStream(io.TextIOWrapper):
    """A text stream whose errors are kept instead of raised: what follows is dropped.

    A closed pipe (``| head``) is no error; a full disk is told at the end.
    """

    lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or drop."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or drop."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.ESHUTDOWN):
            self.lost = self.lost or error
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, self.fileno())  # what is buffered goes there, now and when Python ends
        finally:
            os.close(nothing)
        super().flush()


def install() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr``, where they are plain files, pipes or terminals.

    Signs that the encoding lacks are written plainly or as escapes.
    """
    codecs.register_error(_ERRORS, _plainly)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:  # not one that a test or another program put there
            stream.flush()
            encoding, buffered = stream.encoding, stream.line_buffering
            through = stream.write_through
            setattr(
                sys,
                name,
                OutputStream(stream.detach(), encoding, errors=_ERRORS, line_buffering=buffered, write_through=through),
            )


def lost_output() -> str:
    """What went wrong when results were written to standard output; empty if nothing did."""
    stream = sys.stdout
    if not isinstance(stream, OutputStream):
        return ""
    stream.flush()
    return "" if stream.lost is None else stream.lost.strerror or str(stream.lost)


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text)
    return plain, error.end
