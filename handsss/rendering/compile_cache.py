"""Whether the CPU renderer's machine code is there already, or the first picture waits for numba's compiler."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handsss.io.folders import is_writable


class CompileCache(NamedTuple):
    """numba's cache of the renderer's kernels."""

    folder: Path | None  # None: nothing is kept
    writable: bool
    filled: bool


def compile_cache() -> CompileCache:
    """The cache of the kernels that every rendering needs."""
    from handsss.geometry.jit import cache_folder, is_cached
    from handsss.rendering.cpu.edges import find_crossings
    from handsss.rendering.cpu.kernels import rasterise

    kernels = (rasterise, find_crossings)
    folder = cache_folder(rasterise)
    writable = folder is not None and is_writable(folder)
    return CompileCache(folder, writable, all(is_cached(kernel) for kernel in kernels))


def rasteriser_is_compiled() -> bool:
    """Whether the machine code that finds visible faces is there."""
    from handsss.geometry.jit import is_cached
    from handsss.rendering.cpu.kernels import rasterise

    return is_cached(rasterise)


def compile_rasteriser() -> None:
    """Compile what finds visible faces, and no more."""
    import torch

    from handsss.rendering.pipeline import rasterise

    vertices = torch.tensor([[[-0.02, -0.02, 0.4], [0.02, -0.02, 0.4], [0.0, 0.02, 0.4]]])
    rasterise(vertices, torch.tensor([[0, 2, 1]]), torch.eye(3), (4, 4))


def compile_renderer() -> None:
    """Compile what fits and trainings render with, by rendering a triangle: forward and backward, textured too."""
    import torch

    from handsss.rendering.pipeline import render
    from handsss.rendering.types import Texture

    corners = [[-0.02, -0.02, 0.4], [0.02, -0.02, 0.4], [0.0, 0.02, 0.4]]
    faces = torch.tensor([[0, 2, 1]])
    camera = torch.tensor([[40.0, 0.0, 8.0], [0.0, 40.0, 8.0], [0.0, 0.0, 1.0]])
    vertices = torch.tensor([corners], requires_grad=True)
    colours = torch.full((1, 3, 3), 0.5, requires_grad=True)
    light = torch.tensor([0.7, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, -1.0], requires_grad=True)
    # The kernels' types follow the gradients that come: fits have one of the silhouette, trainings of the colour too.
    for pictures in (("silhouette",), ("silhouette", "colour")):
        plain = render(vertices, faces, colours=colours, light=light, intrinsics=camera, size=(16, 16))
        total = sum(getattr(plain, name).square().sum() for name in pictures)
        total.backward()  # type: ignore[union-attr]
    with torch.no_grad():
        texture = Texture(torch.zeros(1, 4, 4, 3), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), faces)
        render(vertices, faces, texture=texture, light=light, intrinsics=camera, size=(16, 16))
