"""Metrics: values by hand, properties, and the fast version against the plain one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from handsss.evaluation import reference_metrics
from handsss.evaluation.metrics import LIMIT_2D, LIMIT_3D, areas, curve, distances, f_scores
from handsss.evaluation.protocols import PROTOCOLS
from handsss.evaluation.score import OFFICIAL, PROPER, VARIANTS, joint_table, per_frame, score_2d, score_3d
from handsss.geometry.procrustes import procrustes, root_alignment, scale_translation_alignment
from tests.evaluation.makers import hands, noisy, samples

FREIHAND, HO3D = PROTOCOLS["freihand"], PROTOCOLS["ho3d"]
MIRROR = np.array([-1.0, 1.0, 1.0])


def test_areas_by_hand() -> None:
    # 100 thresholds, 0 to 50 mm, 0.505 mm apart; an error counts from the first threshold that reaches it.
    errors = np.array([0.0, 0.05, np.nextafter(0.05, 1), np.inf, 0.025])
    half = 49.5 / 99  # counted from threshold 50 of 0..99: 49 whole steps and half of the one before
    np.testing.assert_allclose(areas(errors, LIMIT_3D), [1, 0.5 / 99, 0, 0, half], atol=1e-15)
    np.testing.assert_allclose(areas(np.array([[10.0], [60.0]]), LIMIT_2D).mean(), (79.5 / 99) / 2)


def test_curve_by_hand() -> None:
    steps, share = curve(np.array([0.0, 0.01, 0.05, 0.2]), LIMIT_3D)
    assert len(steps) == 100
    assert (steps[0], steps[-1]) == (0, 0.05)
    assert share[0] == 0.25  # an error equal to a threshold lies within it
    assert share[-1] == 0.75
    assert share[np.searchsorted(steps, 0.01)] == 0.5


def test_f_scores_by_hand() -> None:
    true = np.array([[[0.0, 0, 0], [1.0, 0, 0]]])
    near = np.array([[[0.0, 0, 0.004], [2.0, 0, 0]]])  # one of two near, both ways
    assert f_scores(near, true).tolist() == [[0.5, 0.5]]
    at = np.array([[[0.005, 0, 0], [1.0, 0.015, 0]]])  # a distance equal to the threshold is not within it
    assert f_scores(at, true).tolist() == [[0.0, 0.5]]
    # Three predicted points, all near; one of two true points near: recall 1, precision 1/2, F = 2/3.
    three = np.array([[[0.0, 0, 0.001], [0.001, 0, 0], [0, 0.001, 0]]])
    assert f_scores(three, true) == pytest.approx(2 / 3)
    assert f_scores(true + 10, true).tolist() == [[0.0, 0.0]]


def test_root_and_scale_alignment_by_hand() -> None:
    true = np.zeros((1, 21, 3))
    true[0, 9] = [0, 0.1, 0]
    predicted = np.zeros((1, 21, 3)) + [0, 0, 1]
    predicted[0, 9] = [0, 0.05, 1]  # half as long, 1 m away
    np.testing.assert_allclose(root_alignment(predicted, true, 9)(predicted)[0, 0], [0, 0.05, 0])
    fit = scale_translation_alignment(predicted, true, (0, 9))
    assert fit.scale[0] == pytest.approx(2)
    np.testing.assert_allclose(fit(predicted), true, atol=1e-15)
    turned = predicted[:, :, [1, 0, 2]]  # along x: turning is not taken out
    assert distances(scale_translation_alignment(turned, true, (0, 9))(turned), true)[0, 9] == pytest.approx(
        0.1 * np.sqrt(2)
    )


def test_procrustes_by_hand() -> None:
    corner = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]])
    quarter = corner[..., [1, 0, 2]] * [-1, 1, 1]  # turned by 90 degrees about z
    moved = 2 * quarter + [5, 6, 7]
    for reflection in (False, True):
        fit = procrustes(moved, corner, reflection=reflection)
        assert fit.scale[0] == pytest.approx(0.5)
        assert not fit.reflected[0]
        np.testing.assert_allclose(fit(moved), corner, atol=1e-12)
    mirrored = corner * MIRROR
    fit = procrustes(mirrored, corner, reflection=True)
    assert fit.reflected[0]
    np.testing.assert_allclose(fit(mirrored), corner, atol=1e-12)  # FreiHAND's evaluation gives 0 for a mirrored hand
    proper = procrustes(mirrored, corner, reflection=False)
    assert not proper.reflected[0]
    assert np.linalg.det(proper.rotation[0]) == pytest.approx(1)
    assert distances(proper(mirrored), corner).mean() > 0.2


def test_a_flat_hand_is_not_called_mirrored() -> None:
    flat = np.random.default_rng(0).normal(size=(1, 21, 3)) * [1, 1, 0]
    assert not procrustes(flat * MIRROR, flat, reflection=True).reflected[0]


def test_figures_by_hand() -> None:
    """Two frames: one right, one whose hand is 30 mm too far."""
    made = hands(2)
    shift = np.array([[[0, 0, 0]], [[0, 0, 0.03]]])
    one = samples(made.freihand + shift, made.freihand, made.vertices + shift, made.vertices)
    raw = score_3d(one, FREIHAND)["raw"].figures()
    assert raw["mpjpe_mm"] == pytest.approx(15)
    assert raw["mpvpe_mm"] == pytest.approx(15)
    # 30 mm is reached by threshold 60 (30.30 mm) of 0..99: 39.5 of 99 steps.
    assert raw["auc_j"] == pytest.approx((1 + 39.5 / 99) / 2)
    assert raw["auc_v"] == pytest.approx((1 + 39.5 / 99) / 2)
    for name in ("root_aligned", "scale_translation_aligned", OFFICIAL, PROPER):
        figures = score_3d(one, FREIHAND)[name].figures()
        assert figures["mpjpe_mm"] == pytest.approx(0, abs=1e-9)
        # What is left of rounding is not within the first threshold, which is 0: the official 0.995 for perfect hands.
        assert figures["auc_j"] == pytest.approx(1 - 0.25 / 99, abs=0.25 / 99 + 1e-9)
        assert (figures["f5"], figures["f15"]) == (1, 1)


def test_one_wrong_joint_by_hand() -> None:
    made = hands(1)
    predicted = made.freihand.copy()
    predicted[0, 8] += [0, 0, 0.021]
    scores = score_3d(samples(predicted, made.freihand, None, None), FREIHAND)
    figures = scores["raw"].figures()
    assert figures["mpjpe_mm"] == pytest.approx(1)
    assert (figures["mpvpe_mm"], figures["auc_v"], figures["f5"]) == (None, None, None)
    table = joint_table(scores["raw"], scores[OFFICIAL], {})
    assert [row["name"] for row in table if row["raw_mm"] > 1e-9] == ["index_tip"]
    assert table[8]["raw_mm"] == pytest.approx(21)
    # Moving joints other than the root leaves root alignment alone; moving the root moves all the others.
    assert scores["root_aligned"].figures()["mpjpe_mm"] == pytest.approx(1)
    predicted = made.freihand.copy()
    predicted[0, 9] += [0, 0, 0.021]
    by_root = score_3d(samples(predicted, made.freihand, None, None), FREIHAND)["root_aligned"]
    assert by_root.figures()["mpjpe_mm"] == pytest.approx(20)
    assert score_3d(samples(predicted, made.freihand, None, None), HO3D)["root_aligned"].figures()[
        "mpjpe_mm"
    ] == pytest.approx(1)


def test_predictions_of_zeros() -> None:
    """As the benchmark's authors published them: aligned, all points lie in the centre of the true ones."""
    made = hands(4)
    zeros = samples(np.zeros((4, 21, 3)), made.freihand, np.zeros((4, 778, 3)), made.vertices)
    scores = score_3d(zeros, FREIHAND)
    raw, aligned = scores["raw"].figures(), scores[OFFICIAL].figures()
    assert raw["mpjpe_mm"] == pytest.approx(1000 * np.linalg.norm(made.freihand, axis=-1).mean())
    centre = made.freihand.mean(1, keepdims=True)
    assert aligned["mpjpe_mm"] == pytest.approx(1000 * np.linalg.norm(made.freihand - centre, axis=-1).mean())
    assert (raw["auc_j"], raw["f5"], raw["f15"]) == (0, 0, 0)
    assert aligned["f15"] < 0.1
    wrist = made.freihand[:, :1]
    by_scale = scores["scale_translation_aligned"].figures()["mpjpe_mm"]
    assert by_scale == pytest.approx(1000 * np.linalg.norm(made.freihand - wrist, axis=-1).mean())


