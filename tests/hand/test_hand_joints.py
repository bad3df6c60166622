"""Joint orders and keypoint tables of the field."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from handsss.hand import joints
from handsss.hand.joints import JOINT_ORDERS, joint_order, reorder_indices


@pytest.mark.parametrize("name", sorted(JOINT_ORDERS))
def test_every_order_is_a_permutation_of_the_same_21(name) -> None:
    assert sorted(joint_order(name)) == sorted(JOINT_ORDERS["openpose"])
    assert len(set(joint_order(name))) == 21


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(sorted(JOINT_ORDERS), 2)))
def test_reordering_there_and_back(source, target) -> None:
    there, back = reorder_indices(source, target), reorder_indices(target, source)
    np.testing.assert_array_equal(there[back], np.arange(21))
    assert [joint_order(source)[i] for i in there] == list(joint_order(target))


def test_ho3d_to_openpose_is_the_published_list() -> None:
    published = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    assert reorder_indices("ho3d", "openpose").tolist() == published


def test_published_places() -> None:
    """Benchmarks' own descriptions, written out by hand."""
    assert JOINT_ORDERS["rhd"][:5] == ("wrist", "thumb_tip", "thumb3", "thumb2", "thumb1")
    assert JOINT_ORDERS["interhand"][0] == "thumb_tip" and JOINT_ORDERS["interhand"][20] == "wrist"
    assert JOINT_ORDERS["ho3d"][16:] == ("thumb_tip", "index_tip", "middle_tip", "ring_tip", "little_tip")
    assert JOINT_ORDERS["handmesh"][16:] == ("index_tip", "middle_tip", "little_tip", "ring_tip", "thumb_tip")
    assert JOINT_ORDERS["freihand"][9] == "middle1" and JOINT_ORDERS["freihand"][20] == "little_tip"
    # FreiHAND's table from MANO's 16: index 5-7, middle 9-11, little 17-19, ring 13-15, thumb 1-3.
    for first_model, first_freihand in ((1, 5), (4, 9), (7, 17), (10, 13), (13, 1)):
        for step in range(3):
            assert joints.MODEL_JOINTS[first_model + step] == JOINT_ORDERS["freihand"][first_freihand + step]


def test_fingertip_vertices_are_the_published_ones() -> None:
    assert dict(joints.MANO_TIPS) == {
        "freihand": (744, 320, 443, 555, 672),
        "ho3d": (744, 333, 444, 555, 672),
        "manopth": (745, 317, 444, 556, 673),
        "smplx": (744, 320, 443, 554, 671),
    }
    assert joints.MANO_LEFT_MANOPTH_TIPS == (745, 317, 445, 556, 673)


def test_bones_run_from_parent_to_child() -> None:
    assert len(joints.BONES) == 20
    assert (0, 1) in joints.BONES and (9, 10) in joints.BONES and (19, 20) in joints.BONES
    assert all(parent < child for parent, child in joints.BONES)


def test_unknown_order_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown joint order 'coco'; known: openpose, freihand"):
        joint_order("coco")
