"""``handsss preprocess``: datasets and photos into HDF5 stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handsss.cli.options import (
    BoxMarginOption,
    Encoding,
    EncodingOption,
    FreihandVersion,
    HandSide,
    Ho3dVersion,
    KeypointsOption,
    LimitOption,
    MarginOption,
    OpenposeBinOption,
    OverwriteOption,
    QuietOption,
    ResumeOption,
    ShardOption,
    SkipBadOption,
    Split,
    SplitOption,
    StoreOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from handsss.data.preprocess import PreprocessOptions

app = typer.Typer(
    help="Turn datasets and photos into HDF5 stores of 224 x 224 crops with 2D keypoints, for training and evaluation.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog="""[bold]Examples[/bold]

  handsss preprocess freihand ~/FreiHAND_pub_v2 -o freihand.h5 --keypoints openpose_json/

  handsss preprocess ho3d ~/HO3D_v2 --split training --keypoints detect

  handsss preprocess images holiday/ -o photos.h5

  handsss preprocess inspect freihand.h5
""",
)

_EXIT = """[bold]Exit codes[/bold]: 0 done, 1 a picture that cannot be used or a full disk, 2 wrong usage or dataset, \
3 no hand in any picture, 130 interrupted (go on with --resume)."""


@app.command(epilog=_EXIT)
def freihand(
    root: Annotated[
        Path | None,
        typer.Argument(help="Folder with training/, evaluation/ and the JSON files. Default: found through "
                       "HANDSSS_DATA and data/."),
    ] = None,
    output: StoreOption = None,
    split: SplitOption = Split.training,
    keypoints: KeypointsOption = "detect",
    version: Annotated[
        FreihandVersion, typer.Option("--version", help="Which of the four colourings of the training pictures.")
    ] = FreihandVersion.all,
    openpose_bin: OpenposeBinOption = None,
    workers: WorkersOption = None,
    limit: LimitOption = None,
    shard: ShardOption = "0/1",
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = Encoding.jpeg,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """FreiHAND, or a dataset in its layout (as `handsss synthesize` writes it)."""
    from handsss.cli.preprocess_run import run
    from handsss.data.preprocess_inputs import freihand_inputs

    options = _options(workers, limit, shard, resume, overwrite, skip_bad, encoding)
    inputs = freihand_inputs(root, split.value, version.value)
    run(inputs, output, options, keypoints=keypoints, openpose_bin=openpose_bin, quiet=quiet)


@app.command(epilog=_EXIT)
def ho3d(
    root: Annotated[
        Path | None,
        typer.Argument(help="Folder with train/, evaluation/, train.txt, evaluation.txt. Default: found through "
                       "HANDSSS_DATA and data/."),
    ] = None,
    output: StoreOption = None,
    split: SplitOption = Split.training,
    keypoints: KeypointsOption = "detect",
    version: Annotated[Ho3dVersion, typer.Option("--version", help="Of the dataset.")] = Ho3dVersion.v2,
    openpose_bin: OpenposeBinOption = None,
    workers: WorkersOption = None,
    limit: LimitOption = None,
    shard: ShardOption = "0/1",
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = Encoding.jpeg,
    margin: MarginOption = 0.25,
    box_margin: BoxMarginOption = 0.1,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """HO-3D v2 or v3. Training crops lie around the keypoints, evaluation crops around the given box."""
    from handsss.cli.preprocess_run import run
    from handsss.data.preprocess_inputs import ho3d_inputs

    options = _options(workers, limit, shard, resume, overwrite, skip_bad, encoding, margin, box_margin)
    inputs = ho3d_inputs(root, split.value, version.value)
    run(inputs, output, options, keypoints=keypoints, openpose_bin=openpose_bin, quiet=quiet)


@app.command(epilog=_EXIT)
def images(
    folder: Annotated[Path, typer.Argument(help="Photos, in this folder and those in it.")],
    output: StoreOption = None,
    keypoints: KeypointsOption = "detect",
    hand: Annotated[
        HandSide, typer.Option("--hand", help="Rows for hands that are detected as this side only; --side imposes it.")
    ] = HandSide.auto,
    side: Annotated[
        HandSide, typer.Option("--side", help="left or right: every photo shows one hand, of this side, whatever the "
                               "detector takes it for. auto: a row for every detected hand.")
    ] = HandSide.auto,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", metavar="CSV", help="Boxes around hands: columns name, x0, y0, x1, y1 (px of the "
                     "upright photo), a line a hand. Photos that it does not list are searched."),
    ] = None,
    intrinsics: Annotated[
        str | None, typer.Option("--intrinsics", metavar="fx,fy,cx,cy", help="Camera of all photos, px.")
    ] = None,
    intrinsics_file: Annotated[
        Path | None,
        typer.Option("--intrinsics-file", metavar="JSON", help="Image name -> 3x3 matrix. Without either, EXIF's focal "
                     "length is used, else a field of view of 60 degrees."),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look into tiles even where the whole photo has shown a hand: finds "
                           "further, smaller hands, and takes ten times as long.")
    ] = False,
    openpose_bin: OpenposeBinOption = None,
    workers: WorkersOption = None,
    limit: LimitOption = None,
    shard: ShardOption = "0/1",
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = Encoding.jpeg,
    margin: MarginOption = 0.25,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Photos: a row for each detected hand; left hands are mirrored and marked."""
    from handsss.cli.preprocess_run import run
    from handsss.data.preprocess_inputs import photo_inputs
    from handsss.errors import UserError
    from handsss.io.camera import camera_options

    if boxes is not None and (keypoints != "detect" or openpose_bin is not None):
        raise UserError("--boxes says where the detector looks, but keypoints come from elsewhere. Leave one out.")
    camera = camera_options(intrinsics, intrinsics_file)
    options = _options(workers, limit, shard, resume, overwrite, skip_bad, encoding, margin)
    inputs = photo_inputs(folder, hand.value, camera, side=side.value, boxes=boxes)
    run(
        inputs,
        output,
        options,
        keypoints=keypoints,
        openpose_bin=openpose_bin,
        thorough=thorough,
        quiet=quiet,
        unit="photo",
    )


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A store.")],
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PNG", help="Where the contact sheet goes. Default: beside the store."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Crops on the sheet.")] = 60,
) -> None:
    """Print the contents of a store, and draw a contact sheet of its crops with their keypoints."""
    from handsss.cli.preprocess_run import show_contents

    show_contents(file, sheet or file.with_name(f"{file.stem}_sheet.png"), count)


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The stores of all shards of one run.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The joined store.")],
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy the rows. Otherwise the joined file points to its parts, which must stay "
                     "where they lie beside it."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the joined file.")] = False,
) -> None:  # fmt: skip
    """Join the stores of --shard runs."""
    from handsss.cli.console import error_console, output_console, plain, waiting
    from handsss.data.store.merge import merge as join

    with waiting(error_console(), "joining", shown=True):
        rows = join(files, output, copy=copy, overwrite=overwrite)
    output_console().print(plain(f"wrote {output}: {rows} rows of {len(files)} parts"), soft_wrap=True)


def _options(
    workers: int | None,
    limit: int | None,
    shard: str,
    resume: bool,
    overwrite: bool,
    skip_bad: bool,
    encoding: Encoding,
    margin: float = 0.25,
    box_margin: float = 0.1,
) -> PreprocessOptions:
    import os

    from handsss.data.preprocess import PreprocessOptions
    from handsss.errors import UserError

    try:
        part, parts = (int(text) for text in shard.split("/"))
    except ValueError:
        raise UserError(f"--shard {shard}: expected i/n, for example 0/4.") from None
    if not 0 <= part < parts:
        raise UserError(f"--shard {shard}: expected i from 0 to n - 1, for example 0/4 to 3/4.")
    return PreprocessOptions(
        encoding=encoding.value,
        margin=margin,
        box_margin=box_margin,
        workers=workers or os.cpu_count() or 1,
        limit=limit,
        shard=(part, parts),
        resume=resume,
        overwrite=overwrite,
        skip_bad=skip_bad,
    )
