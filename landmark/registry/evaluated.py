"""What MLflow keeps of a measurement that is no part of a retrain."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag

from landmark.registry.tracking import BATCH, connect, experiment_of, source_tags


def log_evaluation(home: Path, model: str, catalog: str, metrics: Mapping[str, float], files: Sequence[Path]) -> str:
    """Log the figures of a recognizer on a catalog as a run of their own.

    Args:
        home: home folder.
        model: URI of the recognizer.
        catalog: URI of the catalog.
        metrics: under their fixed names.
        files: kept with the run.

    Returns:
        MLflow's id of the run.
    """
    client = connect(home)
    tags = {"landmark.run": "evaluate", "landmark.model": model, **source_tags()}
    run_id = str(client.create_run(experiment_of(client, home), run_name="evaluate", tags=tags).info.run_id)
    now = int(time.time() * 1000)
    points = [Metric(name, float(value), now, 0) for name, value in metrics.items()]
    client.log_batch(
        run_id,
        metrics=points[:BATCH],
        params=[Param("model", model), Param("catalog", catalog)],
        tags=[RunTag("landmark.catalog_uri", catalog)],
    )
    for file in files:
        if file.exists():
            client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, status="FINISHED")
    return run_id
