"""The settings of a training: its loss, its batches, its stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from landmark.methods import METHODS, LossName, Method, Miner, Sampler
from landmark.settings import Fraction, Positive, Settings


class StageConfig(Settings):
    """One stage of the curriculum."""

    name: str = Field(description="name of the stage in curves and reports")
    regions: list[str] | None = Field(None, description="regions that enter at this stage (None: all); earlier ones stay")
    landmarks: list[str] | None = Field(None, description="landmarks that enter at this stage, by id (None: as regions say)")
    non_landmarks: bool = Field(True, description="whether the non-landmark class takes part")
    freeze: Annotated[int, Field(ge=0)] = Field(
        0, description="backbone stages, counted from the input, that are kept as they are"
    )
    epochs: Positive = Field(5, description="passes over as many photos as the stage has [count]")
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        5e-4, description="peak rate of the backbone (AdamW); heads take `head_rate` times as much"
    )
    image_size: Annotated[int, Field(ge=32, le=1024)] | None = Field(
        None, description="side of the training input [pixels] (None: the network's)"
    )
    centre_weight: Annotated[float, Field(ge=0)] | None = Field(None, description="overrides training.centre_weight")
    refresh_every: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs between centroid refreshes in the stage; 0: only at its start"
    )


class TrainingConfig(Settings):
    """How the network is trained."""

    loss: LossName = Field("subcenter_arcface", description="what is minimised; see landmark/methods.py for where each is from")
    scale: Annotated[float, Field(gt=0)] | None = Field(
        None, description="inverse temperature s of similarities (None: the loss's own, as in landmark/methods.py)"
    )
    margin: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="margin (None: the loss's own): arcface, subcenter_arcface, open_arcface [radians]; cosface, soft_triple, "
        "pair_softmax [cosine]; sphereface [whole multiple of the angle]; triplet, triplet_softmax, centroid_triplet [squared "
        "distance]; contrastive, margin, divide_and_conquer [distance]",
    )
    subcenters: Positive = Field(
        3, description="rows a class for subcenter_arcface, dynamic_arcface, open_arcface, soft_triple [count]"
    )
    miner: Miner | None = Field(None, description="which triplets of a batch a triplet loss takes (None: the loss's own)")
    classification_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="alpha: weight of the softmax beside the triplet loss in triplet_softmax"
    )
    learners: Annotated[int, Field(ge=2)] = Field(
        8, description="clusters of photos, and parts of the embedding, in divide_and_conquer [count]"
    )
    recluster_every: Positive = Field(2, description="epochs between clusterings in divide_and_conquer [count]")
    centre_weight: Annotated[float, Field(ge=0)] = Field(
        0.1,
        description="lambda: weight of (1/2) mean squared distance to the nearest centroid of the class (not given: 0 with "
        "losses that compare photos with photos)",
    )
    centres: Literal["one", "several"] = Field("several", description="centres a landmark: its mean, or one for each aspect")
    centre_update: Literal["refreshed", "learned"] = Field(
        "refreshed", description="between refreshes centres move by Wen's rule; 'learned': as parameters, by the optimiser"
    )
    centre_rate: Fraction = Field(0.5, description="alpha: rate of Wen's centre update between refreshes")
    sampler: Literal["auto"] | Sampler = Field(
        "auto",
        description="batches: class shares by `landmark_power` ('balanced'), some photos each of some classes ('per_class'), "
        "or photos as they come ('shuffled'); 'auto': as the loss needs it",
    )
    photos_per_class: Annotated[int, Field(ge=2)] | None = Field(
        None, description="photos of a landmark in a batch of the sampler 'per_class' (None: the loss's own, 2 or 4) [count]"
    )
    batch_size: Positive = Field(64, description="photos a step, over all devices; ntxent sees each of them twice [count]")
    landmark_power: Fraction = Field(
        0.5, description="classes are drawn in proportion to photos ** power: 1 as they come, 0 all alike"
    )
    non_landmark_share: Annotated[float, Field(ge=0, lt=1)] = Field(0.25, description="share of a batch that shows no landmark")
    head_rate: Annotated[float, Field(gt=0)] = Field(4.0, description="learning rate of neck and heads, times the backbone's")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.02, description="AdamW weight decay")
    warmup: Fraction = Field(0.15, description="share of a stage's steps over which the rate rises")
    schedule: Literal["cosine", "steps"] = Field(
        "cosine", description="'steps' divides by 10 at 40 % and 80 % of the epochs, as in the paper"
    )
    crop_scale: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="smallest share of a photo's area that a random crop keeps"
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field("32-true", description="Lightning Fabric precision")
    workers: Annotated[int, Field(ge=0)] = Field(0, description="data-loading processes; 0: in the training process")
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        8 * 2**30, description="decoded photos are kept in a file while training, if it is no larger than this [bytes]"
    )
    devices: Positive = Field(1, description="processes (data-parallel, torchrun) [count]")
    stages: list[StageConfig] = Field(min_length=1, description="the curriculum, in order")

    @property
    def method(self) -> Method:
        """The loss with the values of this run: its own standard values where the settings give none."""
        method = METHODS[self.loss]
        return replace(
            method,
            scale=method.scale if self.scale is None else self.scale,
            margin=method.margin if self.margin is None else self.margin,
            miner=method.miner if self.miner is None else self.miner,
            sampler=method.sampler if self.sampler == "auto" else self.sampler,
            photos_per_class=method.photos_per_class if self.photos_per_class is None else self.photos_per_class,
        )

    @model_validator(mode="before")
    @classmethod
    def _no_unasked_centres(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "centre_weight" in values:
            return values
        methods = [method for name, method in METHODS.items() if name == values.get("loss")]
        return {**values, "centre_weight": 0.0} if methods and not methods[0].classification else values

    @model_validator(mode="after")
    def _fits_the_loss(self) -> Self:
        method = METHODS[self.loss]
        for key in ("scale", "margin", "miner"):
            if getattr(self, key) is not None and getattr(method, key) is None:
                raise ValueError(f"{key}: the loss '{self.loss}' has none; leave it out")
        if self.margin is not None and self.margin > method.largest_margin:
            raise ValueError(f"margin: at most {method.largest_margin:g} with the loss '{self.loss}', got {self.margin:g}")
        if self.loss == "sphereface" and self.margin is not None and self.margin not in range(1, 9):
            raise ValueError(f"margin: sphereface multiplies the angle by a whole number of at least 1, got {self.margin:g}")
        if self.method.sampler != "per_class" and self.photos_per_class is not None:
            raise ValueError(f"photos_per_class: the sampler is '{self.method.sampler}'; set it to 'per_class'")
        if self.method.sampler == "per_class" and self.method.photos_per_class > self.batch_size // self.devices:
            raise ValueError(
                f"photos_per_class {self.method.photos_per_class}: a device's part of a batch has only "
                f"{self.batch_size // self.devices} photos; raise batch_size"
            )
        if self.centre_update == "learned" and any(stage.refresh_every for stage in self.stages):
            raise ValueError("centre_update 'learned': a refresh would undo what was learned; set refresh_every to 0")
        return self

    @model_validator(mode="after")
    def _stages(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages: names must differ, got {names}")
        if self.batch_size % self.devices:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of devices {self.devices}")
        return self
