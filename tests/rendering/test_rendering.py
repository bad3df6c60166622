"""The renderer: values worked out by hand, backends against each other, gradients against finite differences."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from handsss.errors import UserError
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.load import load_model
from handsss.rendering import RenderOutput, Texture, backends
from handsss.rendering.backends import choose, choose_name
from handsss.rendering.pipeline import rasterise, render
from handsss.rendering.shading import lit, vertex_normals

# x = (px - 8) z / 16: at depth 1 a pixel is 1/16 m wide, the picture 1 m.
CAMERA = torch.tensor([[16.0, 0, 8], [0, 16, 8], [0, 0, 1]], dtype=torch.float64)
LIGHT = torch.tensor([0.4, 0.7, 1, 0.9, 0.8, 0.9, 1, 0.7, 0.3, -0.5, -0.8], dtype=torch.float64)


def triangle(corners_px: list[tuple[float, float]], depths: list[float]) -> torch.Tensor:
    points = [[(x - 8) * z / 16, (y - 8) * z / 16, z] for (x, y), z in zip(corners_px, depths, strict=True)]
    return torch.tensor([points], dtype=torch.float64)


FACE = torch.tensor([[0, 1, 2]])
WHITE = torch.ones(3, 3, dtype=torch.float64)


def draw(vertices: torch.Tensor, faces: torch.Tensor = FACE, **options: object) -> RenderOutput:
    if "colours" not in options and "texture" not in options:
        options["colours"] = torch.ones(vertices.shape[1], 3, dtype=vertices.dtype)
    return render(vertices, faces, **({"intrinsics": CAMERA, "size": (16, 16)} | options))  # type: ignore[arg-type]


def hands(count: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turned open hands, their faces and colours."""
    model = load_model("open")
    generator = torch.Generator().manual_seed(5)
    turns = axis_angle_to_matrix(torch.randn(count, 3, generator=generator, dtype=torch.float64))
    points = torch.as_tensor(model.v_template, dtype=torch.float64) @ turns.transpose(1, 2)
    points = points + torch.tensor([0.0, 0.0, 0.4], dtype=torch.float64)
    colours = torch.rand(count, model.vertex_count, 3, generator=generator, dtype=torch.float64)
    return points.to(dtype), torch.as_tensor(model.faces.astype(np.int64)), colours.to(dtype)