@pytest.mark.skipif("HANDSSS_FREIHAND" not in os.environ, reason="needs FreiHAND with its evaluation truth")
def test_predictions_of_zeros_on_freihand() -> None:
    """The published figures: 70.79 and 4.73 cm for joints, 70.84 and 5.07 cm for the mesh, F 0.001 and 0.031."""
    from handsss.evaluation.ground_truth import open_ground_truth

    truth = open_ground_truth(Path(os.environ["HANDSSS_FREIHAND"]), "evaluation")
    zeros = samples(np.zeros_like(truth.joints), truth.joints, np.zeros_like(truth.vertices), truth.vertices)
    scores = score_3d(zeros, FREIHAND)
    raw, aligned = scores["raw"].figures(), scores[OFFICIAL].figures()
    assert [raw["mpjpe_mm"], aligned["mpjpe_mm"]] == pytest.approx([707.9, 47.3], abs=0.06)
    assert [raw["mpvpe_mm"], aligned["mpvpe_mm"]] == pytest.approx([708.4, 50.7], abs=0.06)
    assert [aligned["f5"], aligned["f15"]] == pytest.approx([0.001, 0.031], abs=6e-4)


def test_meshes_are_aligned_apart_from_joints() -> None:
    made = hands(3)
    turn = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    vertices = made.vertices @ turn.T
    both = score_3d(samples(made.freihand, made.freihand, vertices, made.vertices), FREIHAND)
    assert both[OFFICIAL].figures()["mpvpe_mm"] == pytest.approx(0, abs=1e-9)
    # Without corresponding vertices the mesh follows its joints, and only surfaces can be compared.
    fewer = score_3d(samples(made.freihand, made.freihand, vertices[:, ::2], made.vertices), FREIHAND)[OFFICIAL]
    assert fewer.figures()["mpvpe_mm"] is None
    assert fewer.figures()["f5"] < 0.9
    along = samples(made.freihand @ turn.T, made.freihand, vertices[:, ::2], made.vertices)
    half = score_3d(along, FREIHAND)[OFFICIAL].figures()
    assert half["f15"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("proper", [False, True])
@pytest.mark.parametrize("noise", [0.001, 0.01, 0.04])
def test_fast_equals_reference(noise: float, proper: bool) -> None:
    made = hands(9, seed=3)
    joints, vertices = noisy(made.freihand, noise), noisy(made.vertices, noise, 2)
    joints[::3] *= MIRROR
    vertices[::4] *= MIRROR
    scores = score_3d(samples(joints, made.freihand, vertices, made.vertices), FREIHAND)
    assert scores[OFFICIAL].reflected_joints.sum() >= 3
    expected = reference_metrics.metrics_frame_by_frame(joints, made.freihand, vertices, made.vertices, proper=proper)
    for name, figures in (
        ("raw", scores["raw"].figures()),
        ("aligned", scores[PROPER if proper else OFFICIAL].figures()),
    ):
        assert figures == pytest.approx(expected[name], abs=1e-9)


def test_fast_equals_reference_frame_by_frame() -> None:
    made = hands(20, seed=4)
    joints = noisy(made.freihand, 0.02)
    for protocol in (FREIHAND, HO3D):
        scores = score_3d(samples(joints, made.freihand, None, None), protocol)
        for i, (predicted, true) in enumerate(zip(joints, made.freihand, strict=True)):
            root = reference_metrics.align_root(true, predicted, protocol.root)
            scaled = reference_metrics.align_scale_translation(true, predicted, protocol.scale_bone)
            np.testing.assert_allclose(scores["root_aligned"].joints[i], distances(root, true), atol=1e-12)
            np.testing.assert_allclose(
                scores["scale_translation_aligned"].joints[i], distances(scaled, true), atol=1e-12
            )


def test_the_joint_that_alignment_takes_as_given_has_no_error() -> None:
    """Rounding must leave it 0, as the official arithmetic does: an error of 0 lies within the first threshold, 0."""
    made = hands(200, seed=6)
    joints = noisy(made.freihand, 0.01)
    for protocol in (FREIHAND, HO3D):
        scores = score_3d(samples(joints, made.freihand, None, None), protocol)
        first = protocol.scale_bone[0]
        assert not scores["root_aligned"].joints[:, protocol.root].any()
        assert not scores["scale_translation_aligned"].joints[:, first].any()
        official = [
            distances(reference_metrics.align_scale_translation(true, predicted, protocol.scale_bone), true)
            for predicted, true in zip(joints, made.freihand, strict=True)
        ]
        assert not np.array(official)[:, first].any()
        area = reference_metrics.mean_and_area(official)[1]
        assert scores["scale_translation_aligned"].figures()["auc_j"] == pytest.approx(area, abs=1e-12)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    made = hands(20, seed=5)
    joints, vertices = noisy(made.freihand, 0.01), noisy(made.vertices, 0.01)
    joints[4] *= MIRROR
    one = samples(joints, made.freihand, vertices, made.vertices)
    whole = {name: score.figures() for name, score in score_3d(one, FREIHAND).items()}
    monkeypatch.setattr("handsss.evaluation.score._CHUNK", 3)
    told: list[int] = []
    parts = score_3d(one, FREIHAND, lambda done, total: told.append(done))
    for name in VARIANTS:
        assert parts[name].figures() == pytest.approx(whole[name], abs=1e-12)
    assert told == [3, 6, 9, 12, 15, 18, 20]
    frames = per_frame(parts, OFFICIAL, {})
    assert frames["aligned_mpjpe"].mean() == pytest.approx(whole[OFFICIAL]["mpjpe_mm"])
    assert frames["raw_mpvpe"].mean() == pytest.approx(whole["raw"]["mpvpe_mm"])


def test_2d_by_hand() -> None:
    true = np.zeros((2, 21, 2))
    points = true.copy()
    points[0, :, 0] = 10  # every joint 10 px off
    points[1, 3] = [30, 40]  # one joint 50 px off
    scores = score_2d(points, true)
    figures = scores.figures()
    # 10 px is reached by threshold 20 (10.10) of 0..99: 79.5 of 99 steps; 50 px by the last one: half a step.
    ten, fifty, mean = 79.5 / 99, 0.5 / 99, 94.5 / 99  # 50 / 21 = 2.38 px: threshold 5 (2.53)
    assert figures["per_joint"] == pytest.approx((21 * ten + fifty + 20) / 42)
    assert figures["frame_mean"] == pytest.approx((ten + mean) / 2)
    assert figures["frame_max"] == pytest.approx((ten + fifty) / 2)
    assert figures["mean_px"] == pytest.approx((210 + 50) / 42)
    assert figures["unseen"] == 0


def test_unseen_keypoints_are_misses() -> None:
    true = np.zeros((2, 21, 2))
    points = true.copy()
    points[1, :2] = np.nan
    figures = score_2d(points, true).figures()
    assert figures["per_joint"] == pytest.approx(40 / 42)
    assert figures["frame_max"] == pytest.approx(0.5)
    assert figures["frame_mean"] == pytest.approx((1 + 89.5 / 99) / 2)  # 100 / 21 = 4.76 px: threshold 10 (5.05)
    assert figures["unseen"] == pytest.approx(2 / 42)


# Properties -----------------------------------------------------------------------------------------------------------

coordinates = arrays(np.float64, (3, 21, 3), elements=st.floats(-0.125, 0.125, width=32))


@st.composite
def similarities(draw: st.DrawFn) -> tuple[float, np.ndarray, np.ndarray]:
    scale = draw(st.floats(0.1, 20))
    rotation = Rotation.from_rotvec(draw(arrays(np.float64, 3, elements=st.floats(-3, 3)))).as_matrix()
    return scale, rotation, draw(arrays(np.float64, 3, elements=st.floats(-2, 2)))


def aligned_errors(predicted: np.ndarray, true: np.ndarray, *, reflection: bool) -> np.ndarray:
    return distances(procrustes(predicted, true, reflection=reflection)(predicted), true)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), noise=st.floats(0, 0.05), moved=similarities(), reflection=st.booleans())
