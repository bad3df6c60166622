"""``handsss reconstruct``: photos to textured hand meshes."""

from __future__ import annotations

import os
from functools import partial

import typer

from handsss.cli import reconstruct_options as option
from handsss.cli.options import HandSide, Precision

EPILOG = """[bold]Examples[/bold]

  handsss reconstruct photo.jpg -o hand.obj

  handsss reconstruct photos/ -o results --format glb --all-hands

  handsss reconstruct "clips/**/*.png" -o results --keypoints openpose_json/

  handsss reconstruct photo.jpg -o hand.ply --intrinsics 1200,1200,640,360

[bold]Exit codes[/bold]: 0 all done, 1 an input failed, 2 usage, 3 none failed but none showed a hand, \
130 interrupted.
"""


def reconstruct(
    images: option.Images,
    output: option.Output = None,
    mesh_format: option.Format = None,
    hand: option.Hand = HandSide.auto,
    side: option.Side = HandSide.auto,
    box: option.Box = None,
    all_hands: option.AllHands = False,
    model: option.Model = "open",
    checkpoint: option.Checkpoint = "auto",
    start: option.StartOption = option.Start.auto,
    device: option.Device = "cpu",
    precision: option.PrecisionOption = Precision.float32,
    refine: option.Refine = True,
    depth: option.Depth = True,
    intrinsics: option.Intrinsics = None,
    intrinsics_file: option.IntrinsicsFile = None,
    fov: option.Fov = None,
    keypoints: option.Keypoints = None,
    keypoint_set: option.KeypointSet = None,
    vertices: option.Vertices = False,
    picture: option.Picture = True,
    texture_size: option.TextureSize = 512,
    batch: option.Batch = 8,
    workers: option.Workers = None,
    quiet: option.Quiet = False,
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
