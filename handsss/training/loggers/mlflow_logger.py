"""MLflow: files in the run's folder, unless MLFLOW_TRACKING_URI names a server or a database."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import numpy as np

from handsss.training.loggers.base import RunFacts

_EXPERIMENT = "handsss"
_LONGEST = 500  # characters of a parameter
_TOGETHER = 100  # parameters in one call


class MlflowLogger:
    """Writes RUN/mlflow, or to where MLFLOW_TRACKING_URI points.

    Args:
        facts: of the run; a resumed one goes on under its identity.
    """

    def __init__(self, facts: RunFacts) -> None:
        own = (facts.folder / "mlflow").resolve().as_uri()
        address = os.environ.get("MLFLOW_TRACKING_URI", own)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no connection that nobody asked for
        if address == own:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 wants to be asked for plain files
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._metric = Metric
        self._client = MlflowClient(tracking_uri=address)
        self._id = facts.identity("mlflow")
        if self._id:
            self._client.update_run(self._id, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        self._id = self._client.create_run(experiment, run_name=facts.name).info.run_id
        facts.keep_identity("mlflow", self._id)
        params = [Param(key, str(value)[:_LONGEST]) for key, value in facts.settings.items()]
        for begin in range(0, len(params), _TOGETHER):
            self._client.log_batch(self._id, params=params[begin : begin + _TOGETHER])
        self._client.log_text(self._id, facts.toml, "config.toml")

    def values(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [self._metric(name, value, now, step) for name, value in values.items()])

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self._client.log_image(self._id, picture, key=name.replace("/", "_"), step=step)

    def close(self) -> None:
        self._client.set_terminated(self._id)
