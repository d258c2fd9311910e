"""How many versions stay, what goes with one that does not, and what is known of it afterwards."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.errors import LandmarkError
from landmark.registry import by_hand, promotion, retention, trace
from landmark.registry.connection import connect
from landmark.registry.retention import prune_versions
from landmark.registry.versions import LOGGED_TAG, aliases, find, versions
from tests.registry.samples import Sample

MODEL = "landmark"


def make(home: Path, count: int) -> MlflowClient:
    client = connect(home)
    client.create_registered_model(MODEL)
    for number in range(1, count + 1):
        client.create_model_version(MODEL, (home / str(number)).as_uri(), tags={"landmark.digest": f"{number:064x}"})
    return client


def switched(client: MlflowClient, home: Path, to: str, action: str = trace.GATE) -> None:
    now = aliases(client, MODEL).get("champion")
    assert promotion.switch(client, MODEL, home, expected=now, to=to, action=action, why="").switched


def left(client: MlflowClient) -> list[str]:
    return [str(version.version) for version in versions(client, MODEL)]


def test_what_has_a_name_or_was_champion_last_stays(home: Path) -> None:
    client = make(home, 9)
    for to in ("1", "3", "4"):
        switched(client, home, to)
    client.set_registered_model_alias(MODEL, "challenger", "8")
    client.set_registered_model_alias(MODEL, "mine", "2")
    # anchor 1, mine 2, champions 4 and 3, challenger 8, the latest 9.
    planned = [one.version for one in prune_versions(client, MODEL, home, 2, dry_run=True)]
    assert planned == ["5", "6", "7"]
    assert len(left(client)) == 9
    assert [one.version for one in prune_versions(client, MODEL, home, 2)] == planned
    assert left(client) == ["1", "2", "3", "4", "8", "9"]
    assert prune_versions(client, MODEL, home, 2) == []
    rows = by_hand.history(client, MODEL, home)
    assert [(row["action"], row["from"]) for row in rows[3:]] == [("prune", "5"), ("prune", "6"), ("prune", "7")]
    assert f"{5:064x}" in rows[3]["why"]
    assert by_hand.rollback(client, MODEL, home=home) == "3"


def test_the_trace_outlives_the_version(home: Path) -> None:
    client = make(home, 6)
    for to in ("1", "2", "3", "6"):
        switched(client, home, to)
    before = by_hand.history(client, MODEL, home)
    assert [one.version for one in prune_versions(client, MODEL, home, 1)] == ["2", "3", "4", "5"]
    assert by_hand.history(client, MODEL, home)[:4] == before
    # Those between are gone: the champion before is the first that is left.
    assert by_hand.rollback(client, MODEL, home=home) == "1"


def test_a_switch_under_way_keeps_its_versions(home: Path) -> None:
    client = make(home, 5)
    trace.begin(client, MODEL, [], trace.PROMOTE, "2", "3", "", False, "elsewhere")
    assert [one.version for one in prune_versions(client, MODEL, home, 1)] == ["1", "4"]


@pytest.fixture
def pruned(sample: Sample) -> tuple[Sample, MlflowClient, Any, Path]:
    """Version 1 of three, about to be deleted; and where its files lie."""
    for number, variant in enumerate(("deaf", "good", "loose")):
        sample.register(variant, sample.config(f"r{number}"))
    client = connect(sample.home)
    version = find(client, MODEL, "1")
    place = Path(client.get_logged_model(version.tags[LOGGED_TAG]).artifact_location.removeprefix("file://"))
    assert (place / "MLmodel").is_file()
    return sample, client, version, place


def test_its_files_go_and_its_run_stays(pruned: tuple[Sample, MlflowClient, Any, Path]) -> None:
    sample, client, version, place = pruned
    others = sorted(path.name for path in place.parents[1].iterdir() if path != place.parent)
    assert [one.version for one in prune_versions(client, MODEL, sample.home, 1)] == ["1", "2"]
    assert not place.parent.exists()
    assert len([path for path in place.parents[1].iterdir() if path.name in others]) == 1
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(version.tags[LOGGED_TAG])
    assert client.get_run(version.run_id).data.metrics["sensitivity"] == 0.5
    assert {file.path for file in client.list_artifacts(version.run_id)} >= {"report.html", "catalog"}
    assert not [key for key in client.get_registered_model(MODEL).tags if key.startswith(retention.PRUNING)]
    # The same content again is a version again.
    assert sample.register("deaf", sample.config("again")).facts["version"] == "4"


@pytest.mark.parametrize("where", ["delete_model_version", "delete_logged_model", "delete_registered_model_tag"])
def test_killed_while_one_is_deleted(
    pruned: tuple[Sample, MlflowClient, Any, Path], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    sample, client, _, place = pruned

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, where, killed)
        with pytest.raises(KeyboardInterrupt):
            prune_versions(client, MODEL, sample.home, 2)
    prune_versions(client, MODEL, sample.home, 2)
    assert left(client) == ["2", "3"]
    assert not place.parent.exists()
    assert not [key for key in client.get_registered_model(MODEL).tags if key.startswith(retention.PRUNING)]


def test_nothing_is_deleted_that_is_not_its_own(pruned: tuple[Sample, MlflowClient, Any, Path]) -> None:
    sample, client, version, place = pruned
    logged = version.tags[LOGGED_TAG]
    client.create_registered_model("production")
    client.create_model_version("production", f"models:/{logged}", run_id=version.run_id, model_id=logged)
    prune_versions(client, MODEL, sample.home, 2)
    assert left(client) == ["2", "3"]
    assert (place / "MLmodel").is_file()  # another model's version
    for other in ("../..", "none", "m-" + "0" * 31, "m-" + "0" * 32 + "\n"):
        with pytest.raises(LandmarkError, match="is no logged model"):
            retention.remove_artefacts(client, other)
    retention.remove_artefacts(client, "m-" + "0" * 32)  # gone already
    foreign = client.create_logged_model(client.get_run(version.run_id).info.experiment_id, source_run_id=version.run_id)
    with pytest.raises(LandmarkError, match="not a recognizer's"):
        retention.remove_artefacts(client, foreign.model_id)


def test_registering_prunes_and_does_not_fail_by_it(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(sample.home)

    def config(number: int, keep: int | None) -> Any:
        made = sample.config(f"r{number}")
        return made.model_copy(update={"registry": made.registry.model_copy(update={"keep_versions": keep})})

    for number, variant in enumerate(("deaf", "good", "loose")):
        sample.register(variant, config(number, None))
    assert left(client) == ["1", "2", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(retention, "prune_versions", lambda *_: 1 / 0)
        assert sample.register("same", config(3, 1)).facts["version"] == "4"
    assert "old versions could not be deleted" in caplog.text
    sample.register("same", config(4, 1))
    assert left(client) == ["4"]
