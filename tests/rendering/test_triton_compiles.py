"""The Triton kernels are compiled for GPUs, which needs no GPU: what renders in the interpreter alone would not do."""

from __future__ import annotations

import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rendering.test_rendering import hands

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") == "1",
    reason="needs Triton, and that it does not interpret",
)
TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int32: "*i32", torch.int64: "*i64"}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """PTX of all kernels that are launched meanwhile, with the arguments and blocks of the launch, by name."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from handsss.rendering.cuda import launch

    result: dict[str, str] = {}

    def build(kernel: Any, programs: int, *arguments: Any, num_warps: int = 4, **blocks: Any) -> None:
        assert 0 < programs < 2**31
        names = list(inspect.signature(kernel.fn).parameters)
        given = dict(zip(names, arguments, strict=False)) | blocks
        assert set(given) == set(names)
        signature, constants = {}, {}
        for name in names:
            value = given[name]
            if isinstance(value, torch.Tensor):
                signature[name] = TYPES[value.dtype]
            elif name in blocks or value == 1:  # ones are compiled in at every launch
                signature[name], constants[name] = "constexpr", value
            else:
                signature[name] = "i32"
        # Single precision for an H100's generation, double for an A100's.
        capability = 80 if "*fp64" in signature.values() else 90
        source = ASTSource(kernel, signature=signature, constexprs=constants)
        options = {"num_warps": num_warps, "enable_fp_fusion": False}
        ptx = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm["ptx"]
        result[kernel.fn.__name__] = ptx

    monkeypatch.setattr(launch, "_launch", build)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, (224, 200)), (torch.float64, (1, 64))])
def test_all_launches_compile(compiled: dict[str, str], dtype: torch.dtype, size: tuple[int, int]) -> None:
    from handsss.rendering.cuda import backend

    screen, faces, colours = hands(1, dtype)
    backend.to_screen(screen.clone().requires_grad_(), torch.eye(3, dtype=dtype)[None]).sum().backward()
    face_id, depth = backend.rasterise(screen, faces, *size, True)
    leaves = [leaf.requires_grad_() for leaf in (screen, colours)]
    lighting = backend.vertex_lighting(leaves[0], faces, torch.ones(1, 11, dtype=dtype))
    behind = torch.zeros((), dtype=dtype).expand(1, 1, 1, 3)
    sum(
        part.sum() for part in backend.paint(leaves[0], faces, face_id, depth, leaves[1] * lighting, behind, True)
    ).backward()
    uv, _ = backend.interpolate(leaves[0], faces, face_id, leaves[1][..., :2], faces)
    backend.antialias(leaves[0], faces, face_id, depth, uv).sum().backward()
    assert set(compiled) == {
        *("rasterise", "resolve", "interpolate", "find_crossings", "blend", "faces_gather", "edges_gather"),
        *("vertices_gather", "project", "shade", "shade_backward", "normals_backward"),
    }
    assert "atom.global.gpu.relaxed.min.s64" in compiled["rasterise"]
    for name, ptx in compiled.items():
        assert "fma." not in ptx, f"{name}: fused operations would let pixels fall between faces"
        assert name == "rasterise" or "atom." not in ptx, f"{name} is not deterministic"
