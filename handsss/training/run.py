"""A training run in its folder: validation, previews, checkpoints, and stopping in a state to resume from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from handsss.data.dataset import HandDataset
from handsss.errors import UserError
from handsss.io.atomic import make_folder
from handsss.network.checkpoint import load_weights
from handsss.training.best import BEST, BestValidation
from handsss.training.checkpoint import save_checkpoint
from handsss.training.collapse import CollapseError, CollapseMonitor, health
from handsss.training.config import TrainConfig, to_toml
from handsss.training.distributed import Processes, any_process
from handsss.training.init_weights import initialise_network
from handsss.training.loggers.base import RunFacts
from handsss.training.loggers.fan_out import Loggers
from handsss.training.metrics_logger import MetricsLogger
from handsss.training.objective import NotFiniteError
from handsss.training.preview import PreviewSheets
from handsss.training.progress import NotFiniteStopError, Progress, StoppedError, TimeLimit, TimeUpError
from handsss.training.recipe import Recipe, build, keypoint_origin, mean_bone_of, training_data
from handsss.training.replay import keep_batch
from handsss.training.run_data import check_backgrounds, data_facts
from handsss.training.run_files import write_checkpoint_facts, write_run_facts
from handsss.training.schedule import lengthened, stages_of
from handsss.training.throughput import Throughput
from handsss.training.trained_network import FINAL, LATEST
from handsss.training.trainer import Step, Trainer
from handsss.training.validate import Validation

BAD_BATCH = "bad-batch.pt"
_HISTORY = 50  # validations that a checkpoint carries along


class TrainingRun:
    """A training run.

    Args:
        folder: of the run.
        config: all settings.
        recipe: what is trained on what.
        device: to train on.
        processes: this one among those that train together.
        command: what the user typed, for run.json.

    Raises:
        UserError, InputError: the folder holds a run already; see also :mod:`handsss.training.recipe`.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        recipe: Recipe,
        *,
        device: torch.device,
        processes: Processes | None = None,
        command: list[str] | None = None,
        resumed: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self.config, self.recipe, self.device = folder, config, recipe, device
        self.processes = processes or Processes()
        if resumed is None and self.processes.first and (folder / LATEST).exists():
            raise UserError(
                f"{folder}: a run is here. Go on with {{resume}}, or give another {{out}}.", options=["resume", "out"]
            )
        self.data: HandDataset = training_data(recipe, config)
        self.network, self.objective = build(config, recipe, self.data, device)
        if resumed is None:
            self.start = initialise_network(self.network, config.data, recipe.model)
        else:
            self.start = str(resumed["about"]["start"])
            check_backgrounds(resumed["about"], self.data)
        schedule = config.schedule
        stages = stages_of(config.stage_settings(), rows=len(self.data), batch=schedule.batch, steps=schedule.steps)
        self.added_steps = 0 if resumed is None else int(resumed.get("added_steps", 0))
        self.trainer = Trainer(
            self.network,
            self.objective,
            lengthened(stages, self.added_steps),
            batch=schedule.batch,
            seed=schedule.seed,
            grad_clip=schedule.grad_clip,
            supervised=recipe.supervision == "fsl",
            online_truth=config.data.online_truth,
            ema_decay=schedule.ema_decay,
            augment_on=config.data.augment_on,
            monitor=CollapseMonitor(self.objective.mean_bone) if config.logging.collapse else None,
            processes=self.processes,
        )
        self.throughput = Throughput(schedule.batch, 0.0 if resumed is None else float(resumed.get("seconds", 0.0)))
        self.history: list[dict[str, Any]] = []
        self.best = BestValidation.restored(None if resumed is None else resumed.get("best"))
        if resumed is not None:
            load_weights(self.network, resumed["network"], folder / LATEST)
            self.trainer.restore(resumed)
            self.history = list(resumed.get("history", []))
        self.validation = (
            None
            if recipe.validation is None
            else Validation(recipe.validation, config.logging.validate_rows, view=config.augmentation.view)
        )
        self.stop_asked = ""
        self._terms: dict[str, float] = {}  # of the last step
        self._warning = ""  # of the newest validation
        self._sheets = PreviewSheets(folder, config.logging.picture_rows)
        self._command = command or []

    def about(self) -> dict[str, Any]:
        """Facts that checkpoints carry."""
        return {
            "supervision": self.recipe.supervision,
            "baseline": self.recipe.baseline,
            **data_facts(self.recipe, self.data),
            "dataset": str(self.data.attributes.get("dataset", "")),
            "validation": "" if self.recipe.validation is None else str(self.recipe.validation.resolve()),
            "keypoints": keypoint_origin(self.data.attributes),
            "rows": len(self.data),
            "step": self.trainer.step,
            "steps": self.trainer.total,
            "start": self.start,
        }

    def run(
        self,
        *,
        workers: int = 0,
        log: Sequence[str] = (),
        note: Callable[[str], None] = lambda text: None,
        limit: TimeLimit | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> dict[str, float] | None:
        """Train to the end, to a limit of time, or until asked to stop.

        Args:
            workers: processes that read.
            log: loggers by name: see :func:`handsss.training.loggers.fan_out.logger_names`.
            note: told of loggers that fail.
            limit: when to stop before the last step and finish with what there is; None: never.
            on_progress: called after every step.

        Returns:
            The last validation, if there is one.

        Raises:
            StoppedError: ``stop_asked`` was set; the state is saved.
            CollapseError, NotFiniteStopError: see there; the state before the step is not saved over.
        """
        make_folder(self.folder)
        first = self.processes.first
        metrics = None
        if first:
            facts = RunFacts.of(self.folder, self.trainer.step, to_toml(self.config))
            metrics = MetricsLogger(self.folder, self.trainer.step, loggers=Loggers(log, facts, note))
        if metrics is not None:
            bone_from = mean_bone_of(self.data.attributes, self.config, self.network.hand.model)[1]
            write_run_facts(self.folder, self.config, self.about(), self.trainer, self._command, bone_from)
            if not self.history:
                self._validate(metrics)
        self.throughput.restart()

        def on_step(step: Step) -> None:
            self._terms = {name: float(value) for name, value in step.terms.parts.items()}
            if metrics is not None:
                on_progress(self._after(step, metrics, self.throughput.update(step.stage, step.number)))
            if any_process(bool(self.stop_asked), self.device):
                raise StoppedError("stop", self.folder)
            if limit is not None and any_process(limit.is_over(), self.device) and step.number + 1 < self.trainer.total:
                raise TimeUpError

        try:
            self.trainer.run(self.data, workers=workers, on_step=on_step)
        except TimeUpError:
            if metrics is not None:
                self._validate_final(metrics)
        except StoppedError:
            self.save()
            done = f"step {self.trainer.step} of {self.trainer.total}"
            text = f"{self.stop_asked or 'stopped'}: saved at {done} in {self.folder / LATEST}."
            raise StoppedError(text, self.folder) from None
        except NotFiniteError as error:
            raise NotFiniteStopError(self._keep(error), self.folder / BAD_BATCH) from error
        except CollapseError as error:
            raise CollapseError(f"step {self.trainer.step}: {error} Last state: {self.folder / LATEST}.") from None
        finally:
            if metrics is not None:
                metrics.close()
        self.finish()
        return self._newest()

    def _after(self, step: Step, metrics: MetricsLogger, speed: float) -> Progress:
        """Write the logs, previews, validations and checkpoints that are due after a step."""
        every, done = self.config.logging, step.number + 1
        last = done == self.trainer.total
        parts = self._terms
        state = health(step.terms, step.batch)
        if _due(done, every.log_every) or last:
            values: dict[str, Any] = {"stage": step.stage, "E": float(step.terms.total.detach()), **parts}
            values |= {"learning_rate": step.lr, "gradient": step.gradient, "images_per_second": speed}
            if state is not None:
                values |= {"bone_m": state.bone, "size_ratio": state.size_ratio, "area": state.area}
            metrics.write("train", done, values)
        if _due(done, every.picture_every) or (last and every.picture_every > 0):
            drawn = self._sheets.save(done, self.network, step.batch, self.objective.keypoint_set)
            metrics.loggers.picture(done, "train/samples", drawn)
        if _due(done, every.validate_every) or last:
            self._validate(metrics)
        if _due(done, every.save_every) and not last:
            self.save()
        return Progress(
            done,
            self.trainer.total,
            step.stage,
            step.lr,
            float(step.terms.total.detach()),
            parts,
            step.gradient,
            state,
            self.throughput.seconds,
            speed,
            self._newest(),
            self._warning,
            self.throughput.elapsed,
            self.throughput.remaining(self.trainer.stages, done),
        )

    def _validate_final(self, metrics: MetricsLogger) -> None:
        """A validation of the state that a limit of time left, unless the last step had one."""
        if not self.history or self.history[-1]["step"] != self.trainer.step:
            with torch.random.fork_rng(devices=[]):  # loaders draw from it, and an uninterrupted run has none here
                self._validate(metrics)

    def _newest(self) -> dict[str, Any] | None:
        return self.history[-1] if self.history else None

    def _validate(self, metrics: MetricsLogger) -> None:
        if self.validation is None:
            return
        ema = self.trainer.ema  # the averaged weights are the result, where they are kept
        with nullcontext() if ema is None else ema.applied(self.network):
            figures = {"step": self.trainer.step, **self.validation(self.network)}
            drawn = self._sheets.of_validation(self.network, self.validation) if metrics.loggers else None
        self.history = [*self.history, figures][-_HISTORY:]
        metrics.write("validation", self.trainer.step, {k: v for k, v in figures.items() if k != "step"})
        if drawn is not None:
            metrics.loggers.picture(self.trainer.step, "validation/samples", drawn)
        if self.best.update(figures):
            self._save_weights(BEST)
        self._warning = self.best.worse(figures)

    def save(self) -> None:
        """Save the state to resume from, and its facts beside it."""
        if not self.processes.first:
            return
        content = {**self.trainer.state(), **self._identity(), "history": self.history, "best": self.best.state()}
        content |= {"added_steps": self.added_steps, "seconds": self.throughput.elapsed}
        save_checkpoint(self.folder / LATEST, content)
        write_checkpoint_facts(self.folder / LATEST, self.about(), self._newest(), self._terms)

    def finish(self) -> None:
        """Save the result, weights alone (averaged if they are kept), and the state."""
        if not self.processes.first:
            return
        self.save()
        self._save_weights(FINAL)

    def _save_weights(self, name: str) -> None:
        """Save the weights alone, averaged if they are kept, without what only training needs."""
        ema = self.trainer.ema
        weights = self.network.state_dict() if ema is None else ema.state
        left_out = self.config.network.training_only
        weights = {name: value for name, value in weights.items() if not name.startswith(left_out)}
        plain = replace(self.config, network=replace(self.config.network, auxiliary=False))
        save_checkpoint(self.folder / name, {"network": weights, **self._identity(), "config": to_toml(plain)})
        write_checkpoint_facts(self.folder / name, self.about(), self._newest(), self._terms)

    def _identity(self) -> dict[str, Any]:
        return {
            "config": to_toml(self.config),
            "model": self.recipe.model,
            "keypoint_set": self.objective.keypoint_set,
            "mean_bone": self.objective.mean_bone,
            "joints_set": self.objective.joints_set,
            "about": self.about(),
        }

    def _keep(self, error: NotFiniteError) -> str:
        """Keep the batch in a file; returns the message for the user."""
        where = self.folder / BAD_BATCH
        assert self.trainer.current is not None
        batch, stage = self.trainer.current
        step = self.trainer.step
        keep_batch(
            where,
            self.network,
            self.objective,
            batch,
            config=self.config,
            model=self.recipe.model,
            stage=stage,
            step=step,
            reason=str(error),
        )
        return (
            f"step {step} (stage {stage}): {error} The state before is in "
            f"{self.folder / LATEST}, if one was saved. The batch is kept in {where}."
        )


def _due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0
