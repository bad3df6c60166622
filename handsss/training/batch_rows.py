"""Batches whose rows are of several kinds: finished, to be augmented, to be painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

_KIND = "kind{}."  # before the fields of a kind
_ROWS = "rows"  # their positions in the batch


def stacked(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Rows as one batch; rows with other fields than the first are kept apart by name."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(rows):
        kinds.setdefault(tuple(sorted(row)), []).append(number)
    if len(kinds) == 1:
        return _collated(rows)
    batch: dict[str, Tensor] = {}
    for kind, members in enumerate(kinds.values()):
        some = {**_collated([rows[number] for number in members]), _ROWS: torch.tensor(members)}
        batch |= {_KIND.format(kind) + name: value for name, value in some.items()}
    return batch


def _collated(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    batch: Any = default_collate(list(rows))
    result: dict[str, Tensor] = batch
    return result


def joined(batch: dict[str, Tensor], finished: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> dict[str, Tensor]:
    """One batch of finished rows, in their order.

    Args:
        batch: of :func:`stacked`.
        finished: makes images of rows of one kind. Numbers that not all kinds have then are NaN in the other rows.
    """
    parts: list[dict[str, Tensor]] = []
    while any(name.startswith(_KIND.format(len(parts))) for name in batch):
        begin = _KIND.format(len(parts))
        parts.append({name[len(begin) :]: value for name, value in batch.items() if name.startswith(begin)})
    if not parts:
        return finished(batch)
    order = torch.cat([part.pop(_ROWS) for part in parts]).argsort()
    done = [finished(part) for part in parts]
    counts = [len(part["index"]) for part in done]
    result = {}
    for name in dict.fromkeys(name for part in done for name in part):
        known = next(part[name] for part in done if name in part)
        if not known.is_floating_point() and not all(name in part for part in done):
            continue
        values = [
            part[name] if name in part else known.new_full((count, *known.shape[1:]), torch.nan)
            for part, count in zip(done, counts, strict=True)
        ]
        devices = {value.device for value in values}
        # What one kind has on the GPU already, the others get there.
        there = next((device for device in devices if device.type != "cpu"), values[0].device)
        result[name] = torch.cat([value.to(there) for value in values])[order.to(there)]
    return result
