"""What the flows are called with, checked by Prefect's server when a run is asked for. Light to import: no Prefect."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from landmark.settings import Settings
from landmark.tagging.drift_config import DriftConfig
from landmark.tagging.output_config import OutputConfig

CHAMPION = "models:/landmark@champion"
Hours = Annotated[float, Field(gt=0)]


class FlowParameters(Settings):
    """What every flow takes."""

    notify: str | None = Field(
        None,
        description="who is told of a failure: a Prefect block `TYPE/NAME` that notifies or calls a webhook, e.g. "
        "`slack-webhook/ops`, `custom-webhook/ops`, `webhook/ops`; None: LANDMARK_NOTIFY, if set",
        pattern=r"^[a-z0-9-]+/[a-z0-9-]+$",
    )


class RetrainParameters(FlowParameters):
    """Parameters of `retrain`."""

    config: str = Field(description="YAML file of the run, on the worker's machine", min_length=1)
    overrides: tuple[str, ...] = Field((), description="settings as KEY=VALUE, e.g. calibration.specificity=0.995")
    step_hours: Hours = Field(24, description="longest time for one step [hours]")


class RefreshParameters(RetrainParameters):
    """Parameters of `refresh`."""

    model: str | None = Field(
        None,
        description="recognizer whose network is kept: models:/NAME@ALIAS or a folder; None: the champion",
    )


class EvaluateParameters(FlowParameters):
    """Parameters of `evaluate`."""

    model: str = Field(CHAMPION, description="recognizer: models:/NAME@ALIAS, folder or s3://")
    catalog: str = Field(description="catalog with a test split (.parquet); s3:// allowed", min_length=1)
    out: str = Field(description="folder for metrics.json and report.html", min_length=1)
    home: str | None = Field(None, description="home folder; None: LANDMARK_HOME, else .landmark")
    hours: Hours = Field(12, description="longest time [hours]")


class TagParameters(FlowParameters):
    """Parameters of `tag`."""

    photos: str = Field(description="folder, list file or s3:// prefix", min_length=1)
    out: str = Field(description="folder for the tags; a later run goes on there", min_length=1)
    model: str = Field(CHAMPION, description="recognizer: models:/NAME@ALIAS, folder or s3://")
    home: str | None = Field(None, description="home folder; None: LANDMARK_HOME, else .landmark")
    hours: Hours = Field(48, description="longest time [hours]")
    engine: Literal["local", "ray"] = Field("local", description="the worker's machine, or a Ray cluster (RAY_ADDRESS)")
    device: str = Field("auto", description="auto, cpu or gpu")
    workers: int = Field(0, ge=0, description="threads that read photos; 0: one a CPU, 16 for s3:// [count]")
    shard: int = Field(512, ge=1, description="photos a shard: what a kill can cost [count]")
    outputs: OutputConfig = Field(
        default_factory=OutputConfig, description="albums, gallery, XMP sidecars, names, smallest confidence"
    )
    drift: DriftConfig = Field(default_factory=DriftConfig, description="when a tagged collection has drifted")
    config: str | None = Field(
        None, description="YAML file of the run that drift lets refresh or retrain; None: drift is only told"
    )
