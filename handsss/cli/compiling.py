"""Announces the first compilation of a machine, and does it before anything is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from handsss.cli.console import error_console, show_note, waiting


class _Part(NamedTuple):
    seconds: int  # that compiling takes, on one core of a desktop computer
    done: Callable[[], bool]
    compile: Callable[[], None]


def _renderer() -> _Part:
    from handsss.rendering.compile_cache import compile_cache, compile_renderer

    return _Part(20, lambda: compile_cache().filled, compile_renderer)


def _rasteriser() -> _Part:
    from handsss.rendering.compile_cache import compile_rasteriser, rasteriser_is_compiled

    return _Part(5, rasteriser_is_compiled, compile_rasteriser)


def _crops() -> _Part:
    from handsss.geometry.warp import compile_warps, warps_are_compiled

    return _Part(5, warps_are_compiled, compile_warps)


def _ssim() -> _Part:
    from handsss.losses.ssim_kernel import compile_ssim, ssim_is_compiled

    return _Part(5, ssim_is_compiled, compile_ssim)


_PARTS: dict[str, Callable[[], _Part]] = {
    "crops": _crops,
    "rasteriser": _rasteriser,
    "renderer": _renderer,
    "ssim": _ssim,
}


def compile_kernels(*names: str, quiet: bool = False) -> None:
    """Compile what the work needs and this machine has not compiled yet, and say so.

    Args:
        names: "crops" (cutting pictures), "rasteriser", "renderer" (with it), "ssim" (the loss).
        quiet: say nothing.
    """
    waited = [part for part in (_PARTS[name]() for name in names) if not part.done()]
    if not waited:
        return
    if not quiet:
        show_note(f"compiling, {_how_often()}, about {sum(part.seconds for part in waited)} s.")
    with waiting(error_console(), "compiling", shown=not quiet):
        for part in waited:
            part.compile()


def _how_often() -> str:
    from handsss.rendering.compile_cache import compile_cache

    cache = compile_cache()
    return "once a machine" if cache.writable else "at every start (its cache cannot be written: handsss doctor)"
