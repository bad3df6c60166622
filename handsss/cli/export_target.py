"""Where exports go."""

from __future__ import annotations

from pathlib import Path

from handsss.errors import UserError
from handsss.network.weights import BUNDLED


def export_target(source: Path, output: Path | None, suffix: str, *, overwrite: bool) -> Path:
    """The file to write.

    Args:
        source: the checkpoint's file.
        output: asked for; None: beside the checkpoint, or in the working folder for what comes along with the program.
        suffix: of this kind of file.
        overwrite: replace a file.

    Raises:
        UserError: another suffix, or a file that is there already.
    """
    if output is None:
        output = Path(source.stem + suffix) if source in BUNDLED.values() else source.with_suffix(suffix)
    if output.suffix.lower() != suffix:
        raise UserError(f"{output}: expected a name that ends with {suffix} after -o.")
    if output.exists() and not overwrite:
        raise UserError(f"{output}: exists already. Choose another name with -o, or replace it with --overwrite.")
    return output
