"""The table of ``handsss info weights``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handsss.cli.console import output_console, plain
from handsss.cli.tables import show_table
from handsss.evaluation.metric_tables import table_3d
from handsss.network.checkpoint import (
    checkpoint_file,
    input_view_of,
    is_weights,
    load_checkpoint,
    load_network,
)
from handsss.network.input_view import InputView
from handsss.network.s2hand import parameter_counts
from handsss.network.weights import OPEN, bundled, digest

_ABOUT = {
    "supervision": "supervision",
    "baseline": "baseline",
    "data": "trained on",
    "rows": "rows",
    "step": "steps",
    "start": "started from",
    "program": "handsss",
}


def show_weights(name: str | None) -> None:
    """Print a file's description, once its network has been built; without a name, the bundled one's.

    Raises:
        InputError: not a checkpoint or weights that can be used.
    """

    file = checkpoint_file(Path(name)) if name else bundled(OPEN)
    loaded = load_network(file)
    facts = loaded.facts
    counts = parameter_counts(loaded.network)
    kinds = sorted({str(value.dtype).removeprefix("torch.") for value in _stored(file)})
    rows = [
        ("name", facts.get("name", file.stem)),
        ("file", f"{file} ({file.stat().st_size / 1e6:.1f} MB, {', '.join(kinds)})"),
        ("SHA-256", digest(file)),
        ("hand model", loaded.model),
        ("encoder", loaded.network.settings.encoder),
        ("parameters", f"{sum(counts.values()):,} ({', '.join(counts)})"),
        ("2D keypoints", loaded.keypoint_set),
        ("input view", _views(input_view_of(loaded))),
        *((word, loaded.about[key]) for key, word in _ABOUT.items() if loaded.about.get(key)),
        ("licence", facts.get("licence", "not stated")),
        *((("note", facts["note"]),) if facts.get("note") else ()),
    ]
    show_table(output_console(), [], [[word, str(value)] for word, value in rows], text=(1,))
    evaluation = facts.get("evaluation")
    if isinstance(evaluation, dict):
        _figures(evaluation)


def _stored(file: Path) -> list[Any]:
    if not is_weights(file):
        content = load_checkpoint(file)
        return list((content.get("averaged") or content["network"]).values())
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return [opened.get_tensor(name) for name in opened.keys()]  # noqa: SIM118 - no mapping


def _views(view: InputView) -> str:
    words = ["rotated upright"] if view.upright else []
    words += [f"zoomed until the hand's box fills {100 * view.crop_fill:.0f} %"] if view.crop_fill else []
    return " and ".join(words) or "crops unchanged"


def _figures(evaluation: dict[str, Any]) -> None:
    out = output_console()
    out.print(plain(f"evaluated on {evaluation.get('count', '?')} images of {evaluation.get('data', '?')}"))
    numbers = {  # a file's own words: anything may stand there
        key: {name: value for name, value in values.items() if isinstance(value, int | float)}
        for key, values in evaluation.items()
        if isinstance(values, dict)
    }
    table = table_3d(numbers, compact=True)
    show_table(out, table.header, table.rows, right=range(1, len(table.header)))