def test_aligned_errors_do_not_see_similarities(
    seed: int, noise: float, moved: tuple[float, np.ndarray, np.ndarray], reflection: bool
) -> None:
    true = hands(3).freihand
    predicted = noisy(true, noise, seed)
    scale, rotation, translation = moved
    other = scale * predicted @ rotation.T + translation
    np.testing.assert_allclose(
        aligned_errors(other, true, reflection=reflection),
        aligned_errors(predicted, true, reflection=reflection),
        atol=1e-9,
    )
    if reflection:
        np.testing.assert_allclose(
            aligned_errors(other * MIRROR, true, reflection=True),
            aligned_errors(predicted, true, reflection=True),
            atol=1e-9,
        )


@settings(max_examples=60, deadline=None)
@given(predicted=coordinates)
def test_forbidding_reflections_never_helps(predicted: np.ndarray) -> None:
    true = hands(3).freihand
    # Least squares: the wider family fits better in the sum of squares (not in every mean of distances).
    with_it = (aligned_errors(predicted, true, reflection=True) ** 2).sum(1)
    without = (aligned_errors(predicted, true, reflection=False) ** 2).sum(1)
    assert (without >= with_it - 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(predicted=coordinates, order=st.permutations(range(21)), frames=st.permutations(range(3)))
def test_the_order_of_joints_and_frames_does_not_matter(
    predicted: np.ndarray, order: list[int], frames: list[int]
) -> None:
    true = hands(3).freihand
    a = score_3d(samples(predicted, true, None, None), FREIHAND)
    b = score_3d(samples(predicted[frames][:, order], true[frames][:, order], None, None), FREIHAND)
    for name in ("raw", OFFICIAL, PROPER):
        first, second = a[name].figures(), b[name].figures()
        assert first["mpjpe_mm"] == pytest.approx(second["mpjpe_mm"], abs=1e-6)
        assert first["auc_j"] == pytest.approx(second["auc_j"], abs=1e-2 if name != "raw" else 1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), moved=similarities())
