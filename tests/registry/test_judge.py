"""From a registered version to a verdict, and to the champion: the steps `register` and `gate` one after another."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from PIL import Image

from landmark.errors import LandmarkError
from landmark.recognition.recognizer import Recognizer
from landmark.recognition.recognizer_file import MANIFEST
from landmark.registry import by_hand, judge, models, package, verdicts
from landmark.registry.connection import connect
from landmark.registry.verdict import Verdict
from landmark.registry.versions import ATTEMPT_TAG, find, versions
from landmark.storage import read_json, sha256_file
from tests.registry.samples import OTHERS, PHOTOS, Sample

MODEL = "landmark"


@pytest.fixture
def client(home: Path) -> MlflowClient:
    return connect(home)


def of(client: MlflowClient) -> dict[str, str]:
    return models.aliases(client, MODEL)


def test_what_a_version_holds(sample: Sample, client: MlflowClient) -> None:
    made = sample.register("good")
    assert made.facts["version"] == "1"
    assert of(client) == {"challenger": "1"}
    version = find(client, MODEL, "1")
    folder = sample.folder / "variants" / "good" / "recognizer"
    assert version.tags["landmark.network"] == read_json(folder / MANIFEST)["fingerprint"]
    assert version.tags["landmark.manifest"] == sha256_file(folder / MANIFEST)
    assert int(version.tags["landmark.bytes"]) == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    for tag in ("landmark.digest", "landmark.catalog", "landmark.config"):
        assert len(version.tags[tag]) == 64
    assert version.tags["landmark.version"]
    assert models.figures_of(version) == {"sensitivity": 0.5, "specificity": 0.75, "threshold": 1.0}
    logged = client.get_logged_model(version.tags["landmark.logged_model"])
    # Linked: run, data set and model.
    metric = next(row for row in logged.metrics if row.key == "specificity")
    assert (metric.value, metric.run_id, metric.dataset_name) == (0.75, version.run_id, "catalog")
    assert logged.params["landmark.catalog"] == version.tags["landmark.catalog"]
    place = models.fetch("models:/landmark/1", sample.home)
    assert not [file for file in place.parents[1].rglob("*") if file.suffix in (".pkl", ".pickle", ".pt", ".pth")]
    assert {"MLmodel", "requirements.txt", "served.py", "input_example.json"} <= {
        file.name for file in place.parents[1].iterdir()
    }
    assert Recognizer.load(place).network.fingerprint == models.network_of(client, MODEL, "challenger")[0]


def test_the_same_content_is_one_version(sample: Sample, client: MlflowClient) -> None:
    sample.register("good")
    sample.register("deaf")
    assert sample.register("good", sample.config("other")).facts["version"] == "1"
    assert len(versions(client, MODEL)) == 2
    assert of(client)["challenger"] == "1"


def test_a_file_that_does_not_arrive_whole_makes_no_version(
    sample: Sample, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = package._upload

    def cut(run_id: str, candidate: Any, code: Path) -> tuple[str, str]:
        uri, model_id = whole(run_id, candidate, code)
        place = Path(client.get_logged_model(model_id).artifact_location.removeprefix("file://"))
        file = place / "artifacts" / "recognizer" / "centroids.parquet"
        file.write_bytes(file.read_bytes()[:-7])
        return uri, model_id

    with monkeypatch.context() as patch:
        patch.setattr(package, "_upload", cut)
        with pytest.raises(LandmarkError, match=r"centroids.parquet did not arrive as it was sent"):
            sample.register("good")
    assert versions(client, MODEL) == []
    assert of(client) == {}
    assert sample.register("good").facts["version"] == "1"
    assert len(versions(client, MODEL)) == 1


def test_a_request_that_was_sent_twice_makes_one_version(
    sample: Sample, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = MlflowClient.create_model_version

    def twice(self: MlflowClient, *arguments: Any, **options: Any) -> Any:
        once(self, *arguments, **options)
        return once(self, *arguments, **options)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert sample.register("good").facts["version"] == "1"
    (only,) = versions(client, MODEL)
    assert only.tags[ATTEMPT_TAG]


def test_the_first_version_needs_no_rival(sample: Sample, client: MlflowClient) -> None:
    facts = sample.gate("good")
    assert facts == {
        "passed": True, "promoted": True, "champion": None, "challenger": "1", "reasons": [], "note": "",
    }  # fmt: skip
    assert of(client) == {"challenger": "1", "champion": "1", "anchor": "1"}
    assert [row["action"] for row in by_hand.history(client, MODEL, sample.home)] == ["gate"]
    assert models.listing(client, MODEL)[0]["against"] == "none"


def test_bounds_keep_the_first_version_out_too(sample: Sample, client: MlflowClient) -> None:
    facts = sample.gate("deaf", sample.config(min_sensitivity=0.5))
    assert (facts["passed"], facts["promoted"], facts["reasons"]) == (False, False, ["least sensitivity"])
    assert of(client) == {"challenger": "1"}


def test_a_worse_one_is_refused_and_a_better_one_promoted(sample: Sample, client: MlflowClient) -> None:
    sample.gate("deaf")
    better = sample.gate("good", sample.config("better", max_seconds_ratio=None))
    assert (better["passed"], better["promoted"], better["champion"], better["challenger"]) == (True, True, "1", "2")
    worse = sample.gate("loose", sample.config("worse", max_seconds_ratio=None))
    assert (worse["promoted"], worse["reasons"], worse["champion"]) == (False, ["specificity", "specificity since anchor"], "2")
    assert of(client) == {"champion": "2", "challenger": "3", "anchor": "1"}
    version = find(client, MODEL, "3")
    assert (version.tags["landmark.gate"], version.tags["landmark.gate.against"]) == ("refused", "2")
    (row,) = verdicts.all_of(version)
    names = {Path(file.path).name for file in client.list_artifacts(version.run_id, row["artefact"])}
    assert names == {"verdict.json", "gate.html", "shares.png", "landmarks.png"}


def test_the_verdict_says_what_was_counted(sample: Sample) -> None:
    sample.gate("good")
    config = sample.config("deaf", max_seconds_ratio=None)
    facts = sample.gate("deaf", config)
    assert facts["reasons"] == ["sensitivity", "worst landmark", "small landmarks"]
    (folder,) = [
        path for path in sample.home.glob("steps/gate-*") if read_json(path / "verdict.json")["about"]["version"] == "2"
    ]
    verdict = Verdict.from_json(read_json(folder / "verdict.json"))
    by_name = {check.name: check for check in verdict.checks}
    # What the champion gives when it is asked for the files themselves; the deaf one gives nothing.
    files = sorted((sample.folder / "photos").glob("[!o]*.png"))
    served = Recognizer.load(sample.folder / "variants" / "good" / "recognizer").recognize(files)["landmark"]
    right = dict.fromkeys(("arch", "bell", "dome"), 0)
    for file, given in zip(files, served, strict=True):
        right[file.name.split("_")[0]] += file.name.startswith(f"{given}_")
    assert (by_name["sensitivity"].champion, by_name["sensitivity"].challenger) == (sum(right.values()) / 18, 0.0)
    assert {row.landmark: (row.champion, row.lost, row.won) for row in verdict.landmarks} == {
        name: (count, count, 0) for name, count in right.items()
    }
    assert (by_name["specificity"].challenger, by_name["specificity"].passed) == (1.0, True)
    assert {row.photos for row in verdict.landmarks} == {PHOTOS}
    assert verdict.about["photos"] == 3 * PHOTOS + OTHERS
    assert verdict.about["rule"] == judge.rule_digest(config.registry.gate)
    page = (folder / "gate.html").read_text()
    HTMLParser().feed(page)
    assert "<b>Bell</b>" not in page
    assert "&lt;b&gt;Bell&lt;/b&gt;" in page
    assert page.count("data:image/jpeg") >= min(12, sum(right.values()))
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")
    for name in ("shares.png", "landmarks.png"):
        assert Image.open(folder / name).width > 400


def test_what_was_rolled_back_stays_so(sample: Sample, client: MlflowClient) -> None:
    sample.gate("deaf")
    config = sample.config(max_seconds_ratio=None)
    sample.gate("good", config)
    assert by_hand.rollback(client, MODEL, home=sample.home, why="complaints") == "1"
    # Nothing new: the step is done. A new rule: it is judged again, passes, and stays where it is.
    assert sample.gate("good", config)["promoted"] is True
    assert of(client)["champion"] == "1"
    again = sample.gate("good", sample.config(alpha=0.04, max_seconds_ratio=None))
    assert (again["passed"], again["promoted"]) == (True, False)
    assert "rolled back" in again["note"]
    assert of(client)["champion"] == "1"
    assert by_hand.promote(client, MODEL, "2", home=sample.home) == "2"


def test_a_verdict_alone(sample: Sample, client: MlflowClient) -> None:
    facts = sample.gate("good", sample.config(auto_promote=False))
    assert (facts["passed"], facts["promoted"]) == (True, False)
    assert of(client) == {"challenger": "1"}
    assert by_hand.promote(client, MODEL, "challenger", home=sample.home) == "1"


def test_a_champion_that_changes_meanwhile_is_compared_with(
    sample: Sample, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.gate("deaf")
    sample.register("good", sample.config("good"))
    whole, seen = judge._compare, []

    def meanwhile(client: MlflowClient, work: Any, model: str, champion: str | None, version: str) -> Any:
        found = whole(client, work, model, champion, version)
        if not seen:
            by_hand.promote(client, MODEL, "2", home=sample.home, force=True, why="meanwhile")
        seen.append(champion)
        return found

    monkeypatch.setattr(judge, "_compare", meanwhile)
    facts = sample.gate("same", sample.config("same", max_seconds_ratio=None))
    assert seen == ["1", "2"]
    assert (facts["champion"], facts["promoted"]) == ("2", True)
    assert of(client)["champion"] == "3"
    assert [row["from"] for row in by_hand.history(client, MODEL, sample.home)] == [None, "1", "2"]


def test_a_champion_that_is_damaged_is_an_error_and_stays(sample: Sample, client: MlflowClient) -> None:
    sample.gate("deaf")
    folder = models.fetch("models:/landmark@champion", sample.home)
    file = folder / "calibration.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(LandmarkError, match=r"models:/landmark/1: not whole in its store .*calibration.json is damaged"):
        sample.gate("good")
    assert of(client) == {"champion": "1", "challenger": "2", "anchor": "1"}
