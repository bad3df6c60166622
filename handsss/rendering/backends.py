"""Which renderer does the work: a table of backends, each with the same operations."""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from handsss.errors import UserError
from handsss.rendering.shading import lit, to_screen, vertex_normals
from handsss.rendering.topology import face_neighbours

BACKENDS = ("torch", "numba", "triton", "pytorch3d")


class Backend(Protocol):
    """The operations of a rendering backend; shapes as in ``reference.py`` and ``shading.py``."""

    def to_screen(self, vertices: Tensor, intrinsics: Tensor) -> Tensor: ...

    def rasterise(
        self, screen: Tensor, faces: Tensor, height: int, width: int, cull: bool
    ) -> tuple[Tensor, Tensor]: ...

    def interpolate(
        self, screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
    ) -> tuple[Tensor, Tensor]: ...

    def antialias(
        self, screen: Tensor, faces: Tensor, neighbours: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor
    ) -> Tensor: ...

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
        """Colour, silhouette and depth of vertex colours [B, V, 3] before a background [1|B, 1|H, 1|W, 3]."""
        ...

    def arriving(self, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
        """Light [B, V, 3] that arrives at vertices [B, V, 3] from light [B, 11]."""
        ...


def paint_in_steps(
    worker: Backend,
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    z_buffer: Tensor,
    surface: Tensor,
    background: Tensor,
    antialias: bool,
) -> tuple[Tensor, Tensor]:
    """Colour [B, H, W, 3] and silhouette [B, H, W] of a surface [B, H, W, 3] in front of a background."""
    hit = (face_id >= 0)[..., None]
    picture = torch.cat([torch.where(hit, surface, background), hit.to(surface.dtype)], -1)
    if antialias:
        picture = worker.antialias(screen, faces, face_neighbours(faces), face_id, z_buffer, picture)
    return picture[..., :3], picture[..., 3]


class _Torch:
    def to_screen(self, vertices: Tensor, intrinsics: Tensor) -> Tensor:
        return to_screen(vertices, intrinsics)

    def rasterise(self, screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
        from handsss.rendering import reference

        return reference.rasterise(screen, faces, height, width, cull)

    def interpolate(
        self, screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
    ) -> tuple[Tensor, Tensor]:
        from handsss.rendering import reference

        return reference.interpolate(screen, faces, face_id, attributes, attribute_faces)

    def antialias(
        self, screen: Tensor, faces: Tensor, neighbours: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor
    ) -> Tensor:
        from handsss.rendering import reference

        events = reference.find_events(screen, faces, neighbours, face_id, depth)
        return reference.blend(screen, events, picture)

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
        surface, depth = self.interpolate(screen, faces, face_id, colours, faces)
        picture = paint_in_steps(self, screen, faces, face_id, z_buffer, surface, background, antialias)
        return *picture, depth

    def arriving(self, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
        return lit(vertex_normals(vertices, faces.long()), light)


class _Numba(_Torch):
    def rasterise(self, screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
        from handsss.rendering.cpu import backend as numba_backend

        return numba_backend.rasterise(screen, faces, height, width, cull)

    def interpolate(
        self, screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
    ) -> tuple[Tensor, Tensor]:
        from handsss.rendering.cpu import backend as numba_backend

        return numba_backend.interpolate(screen, faces, face_id, attributes, attribute_faces)

    def antialias(
        self, screen: Tensor, faces: Tensor, neighbours: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor
    ) -> Tensor:
        from handsss.rendering.cpu import backend as numba_backend

        return numba_backend.antialias(screen, faces, neighbours, face_id, depth, picture)

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
        if background.requires_grad:
            return super().paint(screen, faces, face_id, z_buffer, colours, background, antialias)
        from handsss.rendering.cpu import paint as numba_paint

        if antialias:
            neighbours = face_neighbours(faces)
            events = numba_paint.silhouette_events(screen, faces, neighbours, face_id, z_buffer)
        else:
            events = [np.empty((0, 5), dtype=np.int32)] * len(screen)
        return numba_paint.paint(screen, faces, face_id, colours, background, events)

    def arriving(self, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
        from handsss.rendering.cpu import light as numba_light

        return numba_light.arriving(vertices, faces, light)


class _Triton(_Torch):
    def to_screen(self, vertices: Tensor, intrinsics: Tensor) -> Tensor:
        if intrinsics.requires_grad:
            return super().to_screen(vertices, intrinsics)
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.to_screen(vertices, intrinsics)

    def rasterise(self, screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.rasterise(screen, faces, height, width, cull)

    def interpolate(
        self, screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
    ) -> tuple[Tensor, Tensor]:
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.interpolate(screen, faces, face_id, attributes, attribute_faces)

    def antialias(
        self, screen: Tensor, faces: Tensor, neighbours: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor
    ) -> Tensor:
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.antialias(screen, faces, face_id, depth, picture)

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
        if background.requires_grad:
            return super().paint(screen, faces, face_id, z_buffer, colours, background, antialias)
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.paint(screen, faces, face_id, z_buffer, colours, background, antialias)

    def arriving(self, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
        from handsss.rendering.cuda import backend as triton_backend

        return triton_backend.arriving(vertices, faces, light)


class _PyTorch3D(_Torch):
    """PyTorch3D finds the faces; the rest is the plain torch path."""

    def rasterise(self, screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
        from handsss.rendering import adapters as pytorch3d_backend

        return pytorch3d_backend.rasterise(screen, faces, height, width, cull)


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
def _say_that_triton_is_missing() -> None:
    warnings.warn(
        "Triton is not installed, so pictures on CUDA are rendered by the slow reference; CUDA builds of torch bring "
        "Triton on Linux, elsewhere install triton or its port for your system.",
        RuntimeWarning,
        stacklevel=3,
    )


def choose(name: str, device: torch.device) -> Backend:
    """The backend of a name; "auto" takes numba for CPU tensors, Triton for CUDA and plain torch elsewhere.

    Raises:
        ValueError: unknown name.
        UserError: a backend that cannot run here, with what to use instead.
    """
    if name == "auto":
        name = {"cpu": "numba", "cuda": "triton"}.get(device.type, "torch")
        if name == "triton" and not _triton_runs_on("cuda"):
            _say_that_triton_is_missing()
            name = "torch"
    if name not in BACKENDS:
        raise ValueError(f"unknown rendering backend {name!r}; known: auto, {', '.join(BACKENDS)}")
    if name == "numba" and device.type != "cpu":
        raise UserError(f"the numba renderer works on the CPU, but the tensors are on {device}; use backend='auto'.")
    if name == "triton" and not _triton_runs_on(device.type):
        if importlib.util.find_spec("triton") is None:
            raise UserError("backend='triton' needs Triton, which CUDA builds of torch bring; use backend='auto'.")
        raise UserError(f"the Triton renderer works on CUDA, but the tensors are on {device}; use backend='auto'.")
    if name == "pytorch3d":
        if "pytorch3d" not in available_backends():
            raise UserError(
                "backend='pytorch3d' needs PyTorch3D, which is not installed and has no wheel for current torch; "
                "build it from source as its INSTALL.md says, or use backend='auto'."
            )
        return _PyTorch3D()
    return {"numba": _Numba, "triton": _Triton}.get(name, _Torch)()
