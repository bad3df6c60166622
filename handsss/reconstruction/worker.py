"""Worker processes of a run: each makes its pipeline once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

DIED = (
    "a worker process died, perhaps out of memory. Results that were written are kept: run the rest with fewer "
    "{workers} or a smaller {batch}, and {resume}."
)
PipelineT = TypeVar("PipelineT")

_own: list[object] = []  # this process's pipeline, made with its first batch


def pipeline_of_worker(make: Callable[[], PipelineT]) -> PipelineT:
    """This process's pipeline."""
    if not _own:
        _own.append(make())
    return cast(PipelineT, _own[0])