def test_truth_has_no_error(seed: int, moved: tuple[float, np.ndarray, np.ndarray]) -> None:
    made = hands(2, seed % 5)
    scores = score_3d(samples(made.freihand, made.freihand, made.vertices, made.vertices), FREIHAND)
    for name in VARIANTS:
        figures = scores[name].figures()
        assert [figures["mpjpe_mm"], figures["mpvpe_mm"]] == pytest.approx([0, 0], abs=1e-9)
        assert [figures["f5"], figures["f15"]] == [1, 1]
        for area in (figures["auc_j"], figures["auc_v"]):  # rounding is not within the first threshold, which is 0
            assert area == pytest.approx(1 - 0.25 / 99, abs=0.25 / 99 + 1e-9)
    assert scores["raw"].figures()["auc_j"] == pytest.approx(1)
    scale, rotation, translation = moved
    other = scale * made.freihand @ rotation.T + translation
    assert aligned_errors(other, made.freihand, reflection=False).max() < 1e-12


@settings(max_examples=60, deadline=None)
@given(errors=arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 0.2)))
def test_curves_rise_and_areas_are_theirs(errors: np.ndarray) -> None:
    steps, share = curve(errors, LIMIT_3D)
    assert (np.diff(share) >= 0).all()
    assert share[0] >= 0 and share[-1] <= 1
    assert areas(errors, LIMIT_3D).mean() == pytest.approx(np.trapezoid(share, steps) / LIMIT_3D, abs=1e-12)
    worse = areas(errors + 0.003, LIMIT_3D)
    assert (worse <= areas(errors, LIMIT_3D)).all()
