"""The evaluate flow: a recognizer measured on a catalog's test split, on a schedule.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prefect import flow, task

from flows import artifacts
from flows.again import AGAIN, TOO_LONG, persist, said_plainly
from flows.begin import begin
from flows.names import by_out
from flows.notice import tell
from flows.parameters import EvaluateParameters
from landmark.commands import evaluate_model
from landmark.errors import LandmarkError
from landmark.home import default_home
from landmark.journal import Journal


@flow(
    name="evaluate",
    description="A recognizer, the champion as a rule, measured on a catalog's test split.",
    flow_run_name=by_out,
    on_failure=[tell],
    on_crashed=[tell],
    persist_result=False,
)
def evaluate(parameters: EvaluateParameters) -> dict[str, float]:
    """Measure a recognizer; writes metrics.json and report.html, and an MLflow run beside the version.

    Args:
        parameters: see `EvaluateParameters`.

    Returns:
        The metrics under their fixed names.

    Raises:
        LandmarkError: recognizer or catalog cannot be read, or it took too long.
    """
    return persist(partial(_evaluate, parameters))


def _evaluate(parameters: EvaluateParameters) -> dict[str, float]:
    home = Path(parameters.home).resolve() if parameters.home else default_home()
    begin(str(home))
    out = Path(parameters.out).absolute()
    with Journal(home).attempt("evaluate", out.name, model=parameters.model) as note:
        try:
            metrics = measure.with_options(timeout_seconds=parameters.hours * 3600)(parameters, home)
        except TOO_LONG as error:
            raise LandmarkError(f"evaluate: ended after {parameters.hours:g} hours; allow more by `hours`") from error
        record.with_options(timeout_seconds=600)(parameters, home, metrics)
        note.facts = {name: metrics[name] for name in ("sensitivity", "specificity") if name in metrics}
    rows = [{"figure": name, "value": value} for name, value in metrics.items()]
    artifacts.table(artifacts.key("evaluate", out.name, "figures"), rows, f"{parameters.model} on {parameters.catalog}")
    artifacts.link(artifacts.key("evaluate", out.name, "report"), out / "report.html", "report")
    return metrics


@task(name="measure", tags=["landmark"], persist_result=False, **AGAIN)
def measure(parameters: EvaluateParameters, home: Path) -> dict[str, float]:
    """Measure."""
    with said_plainly():
        return evaluate_model(parameters.model, parameters.catalog, Path(parameters.out), home)


@task(name="record", tags=["landmark"], persist_result=False, **AGAIN)
def record(parameters: EvaluateParameters, home: Path, metrics: dict[str, float]) -> str:
    """Keep the figures in MLflow."""
    from landmark.registry.evaluated import log_evaluation

    files = [Path(parameters.out) / name for name in ("metrics.json", "report.html")]
    with said_plainly():
        return log_evaluation(home, parameters.model, parameters.catalog, metrics, files)
