"""``handsss synthesize``: an open dataset in FreiHAND's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.options import OverwriteOption, QuietOption, ResumeOption, WorkersOption

EPILOG = """[bold]Examples[/bold]

  handsss synthesize -n 10000 -o synthetic --backgrounds photos_without_hands/

  handsss preprocess freihand synthetic                  (freihand_training.h5, which handsss train looks for)

  handsss preprocess freihand synthetic --split evaluation

[bold]Exit codes[/bold]: 0 done, 1 full disk, 2 usage, 130 interrupted (go on with --resume).
"""


def synthesize(
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Training pictures.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="ROOT", help="Folder of the dataset.")],
    evaluation: Annotated[
        int | None, typer.Option("--eval", min=0, metavar="M", help="Evaluation pictures. Default: a tenth of -n.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same dataset.")] = 0,
    backgrounds: Annotated[
        Path | None,
        typer.Option("--backgrounds", metavar="DIR", help="Photos without hands. Default: procedural pictures."),
    ] = None,
    occluders: Annotated[
        float, typer.Option("--occluders", min=0.0, max=1.0, help="Share of pictures with an occluding object.")
    ] = 0.3,
    poses: Annotated[
        str,
        typer.Option("--poses", metavar="coupled|wide", help="wide: fingers flex on their own, any thumb and spread."),
    ] = "coupled",
    clean: Annotated[
        bool, typer.Option("--clean", help="No occluders, no motion blur, even exposure.")
    ] = False,
    workers: WorkersOption = None,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Render a synthetic dataset in FreiHAND's layout, with ground-truth joints, meshes, cameras and masks."""
    import os
    import time

    from handsss.cli.compiling import compile_kernels
    from handsss.cli.console import error_console, output_console, plain, resumable
    from handsss.cli.progress import progress_bar, rate_words
    from handsss.data.synthetic.generate import SynthesizeOptions, settings_of
    from handsss.data.synthetic.generate import synthesize as make

    options = SynthesizeOptions(
        training=number,
        evaluation=evaluation,
        scene=settings_of(seed, backgrounds, occluders=occluders, clean=clean, poses=poses),
        workers=workers or os.cpu_count() or 1,
        resume=resume,
        overwrite=overwrite,
    )
    compile_kernels("rasteriser", quiet=quiet)
    begin = time.perf_counter()
    drawing = "drawing, in blocks of 64"
    with resumable(), progress_bar(error_console(), unit="picture", shown=not quiet, description=drawing) as progress:
        summary = make(output, options, progress=progress.update)
    seconds = time.perf_counter() - begin
    out = output_console(quiet=quiet)
    counts = ", ".join(f"{count} {split}" for split, count in summary.pictures.items())
    out.print(plain(f"{counts} pictures; {summary.clean} clean, {summary.occluded} with an occluder"), soft_wrap=True)
    rate = (
        f" in {seconds:.1f} s, {rate_words(summary.drawn / seconds, 'picture')}"
        if summary.drawn
        else ": was finished already"
    )
    out.print(plain(f"wrote {summary.root}{rate}"), soft_wrap=True)
    for number, line in enumerate(next_commands(summary.root, evaluation=summary.pictures.get("evaluation", 0) > 0)):
        out.print(plain(f"{'next:' if number == 0 else '     '} {line}"), soft_wrap=True)


def next_commands(root: Path, *, evaluation: bool) -> list[str]:
    """The commands that train on a dataset, for the working folder.

    Stores get the default names, by which `handsss train` and `handsss evaluate` look for them; where those are taken,
    the dataset's own.

    Args:
        root: of the dataset.
        evaluation: whether it has evaluation pictures.
    """
    import shlex

    quoted = shlex.quote(str(root))
    splits = ["training", "evaluation"] if evaluation else ["training"]
    stores = {split: f"freihand_{split}.h5" for split in splits}
    commands = dict.fromkeys(splits, f"handsss preprocess freihand {quoted}")
    if evaluation:
        commands["evaluation"] += " --split evaluation"
    train = "handsss train --preset small"
    if any(Path(name).exists() for name in stores.values()):
        stores = {split: shlex.quote(f"{root.resolve().name}_{split}.h5") for split in splits}
        commands = {split: f"{command} -o {stores[split]}" for split, command in commands.items()}
        train += f" --data {stores['training']}" + (f" --val {stores['evaluation']}" if evaluation else "")
    return [*commands.values(), train]
