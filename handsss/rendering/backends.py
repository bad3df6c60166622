"""Which renderer does the work: a registry of backends, each a table of the same operations.

A backend's module is imported when it is first chosen, so that nobody needs numba or Triton without using them.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from handsss.errors import UserError
from handsss.rendering import reference, shading


@dataclass(frozen=True)
class Backend:
    """The operations of a rendering backend; arguments, shapes and results as in ``reference.py``."""

    name: str
    to_screen: Callable[[Tensor, Tensor], Tensor]
    rasterise: Callable[[Tensor, Tensor, int, int, bool], tuple[Tensor, Tensor]]
    interpolate: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    antialias: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    vertex_lighting: Callable[[Tensor, Tensor, Tensor], Tensor]
    vertex_normals: Callable[[Tensor, Tensor], Tensor]  # without gradients where a kernel does it
    # All of ``paint`` in one operation, without full-size pictures in between; it gives the background no gradient.
    fused_paint: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor, Tensor]] | None

    def paint(
        self,
        screen: Tensor,
        faces: Tensor,
        face_id: Tensor,
        z_buffer: Tensor,
        colours: Tensor,
        background: Tensor,
        antialias: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Vertex colours before a background.

        Args:
            screen: [B, V, 3] x px, y px, z metres.
            faces: [F, 3].
            face_id: [B, H, W] int32, -1 where nothing is hit.
            z_buffer: [B, H, W] metres, inf where nothing is hit.
            colours: [B, V, 3].
            background: [1 or B, 1 or H, 1 or W, 3].
            antialias: blend across silhouette edges.

        Returns:
            colour [B, H, W, 3], silhouette [B, H, W] and depth [B, H, W].
        """
        if self.fused_paint is not None and not background.requires_grad:
            return self.fused_paint(screen, faces, face_id, z_buffer, colours, background, antialias)
        surface, depth = self.interpolate(screen, faces, face_id, colours, faces)
        return *self.compose(screen, faces, face_id, z_buffer, surface, background, antialias), depth

    def compose(
        self,
        screen: Tensor,
        faces: Tensor,
        face_id: Tensor,
        z_buffer: Tensor,
        surface: Tensor,
        background: Tensor,
        antialias: bool,
    ) -> tuple[Tensor, Tensor]:
        """Colour [B, H, W, 3] and silhouette [B, H, W] of a surface [B, H, W, 3] before a background; other arguments
        as in :meth:`paint`."""
        hit = (face_id >= 0)[..., None]
        picture = torch.cat([torch.where(hit, surface, background), hit.to(surface.dtype)], -1)
        if antialias:
            picture = self.antialias(screen, faces, face_id, z_buffer, picture)
        return picture[..., :3], picture[..., 3]


def _torch() -> Backend:
    return Backend(
        "torch",
        to_screen=shading.to_screen,
        rasterise=reference.rasterise,
        interpolate=reference.interpolate,
        antialias=reference.antialias,
        vertex_lighting=shading.vertex_lighting,
        vertex_normals=shading.vertex_normals,
        fused_paint=None,
    )


def _numba() -> Backend:
    from handsss.rendering.cpu import backend, light, paint

    return Backend(
        "numba",
        to_screen=shading.to_screen,
        rasterise=backend.rasterise,
        interpolate=backend.interpolate,
        antialias=backend.antialias,
        vertex_lighting=light.vertex_lighting,
        vertex_normals=light.vertex_normals,
        fused_paint=paint.paint,
    )


def _triton() -> Backend:
    from handsss.rendering.cuda import backend

    return Backend(
        "triton",
        to_screen=backend.to_screen,
        rasterise=backend.rasterise,
        interpolate=backend.interpolate,
        antialias=backend.antialias,
        vertex_lighting=backend.vertex_lighting,
        vertex_normals=shading.vertex_normals,
        fused_paint=backend.paint,
    )


def _pytorch3d() -> Backend:
    """PyTorch3D finds the faces; the rest is the plain torch path."""
    from handsss.rendering import adapters

    return replace(_torch(), name="pytorch3d", rasterise=adapters.rasterise)


_REGISTRY: dict[str, Callable[[], Backend]] = {
    "torch": _torch,
    "numba": _numba,
    "triton": _triton,
    "pytorch3d": _pytorch3d,
}
BACKENDS = tuple(_REGISTRY)


def _triton_runs_on(device_type: str) -> bool:
    """Whether Triton is installed and compiles for such tensors, or interprets kernels on the CPU."""
    if importlib.util.find_spec("triton") is None:
        return False
    return device_type == "cuda" or (device_type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1")


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here."""
    has_triton = _triton_runs_on("cuda" if torch.cuda.is_available() else "cpu")
    has_pytorch3d = importlib.util.find_spec("pytorch3d") is not None
    return ("torch", "numba", *(("triton",) if has_triton else ()), *(("pytorch3d",) if has_pytorch3d else ()))


@functools.cache
def _warn_that_triton_is_missing() -> None:
    warnings.warn(
        "Triton is not installed, so pictures on CUDA are rendered by the slow reference; CUDA builds of torch bring "
        "Triton on Linux, elsewhere install triton or its port for your system.",
        RuntimeWarning,
        stacklevel=3,
    )


def choose_name(name: str, device: torch.device) -> str:
    """The name of the backend that is used; "auto" takes numba for CPU tensors, Triton for CUDA, torch elsewhere.

    Raises:
        ValueError: unknown name.
        UserError: a backend that cannot run here, with what to use instead.
    """
    if name == "auto":
        name = {"cpu": "numba", "cuda": "triton"}.get(device.type, "torch")
        if name == "triton" and not _triton_runs_on("cuda"):
            _warn_that_triton_is_missing()
            name = "torch"
    if name not in BACKENDS:
        raise ValueError(f"unknown rendering backend {name!r}; known: auto, {', '.join(BACKENDS)}")
    if name == "numba" and device.type != "cpu":
        raise UserError(f"the numba renderer works on the CPU, but the tensors are on {device}; use backend='auto'.")
    if name == "triton" and not _triton_runs_on(device.type):
        if importlib.util.find_spec("triton") is None:
            raise UserError("backend='triton' needs Triton, which CUDA builds of torch bring; use backend='auto'.")
        raise UserError(f"the Triton renderer works on CUDA, but the tensors are on {device}; use backend='auto'.")
    if name == "pytorch3d" and "pytorch3d" not in available_backends():
        raise UserError(
            "backend='pytorch3d' needs PyTorch3D, which is not installed and has no wheel for current torch; "
            "build it from source as its INSTALL.md says, or use backend='auto'."
        )
    return name


def choose(name: str, device: torch.device) -> Backend:
    """The backend of a name; see :func:`choose_name`, also for what is raised."""
    return _backend(choose_name(name, device))


@functools.cache
def _backend(name: str) -> Backend:
    return _REGISTRY[name]()
