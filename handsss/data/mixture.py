"""Several stores as one dataset: their rows are drawn by weight, the same ones for the same seed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from handsss.data.dataset import HandDataset
from handsss.data.online.dataset import OnlineHands
from handsss.errors import InputError, UserError

_DRAW = 7  # apart from the seeds of augmentations and of the order
_SAME = ("keypoint_set", "joints_3d_set")  # what the stores of one training must agree in


class WeightedStore(NamedTuple):
    """A store, and how often its rows are drawn."""

    path: Path
    weight: float = 1.0  # 2: twice as often as rows of weight 1


def parse_stores(texts: Sequence[str | os.PathLike[str]]) -> tuple[WeightedStore, ...]:
    """``FILE`` or ``FILE:WEIGHT``, several times.

    A file whose name has a colon is meant where it exists: ``a:2.h5``, ``C:\\data\\a.h5``.

    Raises:
        UserError: a weight that is not positive, or a store given twice.
    """
    stores = tuple(_parsed(os.fspath(text)) for text in texts)
    known: set[Path] = set()
    for store in stores:
        if store.path.resolve() in known:
            raise UserError(
                f"{{data}} {store.path}: given twice. Give it once, with a weight: {{data}} {store.path}:2.",
                options=["data"],
            )
        known.add(store.path.resolve())
    return stores


def with_weights(stores: Sequence[WeightedStore], weights: Sequence[float], setting: str) -> tuple[WeightedStore, ...]:
    """Stores with the weights of a setting, where it has any.

    Args:
        stores: as they were given.
        weights: one a store; none: the stores as they are.
        setting: that gave the weights, for messages.

    Raises:
        UserError: another number of weights, one out of bounds, or another than a store was given with.
    """
    if not weights:
        return tuple(stores)
    if len(weights) != len(stores):
        raise UserError(
            f"{setting} has {len(weights)} weights, but {{data}} gives {len(stores)} stores. Expected one a store.",
            options=["data"],
        )
    for store, weight in zip(stores, weights, strict=True):
        if not _LEAST_WEIGHT <= weight <= _LARGEST_WEIGHT:
            raise UserError(f"{setting} = {weight:g}: expected {_LEAST_WEIGHT} to {_LARGEST_WEIGHT}.")
        if store.weight not in (1.0, weight):
            raise UserError(
                f"{{data}} {store.path}:{store.weight:g}, but {setting} = {weight:g} for it. Leave one of them out.",
                options=["data"],
            )
    return tuple(WeightedStore(store.path, float(weight)) for store, weight in zip(stores, weights, strict=True))


_LEAST_WEIGHT, _LARGEST_WEIGHT = 0.001, 1000


def _parsed(text: str) -> WeightedStore:
    head, colon, tail = text.rpartition(":")
    if not colon or not head or Path(text).exists():
        return WeightedStore(Path(text))
    try:
        weight = float(tail)
    except ValueError:
        return WeightedStore(Path(text))
    if not _LEAST_WEIGHT <= weight <= _LARGEST_WEIGHT:  # False for NaN
        raise UserError(
            f"{{data}} {text}: the weight {tail} is not between {_LEAST_WEIGHT} and {_LARGEST_WEIGHT}. "
            f"Expected FILE or FILE:WEIGHT, such as {head}:2.",
            options=["data"],
        )
    return WeightedStore(Path(head), weight)


class MixedDataset(HandDataset):
    """Rows of several datasets in one numbering.

    An epoch holds ``weight * rows`` of each. A weight of 2 gives every row twice, one of a half every other row, and
    the rest in the next epoch: over the epochs all rows of a store come equally often. Which row a number stands for
    follows from the seed, the epoch and the number alone, so a resumed run reads what an uninterrupted one would.

    Args:
        parts: the datasets, with the same fields and augmentation.
        weights: of their rows.
        seed: of the drawing.

    Raises:
        InputError: keypoints or joints of different definitions; two folders of online pictures.
    """

    def __init__(self, parts: Sequence[HandDataset], weights: Sequence[float], *, seed: int = 0) -> None:
        first = parts[0]
        if sum(isinstance(part, OnlineHands) for part in parts) > 1:
            raise InputError(
                "{data} online was given twice. Expected it once: put all backgrounds into one folder.",
                options=["data"],
            )
        for other in parts[1:]:
            for name in _SAME:
                if name == "keypoint_set" or "joints_3d" in first.fields:
                    _check_same(first, other, name)
        self.parts = list(parts)
        self.path, self.augmentation, self.fields = first.path, first.augmentation, first.fields
        self.seed, self.epoch, self.reduction, self.defers = seed, 0, first.reduction, first.defers
        self.counts = [max(round(weight * len(part)), 1) for part, weight in zip(parts, weights, strict=True)]
        self.ends = np.cumsum(self.counts)
        self._length = int(self.ends[-1])
        self._store, self._owner = None, -1
        self.attributes: dict[str, Any] = {
            # Photos have no true joints; online pictures beside them have.
            **{name: p.attributes[name] for name in _SAME for p in self.parts[::-1] if name in p.attributes},
            "dataset": "mixture",
            "keypoint_source": {"source": "mixed", "parts": [part.attributes.get("keypoint_source") for part in parts]},
        }

    def reduced(self, reduction: int) -> HandDataset:
        """See :meth:`HandDataset.reduced`."""
        other = self._of([part.reduced(reduction) for part in self.parts])
        other.reduction = reduction
        return other

    def deferred(self) -> HandDataset:
        """See :meth:`HandDataset.deferred`."""
        other = self._of([part.deferred() for part in self.parts])
        other.defers = True
        return other

    def _of(self, parts: list[HandDataset]) -> MixedDataset:
        other = copy(self)
        other.parts = parts
        return other

    def source(self, row: int) -> tuple[int, int, int]:
        """The part that a row of this epoch comes from, the row there, and how often the part was gone through."""
        number = int(np.searchsorted(self.ends, row, side="right"))
        begin = int(self.ends[number - 1]) if number else 0
        position = self.epoch * self.counts[number] + row - begin
        round_, place = divmod(position, len(self.parts[number]))
        order = _order(self.seed, number, round_, len(self.parts[number]))
        return number, int(order[place]), round_

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        if not -self._length <= row < self._length:
            raise IndexError(row)
        number, own, round_ = self.source(row % self._length)
        part = self.parts[number]
        part.set_epoch(round_)  # seeds the augmentation: a row that comes twice is changed in two ways
        return part[own]


@lru_cache(maxsize=64)
def _order(seed: int, part: int, round_: int, rows: int) -> np.ndarray:
    return np.random.default_rng((seed, _DRAW, part, round_)).permutation(rows)


def online_part(data: HandDataset) -> OnlineHands | None:
    """The part of the data whose rows are painted on the training device."""
    parts = data.parts if isinstance(data, MixedDataset) else [data]
    return next((part for part in parts if isinstance(part, OnlineHands)), None)


def _check_same(first: HandDataset, other: HandDataset, name: str) -> None:
    ours, theirs = first.attributes.get(name), other.attributes.get(name)
    if ours != theirs:
        raise InputError(
            f"{{data}} {first.path} and {other.path} cannot be mixed: {name} is {ours} in one and {theirs} in the "
            "other. Expected the same definition: make one of them again with `handsss preprocess`.",
            options=["data"],
        )
