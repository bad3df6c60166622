"""The gallery of a run whose results are pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handsss.io.atomic import write_files
from handsss.mesh_io.formats import PAGE
from handsss.page.gallery import Tile, gallery_page
from handsss.reconstruction.outputs import Outcome, OutputPlan


def write_gallery(plan: OutputPlan, outcomes: Sequence[Outcome]) -> None:
    """Write the gallery of the photos that are done, and name the others.

    Args:
        plan: with a gallery.
        outcomes: of the run, and of earlier ones that it resumes.

    Raises:
        UserError: it cannot be written.
    """
    assert plan.gallery is not None
    tiles, others = [], []
    for outcome in outcomes:
        name = Path(outcome.image).name
        page = next((path for path in outcome.files if path.suffix == PAGE), None)
        if page is None:
            others.append((name, outcome.message or outcome.status))
        else:
            tiles.append(Tile(name, _words(outcome), page))
    folder = plan.gallery.parent
    title = f"Hands in {(plan.folder if plan.embedded else folder).resolve().name}"
    write_files({plan.gallery: gallery_page(title, tiles, others, folder, embedded=plan.embedded)})


def _words(outcome: Outcome) -> str:
    words = []
    for hand in outcome.hands:
        expected = hand.get("expected_error_mm")
        words.append(f"{hand['hand']} hand" + ("" if expected is None else f", {expected:.0f} mm expected"))
    return "; ".join(words) + (" (doubtful)" if outcome.status == "doubtful" else "")
