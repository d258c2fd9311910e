"""A version that its store does not hold as it was registered: the same content is registered anew, and takes its place."""

import json
from pathlib import Path

import pytest

from landmark.errors import LandmarkError
from landmark.registry import by_hand, models
from landmark.registry.connection import connect
from landmark.registry.versions import DAMAGED_TAG, aliases, find
from tests.registry.samples import Sample


def place(sample: Sample, version: str) -> Path:
    client = connect(sample.home)
    logged = client.get_logged_model(find(client, "landmark", version).tags["landmark.logged_model"])
    return Path(logged.artifact_location.removeprefix("file://"))


@pytest.mark.parametrize("lost", ["artifacts/recognizer/calibration.json", "MLmodel", "cut"])
def test_the_same_content_is_registered_anew(sample: Sample, lost: str) -> None:
    sample.gate("good")
    client = connect(sample.home)
    folder = place(sample, "1")
    if lost == "cut":
        file = folder / "artifacts" / "recognizer" / "centroids.parquet"
        file.write_bytes(file.read_bytes()[:-5])
    else:
        (folder / lost).unlink()
    if lost != "MLmodel":
        with pytest.raises(LandmarkError, match=r"`landmark models rollback`.*`landmark retrain CONFIG name=NEW`"):
            models.fetch("models:/landmark@champion", sample.home)
    facts = sample.gate("good", sample.config("new", max_seconds_ratio=None))
    # It is the champion's own content: nothing is to be compared.
    assert (facts["challenger"], facts["champion"]) == ("2", "1"), facts
    assert (facts["passed"], facts["promoted"]) == (True, True), facts
    assert aliases(client, "landmark")["champion"] == "2"
    damaged = json.loads(find(client, "landmark", "1").tags[DAMAGED_TAG])
    assert damaged["when"]
    assert damaged["why"]
    assert [bool(row["damaged"]) for row in models.listing(client, "landmark")] == [True, False]
    assert aliases(client, "landmark")["challenger"] == "2"
    # A third time there is a whole one.
    assert sample.register("good", sample.config("third")).facts["version"] == "2"


def test_who_asks_for_the_damaged_one_gets_the_same_content(sample: Sample) -> None:
    sample.gate("good")
    (place(sample, "1") / "artifacts" / "recognizer" / "calibration.json").write_text("{}")
    sample.register("good", sample.config("new"))
    assert aliases(connect(sample.home), "landmark")["champion"] == "1"
    assert models.fetch("models:/landmark@champion", sample.home) == place(sample, "2") / "artifacts" / "recognizer"


def test_a_rollback_passes_over_a_damaged_one(sample: Sample) -> None:
    client = connect(sample.home)
    for number, variant in enumerate(("deaf", "good", "same")):
        sample.register(variant, sample.config(f"r{number}"))
        by_hand.promote(client, "landmark", "challenger", home=sample.home, force=True, why="test")
    client.set_model_version_tag("landmark", "2", DAMAGED_TAG, "{}")
    assert by_hand.rollback(client, "landmark", home=sample.home) == "1"
