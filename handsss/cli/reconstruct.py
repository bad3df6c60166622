"""``handsss reconstruct``: photos and films to textured hand meshes."""

from __future__ import annotations

import typer

from handsss.cli import film_options as films
from handsss.cli import reconstruct_options as option
from handsss.cli.options import HandSide, Precision

EPILOG = """[bold]Examples[/bold]

  handsss reconstruct photo.jpg -o hand.obj

  handsss reconstruct photo.jpg -o hand.html                     (a page with the hand in 3D)

  handsss reconstruct photos/ -o results --format glb --all-hands

  handsss reconstruct photos/ -o gallery.html

  handsss reconstruct "clips/**/*.png" -o results --keypoints openpose_json/

  handsss reconstruct photos/ -o results --resume                (after an interruption)

  handsss reconstruct photos/ -o results --table hands.parquet

  handsss reconstruct photos_of_one_person/ -o results --same-hand

  handsss reconstruct clip.mp4 -o clip.glb

  handsss reconstruct photo.jpg -o hand.ply --intrinsics 1200,1200,640,360

[bold]Exit codes[/bold]: 0 all done, 1 an input failed, 2 usage, 3 none failed but none showed a hand, \
4 a hand is doubtful (--max-error), 130 interrupted.
"""


def reconstruct(
    images: option.Images,
    output: option.Output = None,
    mesh_format: option.Format = None,
    static: option.Static = False,
    hand: option.Hand = HandSide.auto,
    side: option.Side = HandSide.auto,
    box: option.Box = None,
    all_hands: option.AllHands = False,
    same_hand: option.SameHand = False,
    model: option.Model = "open",
    checkpoint: option.Checkpoint = "auto",
    init: option.StartOption = option.Start.auto,
    device: option.Device = "cpu",
    precision: option.PrecisionOption = Precision.float32,
    refine: option.Refine = True,
    depth: option.Depth = True,
    intrinsics: option.Intrinsics = None,
    intrinsics_file: option.IntrinsicsFile = None,
    fov: option.Fov = None,
    keypoints: option.Keypoints = None,
    keypoint_set: option.KeypointSet = None,
    max_error: option.MaxError = None,
    table: option.Table = None,
    vertices: option.Vertices = False,
    picture: option.Picture = True,
    texture_size: option.TextureSize = 512,
    batch: option.Batch = 8,
    workers: option.Workers = None,
    film: films.AsFilm = False,
    start: films.Start = None,
    end: films.End = None,
    every: films.Every = 1,
    fps: films.Fps = None,
    live: films.Live = False,
    resume: option.Resume = False,
    quiet: option.Quiet = False,
) -> None:
    """Turn photos into textured 3D hand meshes, and films into hands in motion."""
    from handsss.cli.reconstruct_run import batch_options, check_same_hand, run
    from handsss.detect.types import check_sides
    from handsss.io.camera import camera_options
    from handsss.mesh_io.formats import check_static
    from handsss.reconstruction.inputs import expand
    from handsss.reconstruction.outputs import plan_outputs

    begin, initial = films.start_of(start, init.value)
    settings = {
        "hand": hand.value,
        "side": side.value,
        "all_hands": all_hands,
        "refine": refine,
        "depth": depth,
        "checkpoint": checkpoint,
        "device": device,
        "precision": precision.value,
        "start": initial,
        "texture_size": texture_size,
    }
    clip = films.film_of(images, as_film=film)
    if clip is not None:
        from handsss.cli.film_run import run_film
        from handsss.io.film import FilmSelection

        films.refuse_with_film(
            {"box": box, "same_hand": same_hand, "keypoints": keypoints, "keypoint_set": keypoint_set}
            | {"static": static, "max_error": max_error, "table": table, "no_refine": not refine}
        )
        check_sides(hand.value, side.value)
        code = run_film(
            clip,
            output,
            None if mesh_format is None else mesh_format.value,
            FilmSelection(begin or 0.0, end, every, fps),
            camera_options(intrinsics, intrinsics_file, fov),
            model,
            settings,
            live=live,
            picture=picture,
            vertices=vertices,
            resume=resume,
            quiet=quiet,
        )
        raise typer.Exit(code)
    films.refuse_without_film(
        {"film_start": begin is not None, "end": end is not None, "every": every != 1, "fps": fps, "live": live}
    )
    inputs = expand(images)
    plan = plan_outputs(inputs, output, None if mesh_format is None else mesh_format.value)
    check_static(plan.suffix, static=static)
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
        static=static,
        same_hand=same_hand,
        max_error=max_error,
        refine=refine,
    )
    check_same_hand(options, inputs, refine=refine, resume=resume)
    code = run(
        inputs, plan, options, model, settings, batch=batch, workers=workers, resume=resume, table=table, quiet=quiet
    )
    raise typer.Exit(code)
