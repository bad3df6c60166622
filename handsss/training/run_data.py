"""The data of a run: one store or several, the validation store beside it, and what run.json says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsss.data.dataset import HandDataset
from handsss.data.mixture import MixedDataset, WeightedStore, online_part, with_weights
from handsss.data.online.dataset import is_online, resolved
from handsss.errors import InputError
from handsss.training.recipe import Recipe, default_training_data, keypoint_origin


def recipe_of(
    data: Path | tuple[WeightedStore, ...] | None,
    validation: Path | None,
    *,
    supervision: str,
    baseline: str,
    model: str,
    weights: Sequence[float] = (),
) -> Recipe:
    """A recipe from what the user gave, with the defaults for what is left out.

    Args:
        weights: of the stores, by the setting ``data.store_weights``.

    Raises:
        UserError: no data were given, and none lie in the working folder; weights that do not fit the stores.
    """
    stores = data if isinstance(data, tuple) else (WeightedStore(data or default_training_data()),)
    stores = with_weights(stores, weights, "data.store_weights")
    first = stores[0].path
    mixture = stores if len(stores) > 1 else ()
    return Recipe(first, validation or validation_beside(first), supervision, baseline, model, mixture)


def validation_beside(data: Path) -> Path | None:
    """NAME_evaluation.h5 beside NAME_training.h5, if it has true joints."""
    if is_online(data):
        return None
    other = data.with_name(data.name.replace("training", "evaluation"))
    if other == data or not other.exists():
        return None
    return other if "joints_3d" in HandDataset(other).fields else None


def data_facts(recipe: Recipe, data: HandDataset) -> dict[str, Any]:
    """The training data in run.json and checkpoints; ``mixture`` where there are several stores."""
    facts: dict[str, Any] = {"data": " + ".join(str(resolved(store.path)) for store in recipe.stores)}
    online = online_part(data)
    if online is not None:
        facts["backgrounds"] = online.attributes["backgrounds"]
    if isinstance(data, MixedDataset):
        facts["mixture"] = [
            {
                "data": str(resolved(store.path)),
                "weight": store.weight,
                "rows": len(part),
                "rows_an_epoch": count,
                "keypoints": keypoint_origin(part.attributes),
            }
            for store, part, count in zip(recipe.stores, data.parts, data.counts, strict=True)
        ]
    return facts


def check_backgrounds(about: dict[str, Any], data: HandDataset) -> None:
    """That a resumed run's online pictures have the backgrounds that it began with.

    Args:
        about: facts of its checkpoint.
        data: its training data now.

    Raises:
        InputError: files of the folder have come, gone or changed their size.
    """
    online = online_part(data)
    if online is not None and about.get("backgrounds") != online.attributes["backgrounds"]:
        raise InputError(
            f"online:{online.settings.backgrounds}: its pictures are not those that the run began with. Put them back "
            "to go on."
        )
