"""Which photos a version was made with, asked for by the gate."""

from pathlib import Path

import pandas as pd
import pytest

from landmark.registry import splits
from landmark.registry.connection import connect
from landmark.registry.download import cached
from landmark.registry.tracking import Tracker
from landmark.registry.versions import SPLITS_TAG, find
from tests.registry.conftest import run_config
from tests.registry.samples import Sample


def test_a_version_tells_its_photos(sample: Sample) -> None:
    sample.register("good")
    client = connect(sample.home)
    table = pd.read_parquet(sample.folder / "catalog" / "catalog.parquet")
    wanted = {sha256[:16]: split for sha256, split in zip(table["sha256"], table["split"], strict=True)}
    assert len(wanted) == 30
    version = find(client, "landmark", "1")
    assert splits.used_for(client, "landmark", "1", sample.home) == wanted
    # What was downloaded is kept, as long as it is whole; damaged, it is downloaded again.
    folder = Path(f"{cached(sample.home, 'landmark', version)}-splits")
    assert (folder / splits.FILE).is_file()
    stored = Path(client.get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    (file,) = stored.rglob(splits.FILE)
    whole = file.read_bytes()
    file.write_bytes(b"other")
    assert splits.used_for(client, "landmark", version, sample.home) == wanted
    (folder / splits.FILE).write_bytes(b"damaged")
    assert splits.used_for(client, "landmark", version, sample.home) == {}
    file.write_bytes(whole)
    assert splits.used_for(client, "landmark", version, sample.home) == wanted
    file.unlink()
    (folder / splits.FILE).unlink()
    assert splits.used_for(client, "landmark", version, sample.home) == {}


@pytest.mark.parametrize("tag", ["", "/../../steps", "f" * 63, "F" * 64, "f" * 64])
def test_one_that_does_not_tell(sample: Sample, tag: str) -> None:
    sample.register("good")
    client = connect(sample.home)
    client.set_model_version_tag("landmark", "1", SPLITS_TAG, tag)
    assert splits.used_for(client, "landmark", "1", sample.home) == {}


def test_what_its_network_was_trained_on_counts(home: Path) -> None:
    """A refresh trains nothing: what it now measures with may be what its network has learned."""
    client = connect(home)
    client.create_registered_model("landmark")

    def version(name: str, network: str, photos: dict[str, str]) -> str:
        tracker = Tracker(run_config(home, name=name))
        table = pd.DataFrame({"sha256": [key * 64 for key in photos], "split": list(photos.values())})
        digest = splits.write_splits(tracker, "landmark", network, table, home)
        tags = {SPLITS_TAG: digest, "landmark.network": network}
        uri = (home / name).as_uri()
        return str(client.create_model_version("landmark", uri, run_id=tracker.run_id, tags=tags).version)

    first = version("a", "n1", {"1": "train", "2": "calibrate", "3": "test"})
    second = version("b", "n1", {"1": "test", "2": "train", "4": "test"})
    third = version("c", "n1", {"2": "test", "3": "calibrate"})
    fresh = version("d", "n2", {"1": "test"})

    def used(number: str) -> dict[str, str]:
        return {key[0]: split for key, split in splits.used_for(client, "landmark", number, home).items()}

    assert used(first) == {"1": "train", "2": "calibrate", "3": "test"}
    assert used(second) == {"1": "train", "2": "train", "3": "test", "4": "test"}
    assert used(third) == {"1": "train", "2": "train", "3": "calibrate", "4": "test"}
    assert used(fresh) == {"1": "test"}
