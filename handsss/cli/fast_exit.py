"""Ends the process without waiting for Python to free torch's memory."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process as ``sys.exit`` does, but leave its memory to the system.

    Once torch is loaded, Python takes most of a second to take its objects apart, which nobody waits for. What was
    registered to run at the end runs, and output is flushed; where threads or child processes are still at work, a
    profiler or debugger looks on, or output cannot be written, Python ends the process as usual.
    """
    children = sys.modules.get("multiprocessing.process")
    at_work = any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    watched = sys.getprofile() is not None or sys.gettrace() is not None or _monitored()
    if at_work or watched or (children is not None and children.active_children()):
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)


def _monitored() -> bool:
    monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on
    return monitoring is not None and any(monitoring.get_tool(number) is not None for number in range(6))


def main() -> NoReturn:
    """The console script: see :func:`handsss.cli.main.run`."""
    from handsss.cli.main import run

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, str):  # a message, which Python prints
            raise
        code = end.code or 0
    leave(code)
