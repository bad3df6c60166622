"""Hands of one person in several photos: one shape for all, left and right ones alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handsss.errors import InputError
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.observation import Observation
from handsss.fitting.problem import HandParameters
from handsss.fitting.shared_fit import fit_one_shape
from handsss.hand.result import SharedShape
from handsss.reconstruction.hand_fitter import HandFitter


def share_shape(fitter: HandFitter, hands: Sequence[FittedHand], photos: int) -> list[FittedHand]:
    """The hands with one shape, each fitted again; see :func:`handsss.fitting.shared_fit.fit_one_shape`.

    Args:
        fitter: that fitted them to their keypoints.
        hands: of one person, two or more.
        photos: that show them.

    Raises:
        InputError: keypoints of more than one definition.
    """
    names = sorted({hand.keypoint_set for hand in hands})
    if len(names) > 1:
        raise InputError(
            f"{{same_hand}} fits hands with keypoints of one definition, got {' and '.join(names)}. Give keypoints of "
            "one kind.",
            options=("same_hand",),
        )
    alone = HandParameters.concat([hand.parameters for hand in hands])
    observation = Observation.stack([hand.input.observation for hand in hands])
    fit = fit_one_shape(fitter.problem(names[0]), alone, observation)
    return [
        hand._replace(
            parameters=fit.parameters.select(row), shared=SharedShape(photos, len(hands), float(fit.weights[row]))
        )
        for row, hand in enumerate(hands)
    ]


def without_pixels(hand: FittedHand) -> FittedHand:
    """The hand without its photo: some kilobytes."""
    return hand._replace(input=hand.input._replace(image=hand.input.image[:0].copy()))  # its width remains


def with_pixels(hands: Sequence[FittedHand], image: np.ndarray) -> list[FittedHand]:
    """Hands of one photo with the photo again, [H, W, 3]; left ones share a mirrored copy."""
    mirrored = np.ascontiguousarray(image[:, ::-1]) if any(hand.input.left for hand in hands) else image
    return [hand._replace(input=hand.input._replace(image=mirrored if hand.input.left else image)) for hand in hands]
