"""The Triton renderer against the plain torch reference and numba, in values and gradients.

On a machine with a GPU the tests run there. Elsewhere one of them runs all others in a process of its own, where Triton
interprets its kernels on the CPU: that is settled when Triton is imported. That the kernels also compile for GPUs is
tested in ``test_triton_compiles.py``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.hand.load import load_model
from handsss.rendering import RenderOutput, Texture
from handsss.rendering.pipeline import rasterise, render
from tests.rendering.test_rendering import CAMERA, FACE, HAND_CAMERA, LIGHT, hands, triangle

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
INSTALLED = importlib.util.find_spec("triton") is not None
on_device = pytest.mark.skipif(
    not INSTALLED or (DEVICE == "cpu" and not INTERPRETED), reason="runs on a GPU, or through test_in_the_interpreter"
)
PARTS = ("colour", "silhouette", "depth")
SMALL_CAMERA = HAND_CAMERA * torch.tensor([0.6, 0.6, 1.0])[:, None]  # the hands' picture, 43 x 36


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED or INTERPRETED or DEVICE == "cuda", reason="without Triton, or already running")
def test_in_the_interpreter() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(Path(__file__))],
        cwd=Path(__file__).parents[2],
        env=environment | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None, run.stdout[-2000:]
    assert int(passed[1]) > 30


def draw(backend: str, vertices: torch.Tensor, faces: torch.Tensor = FACE, **options: object) -> RenderOutput:
    """A picture; with Triton on the tests' device, and back on the CPU."""
    where = DEVICE if backend == "triton" else "cpu"

    def moved(value: object) -> object:
        if isinstance(value, Texture):
            return Texture(*(part.to(where) for part in value))
        return value.to(where) if isinstance(value, torch.Tensor) else value

    if "colours" not in options and "texture" not in options:
        options["colours"] = torch.ones(vertices.shape[1], 3, dtype=vertices.dtype)
    options = {"intrinsics": CAMERA, "size": (16, 16)} | options
    output = render(
        moved(vertices), moved(faces), **{name: moved(value) for name, value in options.items()}, backend=backend
    )
    return RenderOutput(*(part.cpu() for part in output))


