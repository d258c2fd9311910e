"""What would fail hours later is found before the work: settings against the backbone, the curriculum against the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landmark.cache import MANIFEST, StepCache
from landmark.config import RunConfig
from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.embedding_map import check_method
from landmark.evaluation.galleries import Split
from landmark.network.backbone import create_backbone, parameter_stages
from landmark.network.curriculum import resolve_stages
from landmark.network.weights import load_pretrained
from landmark.photos.catalog import Catalog
from landmark.recognition.calibration import needed
from landmark.run import RECORD
from landmark.steps.training import landmarks_kept_out
from landmark.storage import read_json


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


def check_shrink(config: RunConfig, catalog: Catalog) -> None:
    """Check that a source is not half mounted: most photos of the run's last published catalog are still there.

    Of a run that was never published, or whose catalog is gone, nothing is known, and nothing is refused.

    Raises:
        UsageError: more of them are gone, or can't be read any more, than `data.max_shrink` allows.
    """
    share = config.data.max_shrink
    before = _published_facts(config)
    if before is None or share >= 1:
        return
    photos, had = len(catalog.table), sum(before["photos"].values())
    mend = "see that all of the source is mounted; if they are meant to be gone, give data.max_shrink=1 once"
    if photos < (1 - share) * had:
        raise UsageError(
            f"data.max_shrink {share:g}: the catalog has {photos} photos, and the last one of run "
            f"'{config.name}' had {had}; {mend}"
        )
    # Sidecars and damaged files that were there before are no news.
    rejects, knew = len(catalog.rejects), int(before.get("rejects", 0))
    if rejects - knew > share * (photos + rejects):
        raise UsageError(
            f"data.max_shrink {share:g}: {rejects} of {photos + rejects} files cannot be read, and {knew} could not before "
            f"(run '{config.name}'); {mend}"
        )


def _published_facts(config: RunConfig) -> dict[str, Any] | None:
    """What the step `catalog` said of the catalog that the run's folder was published with last."""
    home = Path(config.home).resolve()
    try:
        key = read_json(home / "runs" / config.name / RECORD)["steps"]["catalog"]["key"]
        facts: dict[str, Any] = read_json(StepCache(home).folder("catalog", key) / MANIFEST)["facts"]
        return facts if sum(facts["photos"].values()) else None
    except (LandmarkError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def check_catalog(config: RunConfig, file: Path) -> None:
    """Check that the catalog has the photos that every later step needs, and that none went missing.

    Raises:
        UsageError: a stage of the curriculum, of either training, has too little to train on; too few photos calibrate;
            much of what was there before is gone.
        LandmarkError: a split that is measured on is empty.
    """
    catalog = Catalog.load(file)
    check_shrink(config, catalog)
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
