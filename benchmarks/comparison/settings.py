"""The settings of a comparison: the same data, network, epochs and tuning budget for every row."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from landmark.config import (
    CalibrationConfig,
    CentroidsConfig,
    Fraction,
    Positive,
    Settings,
    SourcedConfig,
    StageConfig,
    TrainingConfig,
)


class RowConfig(Settings):
    """A method: what it trains by, and how it recognises where it is published with a way of its own."""

    paper: str = Field(description="where the method is from")
    training: dict[str, Any] | None = Field(default_factory=dict, description="keys of training: loss etc.; None: not trained")
    grid: dict[str, list[Any]] = Field(default_factory=dict, description="values that tuning tries beside the learning rates")
    refresh: bool = Field(False, description="centres are placed anew every `refresh_every` epochs of the tier")
    curriculum: bool = Field(False, description="classes enter region by region, as `curriculum` says")
    recognition: Literal["plain", "ours", "ours, one centroid"] = Field(
        "plain",
        description="plain: the trained embedding alone, the better of class means and all photos; ours: as a release is made",
    )


class PartConfig(Settings):
    """One stage of the curriculum."""

    regions: list[str] | None = Field(None, description="regions that enter (None: all)")
    share: Fraction = Field(description="of the epochs")


class TierConfig(Settings):
    """How much of the network is trained, how long, and what tuning may cost."""

    frozen_stages: Annotated[int, Field(ge=0)] | None = Field(
        None, description="backbone stages kept as they are (their outputs are computed once); None: all but the neck"
    )
    views: Positive = Field(description="augmented views of each training photo that are kept and drawn from [count]")
    warm_up: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs before the others in which the neck alone trains [count]"
    )
    epochs: Positive = Field(description="passes over the training photos [count]")
    batch_size: Positive = Field(description="photos a step [count]")
    refresh_every: Positive = Field(3, description="epochs between refreshes, for rows that refresh [count]")
    learning_rates: list[float] = Field(min_length=1, description="tuned over, for every row; one: not tuned")
    trials: Positive = Field(description="tuning budget: trainings a row [count]")
    tuned_like: str | None = Field(None, description="tier whose tuned settings (but for the learning rate) are taken over")
    seeds: list[int] = Field(min_length=1, description="seeds of the trainings that are reported")
    rows: list[str] | None = Field(None, description="names of rows (None: all)")


class LossesConfig(SourcedConfig):
    """One comparison: data, network, recognition, tiers and rows."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the results")
    home: str = Field(".landmark", description="folder for what is kept; relative to the working folder")
    training: dict[str, Any] = Field(default_factory=dict, description="keys of training that all rows share")
    curriculum: list[PartConfig] = Field(min_length=1, description="how classes enter, for rows with a curriculum")
    centroids: CentroidsConfig = Field(default_factory=CentroidsConfig)
    calibration: CalibrationConfig = Field(default_factory=CalibrationConfig)
    keep_weights: list[Annotated[float, Field(ge=0)]] = Field(
        [1.0],
        min_length=1,
        description="weights of the pretrained embedding beside the tuned one that our recognition chooses from",
    )
    notes: list[str] = Field(default_factory=list, description="what a reader of the results must know; printed with them")
    leave_out: Annotated[int, Field(ge=2)] = Field(3, description="every n-th landmark by id is kept from the second training")
    validation: Fraction = Field(
        0.25, description="share of the training photos, by near-duplicate group, that tuning judges by"
    )
    validation_leave_out: Annotated[int, Field(ge=2)] = Field(
        4, description="every n-th landmark by id is kept from the trainings that tuning judges, and judged as a new one"
    )
    tiers: dict[str, TierConfig]
    rows: dict[str, RowConfig]

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if sum(part.share for part in self.curriculum) > 1 + 1e-9:
            raise ValueError("curriculum: the shares add up to more than 1")
        for name, tier in self.tiers.items():
            unknown = sorted(set(tier.rows or []) - set(self.rows))
            if unknown:
                raise ValueError(f"tiers.{name}.rows: no row '{unknown[0]}'; there are {', '.join(self.rows)}")
            if tier.tuned_like is not None and tier.tuned_like not in self.tiers:
                raise ValueError(f"tiers.{name}.tuned_like: no tier '{tier.tuned_like}'; there are {', '.join(self.tiers)}")
            if tier.tuned_like is not None and self.tiers[tier.tuned_like].tuned_like is not None:
                raise ValueError(f"tiers.{name}.tuned_like: tier '{tier.tuned_like}' must be tuned by trials of its own")
            for row in self.rows_of(name):
                self._check_training(name, row)
                trials = len(self.trials(name, row))
                if trials != tier.trials and self.rows[row].training is not None:
                    raise ValueError(f"rows.{row}.grid: {trials} trials in tier '{name}', but every row gets {tier.trials}")
        return self

    def _check_training(self, tier: str, row: str) -> None:
        """Refuse an impossible training before any work."""
        for trial in self.trials(tier, row):
            try:
                self.training_of(tier, row, trial)
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(str(part) for part in first["loc"])
                raise ValueError(f"rows.{row}.training: {key}: {first['msg']} (tier '{tier}', trial {trial})") from error

    def rows_of(self, tier: str) -> list[str]:
        """Names of a tier's rows, in order."""
        chosen = self.tiers[tier].rows
        return [name for name in self.rows if chosen is None or name in chosen]

    def trials(self, tier: str, row: str) -> list[dict[str, Any]]:
        """What tuning tries for a row: every learning rate with every combination of the row's own values."""
        chosen, settings = self.tiers[tier], self.rows[row]
        if settings.training is None:
            return [{}]
        own = {} if chosen.tuned_like is not None else settings.grid
        names = ["learning_rate", *own]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(chosen.learning_rates, *own.values())]

    def training_of(self, tier: str, row: str, trial: dict[str, Any]) -> TrainingConfig | None:
        """The training of a row with the values of a trial; None for a row that is not trained."""
        chosen, settings = self.tiers[tier], self.rows[row]
        if settings.training is None:
            return None
        values = {**self.training, **settings.training, **{k: v for k, v in trial.items() if k != "learning_rate"}}
        rate = trial.get("learning_rate", chosen.learning_rates[0])
        stages = self._stages(chosen, rate, settings)
        return TrainingConfig(**{**values, "batch_size": chosen.batch_size, "stages": stages})

    def _stages(self, tier: TierConfig, rate: float, row: RowConfig) -> list[StageConfig]:
        refresh = tier.refresh_every if row.refresh else 0
        parts = self.curriculum if row.curriculum else [PartConfig(share=1.0)]
        if tier.warm_up:  # the first part is the warm-up, all else comes after: no row has fewer epochs with all classes
            first = StageConfig(
                name="warm-up",
                regions=parts[0].regions,
                epochs=tier.warm_up,
                freeze=1,
                learning_rate=rate,
                refresh_every=refresh,
            )
            rest = StageConfig(name="all", epochs=tier.epochs, learning_rate=rate, refresh_every=refresh)
            return [first, rest]
        stages = []
        left = tier.epochs
        for number, part in enumerate(parts, start=1):
            epochs = left if number == len(parts) else max(1, round(part.share * tier.epochs))
            left -= epochs
            stages.append(
                StageConfig(
                    name=f"part {number}", regions=part.regions, epochs=epochs, learning_rate=rate, refresh_every=refresh
                )
            )
        return stages