def compare(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    colours: torch.Tensor,
    *,
    background: torch.Tensor | float = 0.3,
    against: tuple[str, ...] = ("numba",),
    **options: object,
) -> RenderOutput:
    """Asserts that Triton gives the picture and the gradients of other backends; its picture."""
    results = {}
    for backend in ("triton", *against):
        leaves = [vertices.clone().requires_grad_(), colours.clone().requires_grad_(), LIGHT.clone().requires_grad_()]
        behind = background
        if isinstance(background, torch.Tensor):
            leaves.append(background.detach().clone().requires_grad_(background.requires_grad))
            behind = leaves[-1]
        settings = options | {"colours": leaves[1], "light": leaves[2], "background": behind}
        if "texture" in options:
            settings["texture"] = Texture(leaves[1], *options["texture"])  # type: ignore[misc]
            del settings["colours"]
        output = draw(backend, leaves[0], faces, **settings)
        together = torch.cat([output.colour, output.silhouette[..., None], output.depth[..., None]], -1)
        weights = torch.rand(together.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        (together * weights).sum().backward()
        results[backend] = output, [leaf.grad for leaf in leaves]
    output, gradients = results["triton"]
    for backend in against:
        expected, expected_gradients = results[backend]
        assert output.face_id.equal(expected.face_id)
        for name in PARTS:
            torch.testing.assert_close(getattr(output, name), getattr(expected, name), atol=1e-10, rtol=0)
        for got, wanted in zip(gradients, expected_gradients, strict=True):
            assert (got is None) == (wanted is None)
            if wanted is not None:
                assert float(wanted.abs().max()) > 0
                torch.testing.assert_close(got, wanted, atol=1e-7, rtol=1e-7)
    return output


@on_device
def test_hands_equal_the_reference_with_a_camera_each() -> None:
    vertices, faces, colours = hands(2)
    cameras = torch.stack([SMALL_CAMERA, SMALL_CAMERA])
    cameras[:, 0, 0] *= torch.tensor([1.0, 1.2])
    cameras[:, 1, 2] -= torch.tensor([0.0, 5])
    output = compare(vertices, faces, colours, intrinsics=cameras, size=(43, 36), against=("torch", "numba"))
    assert int((output.face_id >= 0).sum()) > 400
    assert int(((output.silhouette > 0) & (output.silhouette < 1)).sum()) > 100


@on_device
@pytest.mark.parametrize("trained", [False, True])
def test_cameras_with_skew_and_gradients(trained: bool) -> None:
    vertices, faces, colours = three_faces()
    camera = (CAMERA + torch.tensor([[0.0, 2, 0], [-1, 0, 0], [0, 0, 0]])).requires_grad_(trained)
    compare(vertices, faces, colours, intrinsics=camera, size=(16, 15))
    if trained:
        gradients = []
        for backend in ("triton", "torch"):
            leaf = camera.detach().clone().requires_grad_()
            draw(backend, vertices, faces, intrinsics=leaf, size=(16, 15)).depth.square().sum().backward()
            gradients.append(leaf.grad)
        torch.testing.assert_close(*gradients)


@on_device
@pytest.mark.parametrize("antialias", [False, True])
def test_texture(antialias: bool) -> None:
    vertices, faces, _ = hands(1)
    model = load_model("open")
    assert model.uv is not None
    image = torch.rand(32, 32, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parts = torch.as_tensor(model.uv).double(), torch.as_tensor(np.asarray(model.uv_faces).astype(np.int64))
    compare(vertices, faces, image, texture=parts, intrinsics=HAND_CAMERA, size=(40, 64), antialias=antialias)


def three_faces() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two pictures of two faces that overlap before one that is larger than the picture."""
    front = triangle([(3.3, 2.2), (12.4, 4.1), (5.2, 13.1)], [1.0, 1.1, 0.9])
    back = triangle([(1.2, 8.3), (14.7, 6.6), (9.1, 14.8)], [2.0, 2.1, 1.9])
    large = triangle([(-30.0, -40.0), (50.0, 4.0), (0.0, 60.0)], [3.0, 2.5, 4.0])
    vertices = torch.cat([front, back, large], 1).repeat(2, 1, 1)
    vertices[1, :, 0] += 0.03
    colours = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return vertices, torch.arange(9).reshape(3, 3), colours


@on_device
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("shape", [(3,), (16, 15, 3), (2, 16, 15, 3)])
def test_background_pictures(trained: bool, shape: tuple[int, ...]) -> None:
    vertices, faces, colours = three_faces()
    background = torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    compare(vertices, faces[:2], colours, background=background.requires_grad_(trained), size=(16, 15))


@on_device
def test_without_antialiasing() -> None:
    vertices, faces, colours = hands(1)
    compare(vertices, faces, colours, intrinsics=SMALL_CAMERA, size=(43, 36), antialias=False)


@on_device
@pytest.mark.parametrize(("lanes", "programs"), [(16, 1), (64, 8)])
def test_results_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch, lanes: int, programs: int) -> None:
    """Boxes in many pieces, faces in many programs, and boxes that programs share."""
    from handsss.rendering.cuda import launch

    monkeypatch.setattr(launch, "LANES", lanes)
    monkeypatch.setattr(launch, "PROGRAMS", programs)
    monkeypatch.setattr(launch, "BLOCK", 128)
    vertices, faces, colours = three_faces()
    compare(vertices, faces, colours, size=(16, 15), against=("torch", "numba"))


@on_device
def test_gradients_against_finite_differences() -> None:
    vertices = three_faces()[0][:1, :6]
    generator = torch.Generator().manual_seed(2)
    weights = torch.rand(16, 16, 4, generator=generator, dtype=torch.float64)
    colours = torch.rand(6, 3, generator=generator, dtype=torch.float64)

    def value(points: torch.Tensor, shades: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
        output = draw("triton", points, torch.arange(6).reshape(2, 3), colours=shades, light=light)
        return (torch.cat([output.colour, output.silhouette[..., None]], -1)[0] * weights).sum()

    inputs = [leaf.clone().requires_grad_() for leaf in (vertices, colours, LIGHT)]
    gradients = torch.autograd.grad(value(*inputs), inputs)
    for _ in range(3):
        steps = [torch.randn(leaf.shape, generator=generator, dtype=torch.float64) for leaf in inputs]
        expected = sum(float((g * step).sum()) for g, step in zip(gradients, steps, strict=True))
        with torch.no_grad():
            high, low = (
                value(*(leaf + sign * 1e-6 * step for leaf, step in zip(inputs, steps, strict=True)))
                for sign in (1, -1)
            )
        assert abs(expected) > 0.1
        assert float(high - low) / 2e-6 == pytest.approx(expected, rel=1e-5)


@on_device
def test_single_precision() -> None:
    """Float32, in which the renderer is used, against float64: depth to 1e-6 of itself, gradients to 1e-3 of the
    largest, but for the few pixels on edges between faces that show another face."""
    vertices, faces, colours = hands(1)
    leaves, outputs = [], []
    for dtype in (torch.float64, torch.float32):
        leaf = vertices.to(dtype, copy=True).requires_grad_()
        output = draw(
            "triton", leaf, faces, colours=colours.to(dtype), intrinsics=SMALL_CAMERA, size=(43, 36), light=LIGHT
        )
        (output.colour.sum() + output.silhouette.square().sum() + output.depth.sum()).backward()
        leaves.append(leaf)
        outputs.append(output)
    double, single = outputs
    assert single.colour.dtype == torch.float32
    same = double.face_id == single.face_id
    assert float(same.double().mean()) > 0.999
    torch.testing.assert_close(single.depth.double()[same], double.depth[same], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(single.silhouette.double(), double.silhouette, atol=2e-4, rtol=0)
    first, second = leaves[0].grad, leaves[1].grad
    assert first is not None
    assert second is not None
    assert float((first - second).abs().max() / first.abs().max()) < 1e-3


@on_device
def test_the_same_input_gives_the_same_bits() -> None:
    vertices, faces, colours = hands(1, torch.float32)
    results = []
    for _ in range(2):
        leaves = [vertices.clone().requires_grad_(), colours.clone().requires_grad_(), LIGHT.float().requires_grad_()]
        output = draw(
            "triton", leaves[0], faces, colours=leaves[1], light=leaves[2], intrinsics=SMALL_CAMERA, size=(43, 36)
        )
        (output.colour.square().sum() + output.silhouette.square().sum()).backward()
        results.append([*output, *(leaf.grad for leaf in leaves)])
    for one, other in zip(*results, strict=True):
        assert one.equal(other)


@on_device
def test_nearest_face_and_ties() -> None:
    corners = [(2.0, 2.0), (14.0, 2.0), (2.0, 14.0)]
    both = torch.cat([triangle(corners, [1.5] * 3), triangle(corners, [1.0] * 3), triangle(corners, [1.0] * 3)], 1)
    output = draw("triton", both, torch.arange(9).reshape(3, 3), antialias=False)
    assert set(output.face_id.unique().tolist()) == {-1, 1}
    assert output.depth[0, 4, 4].item() == pytest.approx(1)
    assert output.depth[0, 0, 0] == 0


@on_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_pixel_falls_between_faces(dtype: torch.dtype) -> None:
    """A fan of faces whose common edges run exactly through pixel centres covers its square, each pixel once."""
    around = [(i, 0) for i in range(8)] + [(8, i) for i in range(8)]
    around += [(8 - i, 8) for i in range(8)] + [(0, 8 - i) for i in range(8)]
    corners = [(4.0 + 0.5, 4.0 + 0.5), *((x + 0.5, y + 0.5) for x, y in around)]
    vertices = triangle(corners, [1.0] * len(corners)).to(dtype)
    faces = torch.tensor([[0, 1 + i, 1 + (i + 1) % 32] for i in range(32)])
    output = draw("triton", vertices, faces, antialias=False, intrinsics=CAMERA.to(dtype))
    assert bool((output.face_id[0, 1:8, 1:8] >= 0).all())
    assert output.face_id.equal(draw("numba", vertices, faces, antialias=False, intrinsics=CAMERA.to(dtype)).face_id)


@on_device
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # infinity times no gradient, in the interpreter
@pytest.mark.parametrize(
    ("vertex", "value"),
    [(2, -1.0), (2, 0.0), (2, 1e-4), (2, float("nan")), (2, float("inf")), (0, float("nan")), (1, -float("inf"))],
)
def test_unusable_faces_are_dropped_alone(vertex: int, value: float) -> None:
    vertices = torch.cat([triangle([(4, 4), (4, 12), (12, 4)], [1.0] * 3) for _ in range(2)], 1)
    vertices[0, 0, vertex] = value
    vertices.requires_grad_()
    output = draw("triton", vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]))
    assert set(output.face_id.unique().tolist()) == {-1, 1}
    assert output.silhouette.sum().item() == pytest.approx(32, abs=1.0)
    (output.colour.sum() + output.silhouette.square().sum() + output.depth.sum()).backward()
    assert vertices.grad is not None
    assert bool((vertices.grad[0, 1:3] == 0).all())
    assert float(vertices.grad[0, 3:].abs().max()) > 0.1


@on_device
def test_nothing_to_see() -> None:
    outside = triangle([(100, 100), (120, 100), (100, 120)], [1.0] * 3)
    line = triangle([(2, 2), (8, 8), (14, 14)], [1.0] * 3)
    vertices = torch.cat([outside, line], 1).requires_grad_()
    for faces in (torch.arange(6).reshape(2, 3), torch.empty(0, 3, dtype=torch.int64)):
        output = draw("triton", vertices, faces, background=0.25)
        assert int((output.face_id >= 0).sum()) == 0
        assert bool((output.colour == 0.25).all())
        (output.colour.sum() + output.silhouette.sum()).backward()
        assert vertices.grad is not None
        assert bool((vertices.grad == 0).all())


@on_device
@pytest.mark.parametrize("size", [(1, 1), (1, 16), (16, 1)])
def test_small_pictures(size: tuple[int, int]) -> None:
    vertices = triangle([(-3.3, -2.2), (30.4, 0.1), (0.3, 1.3)], [1.0, 1.2, 0.9])
    compare(vertices, FACE, torch.rand(3, 3, generator=torch.Generator().manual_seed(0)).double(), size=size)


@on_device
def test_fragments() -> None:
    vertices, faces, _ = hands(1)
    camera = HAND_CAMERA.to(DEVICE)
    ours = rasterise(vertices.to(DEVICE), faces.to(DEVICE), camera, (40, 64), backend="triton")
    theirs = rasterise(vertices, faces, HAND_CAMERA, (40, 64), backend="torch")
    assert ours.face_id.cpu().equal(theirs.face_id)
    torch.testing.assert_close(ours.barycentric.cpu(), theirs.barycentric, atol=1e-10, rtol=0)


@pytest.mark.slow
@on_device
def test_many_faces_on_a_large_picture() -> None:
    """A ball of 50,000 faces, 512 pixels wide, poles where 160 faces meet, against numba."""
    rings, around = 158, 160
    polar, turn = np.meshgrid(
        np.arange(1, rings) / rings * np.pi, np.arange(around) / around * 2 * np.pi, indexing="ij"
    )
    ball = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)], -1).reshape(-1, 3)
    points = 0.2 * np.concatenate([ball, [[0, 1, 0], [0, -1, 0]]]) + [0.003, 0.001, 0.6]
    grid = np.arange((rings - 1) * around).reshape(rings - 1, around)
    after = np.roll(grid, -1, 1)
    a, b, c, d = (part.reshape(-1) for part in (grid[:-1], after[:-1], grid[1:], after[1:]))
    caps = (
        np.stack([grid[0], np.full(around, grid.size), after[0]], 1),
        np.stack([grid[-1], after[-1], np.full(around, grid.size + 1)], 1),
    )
    faces = torch.as_tensor(np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1), *caps]))
    assert len(faces) > 50_000
    vertices = torch.as_tensor(points)[None]
    colours = torch.rand(len(points), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    camera = torch.tensor([[640.0, 0, 250], [0, 640, 150], [0, 0, 1]], dtype=torch.float64)
    output = compare(vertices, faces, colours, intrinsics=camera, size=(300, 512), against=("numba",))
    assert len(output.face_id.unique()) > 6_000


@on_device
def test_faces_that_name_no_vertex() -> None:
    with pytest.raises(ValueError, match="faces should name vertices 0 to 2, got 3"):
        draw("triton", triangle([(4, 4), (4, 12), (12, 4)], [1.0] * 3), torch.tensor([[0, 1, 3]]))
