"""``handsss train``: the method's network from images and 2D keypoints, its baseline, and full supervision."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.network_options import DEVICE_HELP

EPILOG = """[bold]Examples[/bold]

  handsss train --preset small --data freihand_training.h5 --val freihand_evaluation.h5

  handsss train --ssl --data freihand_training.h5 --out runs/ours      (the paper's network and schedule)

  handsss train --fsl --baseline mano-cnn --out runs/mano-cnn-fsl

  handsss train --pose-prior average --set losses.w_con=0 --set losses.w_ori=0

  handsss train --ssl --data photos.h5 --weights runs/ours --stages finetune --out runs/photos

  handsss train --resume --out runs/ours

  torchrun --nproc-per-node 4 -m handsss train --data freihand_training.h5 --out runs/ours

[bold]Exit codes[/bold]: 0 done, 1 the training collapsed or met NaN, or a full disk, 2 usage, 130 interrupted
(Ctrl-C or SIGTERM; the state is saved, go on with --resume).
"""


class Preset(StrEnum):
    """Values of --preset."""

    small = "small"
    full = "full"


class Baseline(StrEnum):
    """Values of --baseline."""

    mano_cnn = "mano-cnn"


class PosePrior(StrEnum):
    """Values of --pose-prior."""

    limits = "limits"
    average = "average"


def train(
    ssl: Annotated[
        bool, typer.Option("--ssl/--fsl", help="From detected keypoints alone, or from true keypoints and joints.")
    ] = True,
    baseline: Annotated[
        Baseline | None,
        typer.Option("--baseline", help="Instead of the method: the same encoder and regressor on keypoints alone."),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option("--preset", help="full: the paper's network and schedule (default). small: b0, a small keypoint "
                     "branch, a short schedule, for a CPU.", show_default=False),
    ] = None,
    pose_prior: Annotated[
        PosePrior | None, typer.Option("--pose-prior", help="Joint limits (default), or the average pose.",
                                       show_default=False)
    ] = None,
    stages: Annotated[
        str | None, typer.Option("--stages", metavar="A,B", help="Some of warm-up,keypoints,shape,finetune.")
    ] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="All terms from the start, without stages. Known to collapse.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Store of `handsss preprocess`. Default: the newest one here."),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option("--val", metavar="FILE", help="Store with true joints. Default: NAME_evaluation.h5 beside "
                     "NAME_training.h5, if there is one."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run. Default: runs/TIME-KIND.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML with settings that override the preset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="One setting, such as losses.w_con=0. May be repeated."),
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Rows a step, over all processes.")] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Of the whole run, all stages together.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out (default: the newest one).")
    ] = False,
    device: Annotated[str, typer.Option("--device", help=DEVICE_HELP)] = "auto",
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="Processes that read.")] = None,
    model: Annotated[str, typer.Option("--model", help="Hand model: open, mano, or a file.")] = "open",
    imagenet: Annotated[
        str | None,
        typer.Option("--imagenet", metavar="FILE|download", help="The encoder's start. Default: random weights."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="FILE|NAME", help="Begin with a trained network of the same "
                     "preset: a checkpoint, a run's folder, weights, or handsss-open-b0 (--preset small)."),
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Event files too. Default: where it is installed."),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Measure where a step's time goes, stage by stage, and end.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Compute a kept batch again that gave NaN, and end."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:  # fmt: skip
    """Train a reconstructor from images and 2D keypoints, without 3D labels (S2HAND)."""
    import json
    import sys

    from handsss.cli.train_run import carry_on, replay_batch, show_profiles, start
    from handsss.errors import UserError
    from handsss.training.launch import RuntimeOptions, TrainOptions

    if replay is not None:
        replay_batch(replay, device)
        return
    runtime = RuntimeOptions(device, workers, tensorboard, ("handsss", *sys.argv[1:]))
    if resume:
        given = {
            "--fsl": not ssl, "--baseline": baseline, "--preset": preset, "--pose-prior": pose_prior,
            "--stages": stages, "--end-to-end": end_to_end, "--data": data, "--val": validation, "--config": config,
            "--set": settings, "--batch": batch, "--steps": steps, "--imagenet": imagenet, "--weights": weights,
            "--profile": profile,
        }  # fmt: skip
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise UserError(f"--resume goes on with the run's own settings. Leave out {', '.join(wrong)}.")
        carry_on(out, runtime, quiet=quiet)
        return
    if stages is not None and end_to_end:
        raise UserError("--stages and --end-to-end were both given. Leave one of them out.")
    extra = list(settings or [])
    if end_to_end:
        extra = ["schedule.stages=[end-to-end]", "schedule.batch=32", *extra]
    if stages is not None:
        extra.append(f"schedule.stages=[{stages}]")
    if pose_prior is not None:
        extra.append(f"losses.pose_prior={pose_prior.value}")
    for name, value in (("batch", batch), ("steps", steps)):
        if value is not None:
            extra.append(f"schedule.{name}={value}")
    for name, text in (("imagenet", imagenet), ("weights", weights)):
        if text is not None:
            extra.append(f"data.{name}={json.dumps(text, ensure_ascii=False)}")
    options = TrainOptions(
        data=data,
        validation=validation,
        out=out,
        preset="full" if preset is None else preset.value,
        config=config,
        settings=tuple(extra),
        supervision="ssl" if ssl else "fsl",
        baseline="" if baseline is None else baseline.value,
        model=model,
    )
    if profile:
        show_profiles(options, runtime)
    else:
        start(options, runtime, quiet=quiet)
