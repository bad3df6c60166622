"""One skin a track: the textures of its best seen frames, shared as those of several photos are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handsss.hand.result import HandResult
from handsss.reconstruction.film.tracks import Track
from handsss.reconstruction.same_hand import common_skin
from handsss.reconstruction.shared_skin import with_skin

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_FRAMES = 6  # that the skin is of


class SkinOfTrack:
    """Gathers textures of a track.

    Args:
        track: that is seen.
        keys: rows that are fitted with their pixels.
    """

    def __init__(self, track: Track, keys: Sequence[int]) -> None:
        score = track.score[list(keys)]
        parts = np.array_split(np.arange(len(keys)), min(_FRAMES, len(keys)))
        self.rows = {keys[int(part[score[part].argmax()])] for part in parts}
        self.results: list[HandResult] = []

    def shared(self, pipeline: HandPipeline) -> dict[str, Any]:
        """Texture, colours and light of the track; nothing where no frame has a texture."""
        results = [one for one in self.results if one.texture is not None]
        if not results:
            return {}
        skin = common_skin(pipeline, lambda: iter(results))
        if skin is not None:
            for one, gain in zip(results, skin.gains, strict=True):
                with_skin(one, skin, gain)
        light = np.median([one.light for one in results], axis=0)
        light[8:] /= max(float(np.linalg.norm(light[8:])), 1e-9)
        first = results[0]
        return {"texture": first.texture, "vertex_colours": first.vertex_colours, "light": light}
