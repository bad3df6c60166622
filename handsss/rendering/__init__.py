"""Differentiable rendering of hands: rasterise, interpolate, light, antialias; one interface over several backends."""

from handsss.rendering.types import Fragments, RenderOutput, Texture

__all__ = ["Fragments", "RenderOutput", "Texture", "available_backends", "rasterise", "render"]


def __getattr__(name: str) -> object:
    # The functions pull in torch's machinery and numba; the types do not.
    if name in ("render", "rasterise"):
        from handsss.rendering import pipeline

        return getattr(pipeline, name)
    if name == "available_backends":
        from handsss.rendering import backends

        return backends.available_backends
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