HAND_CAMERA = torch.tensor([[160.0, 0, 30], [0, 150, 41], [0, 0, 1]], dtype=torch.float64)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_known_triangle(backend: str) -> None:
    # Right angle at pixel (4, 4), legs of 8 px; depth 1 at the left corners, 2 at the right one.
    vertices = triangle([(4, 4), (4, 12), (12, 4)], [1.0, 1.0, 2.0])
    colours = torch.tensor([[0.0, 0, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)
    output = draw(vertices, colours=colours, antialias=False, backend=backend)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    for row in range(16):
        for column in range(16):
            inside[row, column] = column >= 4 and row >= 4 and (column + 0.5 - 4) + (row + 0.5 - 4) <= 8
    assert (output.face_id[0] == 0).equal(inside)
    assert output.silhouette[0].equal(inside.double())
    # At column 7, row 4: screen shares 3.5/8 right, 0.5/8 down, 4/8 at the corner; 1/z is linear on the screen.
    right, down = 3.5 / 8, 0.5 / 8
    inverse = (1 - right - down) / 1 + down / 1 + right / 2
    assert output.depth[0, 4, 7].item() == pytest.approx(1 / inverse, abs=1e-12)
    # Perspective-correct: the right corner's share in space is its screen share times (1/2) / (1/z).
    assert output.colour[0, 4, 7].tolist() == pytest.approx([right / 2 / inverse, down / inverse, 0], abs=1e-12)
    assert output.depth[0, 0, 0] == 0
    assert output.face_id[0, 0, 0] == -1


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_antialiasing_counts_covered_area(backend: str) -> None:
    # A rectangle from x 4.0 to 10.3 and y 3 to 12: its right column of pixels is covered by 0.3.
    corners = [(4.0, 3.0), (10.3, 3.0), (10.3, 12.0), (4.0, 12.0)]
    vertices = triangle(corners, [1.0] * 4)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    output = draw(vertices, faces, backend=backend)
    assert output.silhouette[0, 6, 9].item() == pytest.approx(1)
    assert output.silhouette[0, 6, 10].item() == pytest.approx(0.3)
    assert output.silhouette[0, 6, 4].item() == pytest.approx(1)
    assert output.silhouette.sum().item() == pytest.approx(6.3 * 9)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_nearer_surface_wins_and_ties_go_to_the_lower_face(backend: str) -> None:
    corners = [(2.0, 2.0), (14.0, 2.0), (2.0, 14.0)]
    both = torch.cat([triangle(corners, [1.5] * 3), triangle(corners, [1.0] * 3), triangle(corners, [1.0] * 3)], 1)
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    output = draw(both, faces, backend=backend, antialias=False)
    assert set(output.face_id.unique().tolist()) == {-1, 1}
    assert output.depth[0, 4, 4].item() == pytest.approx(1)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("first", [[0, 1, 2], [0, 2, 1]])
def test_ties_of_a_face_and_its_back_go_to_the_lower_number(backend: str, first: list[int]) -> None:
    vertices = triangle([(0.0, 0.0), (16.0, 0.0), (0.0, 16.0)], [1.0] * 3)  # numbers that are added without rounding
    other = [0, 1, 2] if first == [0, 2, 1] else [0, 2, 1]
    output = draw(vertices, torch.tensor([first, other]), backend=backend, antialias=False)
    assert set(output.face_id.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_faces_turned_either_way_and_through_each_other(dtype: torch.dtype) -> None:
    """A heap of faces, backs nearer than fronts and behind them, large and small, as the reference sees them."""
    generator = torch.Generator().manual_seed(2)
    middle = torch.rand(400, 1, 3, generator=generator, dtype=torch.float64)
    size = 10 ** (torch.rand(400, 1, 1, generator=generator, dtype=torch.float64) * 1.2 - 1.6)
    corners = middle + size * (torch.rand(400, 3, 3, generator=generator, dtype=torch.float64) - 0.5)
    points = (corners.reshape(1, -1, 3) - torch.tensor([0.5, 0.5, -0.4])).to(dtype)
    faces = torch.arange(1200).reshape(400, 3)
    pictures = {
        backend: draw(points, faces, backend=backend, antialias=False, size=(48, 64), intrinsics=HAND_CAMERA)
        for backend in ("torch", "numba")
    }
    plain, fast = pictures["torch"], pictures["numba"]
    assert len(plain.face_id.unique()) > 30
    turned = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    back = (torch.linalg.cross(*turned) * (corners[:, 0] - torch.tensor([0.5, 0.5, -0.4]))).sum(1) > 0
    shown = plain.face_id[plain.face_id >= 0].long()
    assert 0.2 < float(back[shown].double().mean()) < 0.8
    same = fast.face_id == plain.face_id
    assert bool(same.all()) if dtype == torch.float64 else float(same.double().mean()) > 0.999
    torch.testing.assert_close(fast.depth[same], plain.depth[same], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize(
    "depths", [[-1.0, -1.0, -1.0], [1.0, 1.0, 0.0], [1.0, 1.0, float("nan")], [1.0, 1.0, float("inf")], [1, 1, 1e-4]]
)
def test_faces_behind_the_camera_are_dropped(backend: str, depths: list[float]) -> None:
    vertices = triangle([(4, 4), (4, 12), (12, 4)], [1.0, 1.0, 1.0])
    vertices[0, :, 2] = torch.tensor(depths, dtype=torch.float64)
    vertices.requires_grad_()
    output = draw(vertices, backend=backend)
    assert int((output.face_id >= 0).sum()) == 0
    assert bool(torch.isfinite(output.colour).all())
    (output.colour.sum() + output.silhouette.sum() + output.depth.sum()).backward()
    assert vertices.grad is not None
    assert bool((vertices.grad == 0).all())


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_vertex_that_is_not_finite_takes_only_its_faces(backend: str, value: float) -> None:
    vertices = torch.cat([triangle([(4, 4), (4, 12), (12, 4)], [1.0] * 3) for _ in range(2)], 1)
    vertices[0, 0, 0] = value
    output = draw(vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), backend=backend)
    assert set(output.face_id.unique().tolist()) == {-1, 1}
    assert output.silhouette.sum().item() == pytest.approx(32, abs=1.0)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_off_the_picture_and_degenerate_faces(backend: str) -> None:
    outside = triangle([(100, 100), (120, 100), (100, 120)], [1.0] * 3)
    line = triangle([(2, 2), (8, 8), (14, 14)], [1.0] * 3)
    output = draw(torch.cat([outside, line], 1), torch.tensor([[0, 1, 2], [3, 4, 5]]), backend=backend, background=0.25)
    assert int((output.face_id >= 0).sum()) == 0
    assert bool((output.colour == 0.25).all())


def test_culling_drops_faces_that_show_their_back() -> None:
    corners = [(4.0, 4.0), (4.0, 12.0), (12.0, 4.0)]  # counter-clockwise as seen, y being down
    vertices = triangle(corners, [1.0] * 3)
    assert int((draw(vertices, cull=True).face_id >= 0).sum()) > 0
    assert int((draw(vertices, FACE.flip(1), cull=True).face_id >= 0).sum()) == 0
    assert int((draw(vertices, FACE.flip(1)).face_id >= 0).sum()) > 0


def test_light_by_hand() -> None:
    normals = torch.tensor([[[0.0, 0, -1], [0, 0, 1], [0, -1, 0]]], dtype=torch.float64)
    light = torch.tensor([[0.5, 2.0, 1, 0.5, 0.25, 0.1, 0.2, 0.3, 0, -3, -4]], dtype=torch.float64)
    lighting = lit(normals, light)[0]
    ambient = np.array([0.5, 0.25, 0.125])
    directional = 2 * np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(lighting[0], ambient + 0.8 * directional)  # direction (0, -0.6, -0.8)
    np.testing.assert_allclose(lighting[1], ambient)  # turned away
    np.testing.assert_allclose(lighting[2], ambient + 0.6 * directional)


def test_normals_point_outwards_and_have_unit_length() -> None:
    model = load_model("open")
    vertices = torch.as_tensor(model.v_template, dtype=torch.float64)[None]
    normals = vertex_normals(vertices, torch.as_tensor(model.faces.astype(np.int64)))[0]
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(model.vertex_count, dtype=torch.float64))
    tip = model.tips[1]  # the middle finger's, along -x
    assert normals[tip, 0] < -0.5


@pytest.mark.parametrize("textured", [False, True])
def test_numba_equals_torch_in_values_and_gradients(textured: bool) -> None:
    vertices, faces, colours = hands(2)
    model = load_model("open")
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(32, 32, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(2, 72, 60, 5, generator=generator, dtype=torch.float64)
    results = []
    for backend in ("torch", "numba"):
        leaves = [vertices.clone().requires_grad_(), LIGHT.clone().requires_grad_()]
        leaves.append((image if textured else colours).clone().requires_grad_())
        assert model.uv is not None
        surface: dict[str, object] = {"colours": leaves[2]}
        if textured:
            uv_faces = torch.as_tensor(np.asarray(model.uv_faces).astype(np.int64))
            surface = {"texture": Texture(leaves[2], torch.as_tensor(model.uv).double(), uv_faces)}
        output = draw(
            leaves[0],
            faces,
            **surface,
            light=leaves[1],
            intrinsics=HAND_CAMERA,
            size=(72, 60),
            background=0.3,
            backend=backend,
        )
        together = torch.cat([output.colour, output.silhouette[..., None], output.depth[..., None]], -1)
        (together * weights).sum().backward()
        results.append((output, [leaf.grad for leaf in leaves]))
    (plain, plain_gradients), (fast, fast_gradients) = results
    assert plain.face_id.equal(fast.face_id)
    assert int((plain.face_id >= 0).sum()) > 500
    for name in ("colour", "silhouette", "depth"):
        torch.testing.assert_close(getattr(fast, name), getattr(plain, name), atol=1e-10, rtol=0)
    for got, expected in zip(fast_gradients, plain_gradients, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("given", [("colour",), ("silhouette",), ("depth",), ("colour", "silhouette", "depth")])
def test_gradients_that_are_one_number_or_absent(given: tuple[str, ...]) -> None:
    """Sums give every pixel the same gradient, pictures that are not used give none: as if both were written out."""
    vertices, faces, colours = hands(1)
    ones = {name: float(name in given) for name in ("colour", "silhouette", "depth")}

    def gradients(spelt_out: bool, backend: str) -> tuple[torch.Tensor, ...]:
        leaves = vertices.clone().requires_grad_(), colours.clone().requires_grad_()
        output = draw(leaves[0], faces, colours=leaves[1], intrinsics=HAND_CAMERA, size=(72, 44), backend=backend)
        if spelt_out:
            pictures = {name: getattr(output, name) for name in ones}
            parts = [(picture * torch.full_like(picture, ones[name])).sum() for name, picture in pictures.items()]
        else:
            parts = [getattr(output, name).sum() for name in given]
        return torch.autograd.grad(torch.stack(parts).sum(), leaves, allow_unused=True, materialize_grads=True)

    for one, other in zip(gradients(False, "numba"), gradients(True, "numba"), strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(gradients(False, "numba"), gradients(True, "torch"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_single_precision_is_close_to_double() -> None:
    vertices, faces, colours = hands(2)
    options = {"intrinsics": HAND_CAMERA, "size": (72, 60)}
    double = draw(vertices, faces, colours=colours, **options)
    single = draw(vertices.float(), faces, colours=colours.float(), **options)
    same = double.face_id == single.face_id
    assert float(same.double().mean()) > 0.999
    torch.testing.assert_close(single.depth.double()[same], double.depth[same], atol=2e-6, rtol=0)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_interior_gradients_against_finite_differences(backend: str) -> None:
    vertices = triangle([(-20, -30), (60, -20), (0, 90)], [1.0, 1.3, 0.8])  # covers the picture: no edges
    colours = torch.tensor([[0.1, 0.5, 0.9], [0.8, 0.2, 0.4], [0.3, 0.7, 0.1]], dtype=torch.float64)
    weights = torch.rand(16, 16, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(points: torch.Tensor, shades: torch.Tensor, light: torch.Tensor) -> torch.Tensor:
        output = draw(points, colours=shades, light=light, backend=backend)
        return (torch.cat([output.colour, output.depth[..., None]], -1)[0] * weights).sum()

    inputs = [leaf.clone().requires_grad_() for leaf in (vertices, colours, LIGHT)]
    assert torch.autograd.gradcheck(value, inputs, eps=1e-6, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_silhouette_gradients_against_finite_differences(backend: str) -> None:
    # Slanted edges, none through a pixel centre, two surfaces that occlude one another.
    front = triangle([(3.3, 2.2), (12.4, 4.1), (5.2, 13.1)], [1.0, 1.1, 0.9])
    back = triangle([(1.2, 8.3), (14.7, 6.6), (9.1, 14.8)], [2.0, 2.1, 1.9])
    vertices = torch.cat([front, back], 1)
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    colours = torch.tensor([[0.9, 0.1, 0.1]] * 3 + [[0.1, 0.2, 0.8]] * 3, dtype=torch.float64)
    weights = torch.rand(16, 16, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def value(points: torch.Tensor) -> torch.Tensor:
        output = draw(points, faces, colours=colours, backend=backend)
        return (torch.cat([output.colour, output.silhouette[..., None]], -1)[0] * weights).sum()

    points = vertices.clone().requires_grad_()
    value(points).backward()
    assert points.grad is not None
    assert float(points.grad.abs().max()) > 0.1
    assert torch.autograd.gradcheck(value, [vertices.clone().requires_grad_()], eps=1e-7, atol=1e-5, rtol=1e-4)


def test_silhouette_area_gradient_equals_the_geometry() -> None:
    # Moving the right side of a rectangle by d adds height x d of area, whatever the pixel grid.
    corners = [(4.2, 3.0), (10.3, 3.0), (10.3, 12.0), (4.2, 12.0)]
    vertices = triangle(corners, [1.0] * 4).requires_grad_()
    draw(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]])).silhouette.sum().backward()
    assert vertices.grad is not None
    moved = float(vertices.grad[0, 1, 0] + vertices.grad[0, 2, 0])
    assert moved == pytest.approx(9 * 16, rel=1e-6)  # 16 px per metre, 9 px of height


def test_low_precision_is_kept_out() -> None:
    vertices, faces, colours = hands(1, torch.float32)
    options = {"colours": colours, "light": LIGHT.float(), "intrinsics": HAND_CAMERA, "size": (72, 60)}
    expected = draw(vertices, faces, **options)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = draw(vertices, faces, **options)
    assert output.face_id.equal(expected.face_id)
    assert output.colour.equal(expected.colour)
    with pytest.raises(ValueError, match="vertices should be float32 or float64, got torch.bfloat16"):
        draw(vertices.bfloat16(), faces, **options)


def test_rendering_is_deterministic() -> None:
    vertices, faces, colours = hands(2, torch.float32)
    first, second = (
        draw(vertices, faces, colours=colours, light=LIGHT.float(), intrinsics=HAND_CAMERA, size=(72, 60))
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert one.equal(other)


def test_one_camera_per_image_and_batches_are_independent() -> None:
    vertices, faces, colours = hands(2)
    cameras = torch.stack([HAND_CAMERA, HAND_CAMERA * torch.tensor([1.2, 1.1, 1])[:, None].double()])
    cameras[1, 2, 2] = 1
    together = draw(vertices, faces, colours=colours, intrinsics=cameras, size=(40, 64))
    for i in range(2):
        alone = draw(vertices[i : i + 1], faces, colours=colours[i], intrinsics=cameras[i], size=(40, 64))
        assert together.colour[i].equal(alone.colour[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (0, 4)}, "size should be"),
        ({"light": torch.ones(1, 1, 11)}, "light should be"),
        ({"intrinsics": torch.eye(2)}, "intrinsics should be"),
        ({"light": torch.ones(10)}, "light should be"),
        ({"colours": torch.ones(4, 3)}, "colours should be"),
        ({"colours": None}, "either colours or a texture"),
        ({"backend": "opengl"}, "unknown rendering backend"),
    ],
)
def test_wrong_arguments_say_what_was_expected(change: dict[str, object], message: str) -> None:
    vertices = triangle([(4, 4), (4, 12), (12, 4)], [1.0] * 3)
    with pytest.raises(ValueError, match=message):
        draw(vertices, **change)


def test_backends_that_cannot_run_say_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    if importlib.util.find_spec("pytorch3d") is None:
        with pytest.raises(UserError, match="needs PyTorch3D"):
            choose("pytorch3d", torch.device("cpu"))
    with pytest.raises(UserError, match="works on the CPU, but the tensors are on cuda"):
        choose("numba", torch.device("cuda"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UserError, match="works on CUDA, but the tensors are on cpu; use backend='auto'"):
        choose("triton", torch.device("cpu"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs Triton, which CUDA builds of torch bring"):
        choose("triton", torch.device("cuda"))


def test_auto_takes_the_fastest_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    names = {device: choose_name("auto", torch.device(device)) for device in ("cpu", "cuda", "mps")}
    assert names == {"cpu": "numba", "cuda": "triton", "mps": "torch"}


def test_without_triton_cuda_falls_back_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    backends._warn_that_triton_is_missing.cache_clear()
    with pytest.warns(RuntimeWarning, match="rendered by the slow reference") as said:
        found = [choose_name("auto", torch.device("cuda")) for _ in range(2)]
    assert found == ["torch", "torch"]
    assert len(said) == 1


def test_pytorch3d_shows_the_same_faces() -> None:
    pytest.importorskip("pytorch3d")
    vertices, faces, _ = hands(2, torch.float32)
    camera = HAND_CAMERA.float()
    ours = rasterise(vertices, faces, camera, (64, 64), backend="torch")
    theirs = rasterise(vertices, faces, camera, (64, 64), backend="pytorch3d")
    assert float((ours.face_id == theirs.face_id).double().mean()) > 0.999


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_an_empty_batch_gives_empty_results(backend: str) -> None:
    vertices = torch.zeros(0, 3, 3, dtype=torch.float64, requires_grad=True)
    texture = Texture(torch.rand(4, 4, 3), torch.rand(3, 2), FACE)
    for surface in ({"colours": WHITE}, {"texture": texture}):
        output = draw(vertices, backend=backend, light=LIGHT, **surface)
        assert [tuple(part.shape) for part in output] == [(0, 16, 16, 3), (0, 16, 16), (0, 16, 16), (0, 16, 16)]
        (gradient,) = torch.autograd.grad(sum(part.sum() for part in output[:3]), vertices)
        assert gradient.shape == (0, 3, 3)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_vertex_that_is_not_finite_takes_only_its_faces_away(backend: str, value: float) -> None:
    vertices, faces, colours = hands(1)
    number = int(faces[0, 0])
    vertices[0, number, 1] = value
    vertices.requires_grad_()
    output = draw(vertices, faces, colours=colours, light=LIGHT, intrinsics=HAND_CAMERA, size=(90, 64), backend=backend)
    assert torch.isfinite(output.colour).all() and (output.face_id >= 0).sum() > 100
    (gradient,) = torch.autograd.grad(output.colour.sum() + output.silhouette.sum(), vertices)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    assert not gradient[0, number].any()  # a NaN there would reach every parameter of the hand
