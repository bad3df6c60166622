"""``handsss reconstruct``: photos to textured hand meshes."""

from __future__ import annotations

import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.options import DEVICE_HELP, PRECISION_HELP, HandSide, Precision

EPILOG = """[bold]Examples[/bold]

  handsss reconstruct photo.jpg -o hand.obj

  handsss reconstruct photos/ -o results --format glb --all-hands

  handsss reconstruct "clips/**/*.png" -o results --keypoints openpose_json/

  handsss reconstruct photo.jpg -o hand.ply --intrinsics 1200,1200,640,360

[bold]Exit codes[/bold]: 0 all done, 1 an input failed, 2 usage, 3 none failed but none showed a hand, \
130 interrupted.
"""


class Start(StrEnum):
    """Values of --start."""

    auto = "auto"
    lifted = "lifted"
    search = "search"


class MeshFormat(StrEnum):
    """Values of --format."""

    obj = "obj"
    ply = "ply"
    glb = "glb"
    npz = "npz"


def reconstruct(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE", help="Photos, folders of photos, globs, or - for standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            rich_help_panel="Output",
            help="Mesh file: .obj (with .mtl and texture), .ply (vertex colours), .glb (textured) or .npz (all arrays, "
            "camera frame); or a folder for several photos. A .json with all parameters and an overview .png are "
            "written beside it. Default: ./STEM_hand.obj, or the folder ./hands.",
        ),
    ] = None,
    mesh_format: Annotated[
        MeshFormat | None,
        typer.Option("--format", rich_help_panel="Output", help="Mesh format of the files in a folder. Default: obj."),
    ] = None,
    hand: Annotated[
        HandSide,
        typer.Option("--hand", rich_help_panel="Hand", help="Reconstruct hands that are detected as this side only."),
    ] = HandSide.auto,
    side: Annotated[
        HandSide,
        typer.Option(
            "--side",
            rich_help_panel="Hand",
            help="left or right: every hand is of this side, whatever the detector takes it for. auto: as detected; "
            "where the detector doubts, both sides are fitted and the better one is kept.",
        ),
    ] = HandSide.auto,
    box: Annotated[
        str | None,
        typer.Option(
            "--box",
            metavar="x0,y0,x1,y1",
            rich_help_panel="Hand",
            help="Box around the hand, in pixels of the upright photo (of every photo): it is read there, and no "
            "other is looked for.",
        ),
    ] = None,
    all_hands: Annotated[
        bool,
        typer.Option(
            "--all-hands",
            rich_help_panel="Hand",
            help="Reconstruct all hands of a photo, not only the one with the highest score; one mesh file for all.",
        ),
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME|PATH",
            rich_help_panel="Hand",
            help="Hand model: open (778 vertices, bundled), open-detail (1649 vertices, bundled), mano (the file that "
            "HANDSSS_MANO names), or a file.",
        ),
    ] = "open",
    checkpoint: Annotated[
        str,
        typer.Option(
            "--checkpoint",
            metavar="FILE|auto|none",
            rich_help_panel="Hand",
            help="Network that predicts the hand from the image; the fit starts there, with a pose prior about it: a "
            "checkpoint, a run folder or a weights file. none: no network, fit to keypoints alone. auto: the bundled "
            "network for the open hand (see `handsss info weights`).",
        ),
    ] = "auto",
    start: Annotated[
        Start,
        typer.Option(
            "--start",
            rich_help_panel="Hand",
            help="Initial hands of the fit, beside the prediction. lifted: 3D hypotheses that a small network computes "
            "from the 2D keypoints (open hand only); search: sampled poses whose projections are nearest to the "
            "keypoints; auto: lifted where possible.",
        ),
    ] = Start.auto,
    device: Annotated[
        str,
        typer.Option(
            "--device", rich_help_panel="Run", help=f"Device of the network; the fit runs on the CPU. {DEVICE_HELP}"
        ),
    ] = "cpu",
    precision: Annotated[
        Precision, typer.Option("--precision", rich_help_panel="Run", help=PRECISION_HELP)
    ] = Precision.float32,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine/--no-refine",
            rich_help_panel="Hand",
            help="Fit to keypoints and silhouette, or return the initial hand.",
        ),
    ] = True,
    depth: Annotated[
        bool,
        typer.Option(
            "--depth/--no-depth",
            rich_help_panel="Hand",
            help="Fit to the detector's metric 3D points too.",
        ),
    ] = True,
    intrinsics: Annotated[
        str | None,
        typer.Option(
            "--intrinsics",
            metavar="fx,fy,cx,cy",
            rich_help_panel="Camera",
            help="Intrinsics of all photos, in pixels of the upright photo.",
        ),
    ] = None,
    intrinsics_file: Annotated[
        Path | None,
        typer.Option(
            "--intrinsics-file",
            metavar="JSON",
            rich_help_panel="Camera",
            help="JSON object of image name -> 3x3 matrix. Without any of these options: the focal length in EXIF, or "
            "else the likeliest one for the size of the hand.",
        ),
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option(
            "--fov",
            metavar="DEGREES",
            rich_help_panel="Camera",
            help="Field of view over the longer side of all photos.",
        ),
    ] = None,
    keypoints: Annotated[
        Path | None,
        typer.Option(
            "--keypoints",
            metavar="JSON|FOLDER",
            rich_help_panel="Keypoints",
            help="Keypoints of OpenPose, MMPose, COCO-WholeBody, MediaPipe and others, not of the built-in detector: "
            "a file, or a folder with STEM_keypoints.json or STEM.json for each photo.",
        ),
    ] = None,
    keypoint_set: Annotated[
        str | None,
        typer.Option(
            "--keypoint-set",
            metavar="NAME",
            rich_help_panel="Keypoints",
            help="Keypoint definition of --keypoints. Default: openpose.",
        ),
    ] = None,
    vertices: Annotated[
        bool, typer.Option("--vertices", rich_help_panel="Output", help="Write the vertices into the .json too.")
    ] = False,
    picture: Annotated[
        bool,
        typer.Option(
            "--picture/--no-picture",
            rich_help_panel="Output",
            help="Draw the overview .png.",
        ),
    ] = True,
    texture_size: Annotated[
        int,
        typer.Option(
            "--texture-size", min=16, max=8192, rich_help_panel="Output", help="Side of the texture in pixels."
        ),
    ] = 512,
    batch: Annotated[  # larger batches are not faster
        int,
        typer.Option(
            "--batch",
            min=1,
            rich_help_panel="Run",
            help="Photos whose hands are reconstructed as one batch.",
        ),
    ] = 8,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            rich_help_panel="Run",
            help="Worker processes for several photos. Default: one per core, if there are eight photos for each.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel="Output", help="Print errors only.")] = False,
) -> None:
    """Turn photos into textured 3D hand meshes."""
    from handsss.cli import reconstruct_report as report
    from handsss.cli.console import progress_bar, show_error, waiting
    from handsss.cli.reconstruct_run import batch_options, make_pipeline, processes_for, unreadable
    from handsss.io.image import is_stream
    from handsss.reconstruction.inputs import expand
    from handsss.reconstruction.outputs import plan_outputs

    inputs = expand(images)
    plan = plan_outputs(inputs, output, None if mesh_format is None else mesh_format.value)
    options = batch_options(
        intrinsics,
        intrinsics_file,
        keypoints,
        keypoint_set,
        fov=fov,
        hand=hand.value,
        side=side.value,
        box=box,
        vertices=vertices,
        picture=picture,
    )
    if not inputs.several and (mistake := unreadable(inputs.sources[0])):
        show_error(mistake)  # before libraries and networks are loaded, which takes seconds
        raise typer.Exit(1)
    from handsss.reconstruction.run import exit_code, reconstruct_all
    from handsss.reconstruction.settings import PipelineSettings

    settings = PipelineSettings(
        hand=hand.value,
        side=side.value,
        all_hands=all_hands,
        refine=refine,
        depth=depth,
        checkpoint=checkpoint,
        device=device,
        precision=precision.value,
        start=start.value,
        texture_size=texture_size,
    )
    printer = report.Printer(quiet=quiet, several=inputs.several)
    with waiting(printer.errors, "loading", shown=not quiet):
        pipeline = make_pipeline(model, settings)
    if keypoint_set is not None:
        pipeline.model.keypoint_set(keypoint_set)  # an unknown name is an error, before any work
    if inputs.several:
        count = workers or processes_for(len(inputs.sources), os.cpu_count() or 1)
        if any(is_stream(source.path) for source in inputs.sources):
            count = 1  # pipes are this process's own
        with progress_bar(printer.errors, unit="photo", shown=not quiet) as progress:
            task = progress.add_task("reconstructing", total=len(inputs.sources))

            def show(outcome: report.Outcome) -> None:
                progress.advance(task)
                printer.show(outcome)

            outcomes = reconstruct_all(
                inputs.sources,
                plan,
                pipeline,
                options,
                batch=batch,
                workers=min(count, len(inputs.sources)),
                make=partial(make_pipeline, model, settings),
                on_end=show,
            )
    else:
        with waiting(printer.errors, f"reconstructing {inputs.sources[0].path}", shown=not quiet):
            ended: list[report.Outcome] = []
            outcomes = reconstruct_all(inputs.sources, plan, pipeline, options, on_end=ended.append)
        for outcome in ended:
            printer.show(outcome)
    printer.finish(outcomes, plan)
    raise typer.Exit(exit_code(outcomes))
