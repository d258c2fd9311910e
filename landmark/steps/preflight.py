"""What would fail hours later is found before the work: settings against the backbone, the curriculum against the catalog."""

from __future__ import annotations

from pathlib import Path

from landmark.config import RunConfig
from landmark.errors import UsageError
from landmark.evaluation.embedding_map import check_method
from landmark.evaluation.galleries import Split
from landmark.network.backbone import create_backbone, parameter_stages
from landmark.network.curriculum import resolve_stages
from landmark.network.weights import load_pretrained
from landmark.photos.catalog import Catalog
from landmark.recognition.calibration import needed
from landmark.steps.training import landmarks_kept_out


def check_settings(config: RunConfig) -> None:
    """Check what the config says of the network.

    Raises:
        UsageError: no such backbone or weights, a stage freezes more than there is, there are more learners than the
            embedding can be divided among, or the map's method is not installed; names the key.
    """
    check_method(config.evaluation.map)
    network = config.network
    backbone = create_backbone(network.backbone, network.image_size)
    load_pretrained(backbone, network.backbone, network.pretrained, network.image_size)
    stages = max(parameter_stages(backbone).values()) + 1
    for position, stage in enumerate(config.training.stages):
        if stage.freeze > stages:
            raise UsageError(
                f"training.stages.{position}.freeze: '{config.network.backbone}' has {stages} stages, so 0 to {stages}, "
                f"not {stage.freeze}"
            )
    learners = config.training.learners
    if config.training.loss == "divide_and_conquer" and learners > network.dim // 2:
        raise UsageError(
            f"training.learners {learners}: each takes at least 2 dimensions, and network.dim is {network.dim}; "
            f"at most {network.dim // 2}"
        )


def check_catalog(config: RunConfig, file: Path) -> None:
    """Check that the catalog has the photos that every later step needs.

    Raises:
        UsageError: a stage of the curriculum, of either training, has too little to train on; too few photos calibrate.
        LandmarkError: a split that is measured on is empty.
    """
    catalog = Catalog.load(file)
    resolve_stages(catalog, config)
    split = Split.of(catalog.table)
    photos, fewest = int(split.calibrate.sum()), needed(config.calibration.specificity)
    if photos < fewest:
        raise UsageError(
            f"calibration.specificity {config.calibration.specificity}: the calibrate split has {photos} photos without a "
            f"landmark, and at least {fewest} are needed to show it; add photos to `others`, raise data.calibrate, or aim lower"
        )
    if config.evaluation.leave_out:
        kept_out = landmarks_kept_out(catalog, config)
        try:
            resolve_stages(catalog.only(~catalog.table["landmark"].isin(kept_out)), config)
        except UsageError as error:
            raise UsageError(
                f"evaluation.leave_out {config.evaluation.leave_out}: without {', '.join(kept_out)}, {error}"
            ) from error
