"""Watches one input at a time: what it runs, how long it takes and how much memory it needs."""

from __future__ import annotations

import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handsss.errors import UserError

# What no reader of files has a use for. The hook of an interpreter sees them wherever they are called from.
_FORBIDDEN = (
    *(
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "os.startfile",
        "subprocess.Popen",
    ),
    *("os.remove", "os.rename", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink", "shutil.rmtree"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request", "webbrowser.open"),
    *("pty.spawn", "ctypes.dlopen"),
)
_WRITING = 0o3  # O_WRONLY | O_RDWR
_HEADROOM = 1 << 30  # bytes of address space beyond the memory that is allowed: a wall that saves the machine


class TooLongError(BaseException):
    """The input takes longer than allowed; no reader may catch it."""


class Guard:
    """Runs checks of inputs under watch.

    Args:
        folder: the only one in which files may be written.
        seconds: that one input may take.
        megabytes: that one input may need.
    """

    def __init__(self, folder: Path, seconds: float, megabytes: float) -> None:
        self.folder, self.seconds, self.megabytes = str(folder), seconds, megabytes
        self.slowest, self.largest = 0.0, 0.0
        self._events: list[str] = []
        self._watching = False
        sys.addaudithook(self._hook)
        signal.signal(signal.SIGALRM, _too_long)

    def wall(self) -> None:
        """Refuse memory far beyond what is allowed, from now on."""
        wall = int(_status("VmSize") + self.megabytes * 1e6 + _HEADROOM)
        resource.setrlimit(resource.RLIMIT_AS, (wall, wall))

    def fault(self, check: Callable[[], object]) -> str:
        """What is wrong with how a check ends; empty if nothing is. Errors for users are a right end."""
        self._events.clear()
        before = _reset_peak()
        begin = time.perf_counter()
        text = ""
        try:
            with self._watched():
                check()
        except UserError as error:
            text = _bad_message(error)
        except TooLongError:
            text = f"took longer than {self.seconds} s\n{traceback.format_exc()}"
        except BaseException:
            text = traceback.format_exc()
        seconds, megabytes = time.perf_counter() - begin, (_status("VmHWM") - before) / 1e6
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, megabytes)
        if self._events:
            text += f"\nran: {'; '.join(self._events)}"
        if megabytes > self.megabytes:
            text += f"\nneeded {megabytes:.0f} MB"
        return text

    @contextmanager
    def _watched(self) -> Iterator[None]:
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, _, flags = arguments
            written = isinstance(flags, int) and flags & _WRITING
            if written and isinstance(path, str) and not path.startswith((self.folder, "/dev/null")):
                self._events.append(f"open {path!r} to write")
        elif event in _FORBIDDEN and not (arguments and str(arguments[0]).startswith(self.folder)):
            self._events.append(f"{event} {str(arguments)[:200]}")


def _too_long(*_: object) -> None:
    raise TooLongError


def _bad_message(error: UserError) -> str:
    """Messages are for people: some words, not the input itself."""
    text = str(error)
    if not text.strip():
        return f"an empty {type(error).__name__}"
    return f"a message of {len(text)} characters: {text[:300]}" if len(text) > 4000 else ""


def _status(name: str) -> float:
    """Bytes of a line of the kernel's figures on this process."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def _reset_peak() -> float:
    """Make the kernel count the peak anew; what is in use now, bytes."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")
    return _status("VmRSS")
