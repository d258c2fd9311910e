"""Cleaning as steps of a run: what is done again when what changes, and two real rounds on a tiny network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.plan import plan as flow_plan
from landmark.config import RunConfig
from landmark.errors import UsageError
from landmark.photos.catalog import Catalog
from landmark.recognition.cleaning_table import CleaningTable
from landmark.run import Run
from landmark.steps.plan import ARTEFACTS, artefacts, plan
from tests.fake_steps import fake
from tests.network.conftest import run_config


def config(home: Path, rounds: int, **sections: dict[str, Any]) -> RunConfig:
    values: dict[str, Any] = {
        "name": "fake",
        "home": str(home),
        "data": {"format": "world"},
        "training": {"stages": [{"name": "all"}]},
        "cleaning": {"rounds": rounds, **sections.pop("cleaning", {})},
    }
    return RunConfig.model_validate({**values, **sections})


def perform(settings: RunConfig) -> list[str]:
    run = Run(settings, fake(flow_plan(settings)))
    for step in run.steps:
        run.perform(step)
    return run.ran


AFTER = ["train", "embed", "centroids", "index", "calibrate", "recognizer", "baselines", "evaluate", "register", "gate"]


def test_the_steps_of_the_rounds(tmp_path: Path) -> None:
    names = [step.name for step in plan(config(tmp_path, 0))]
    assert "raw_catalog" not in names
    assert perform(config(tmp_path, 2)) == ["world", "raw_catalog", "clean_1", "train_1", "clean_2", "catalog", *AFTER]
    assert perform(config(tmp_path, 2)) == []


def test_a_further_round_takes_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    perform(config(tmp_path, 1))
    assert perform(config(tmp_path, 2))[:3] == ["train_1", "clean_2", "catalog"]
    perform(config(tmp_path, 3))
    assert perform(config(tmp_path, 1)) == []


@pytest.mark.parametrize(
    ("sections", "first"),
    [
        ({"cleaning": {"slack": 0.5}}, "clean_1"),
        ({"network": {"image_size": 64}}, "clean_1"),
        # The pretrained network is the same whatever is trained on top of it.
        ({"network": {"dim": 64}}, "train_1"),
        ({"training": {"stages": [{"name": "all", "epochs": 1}]}}, "train_1"),
        ({"calibration": {"specificity": 0.9}}, "calibrate"),
    ],
    ids=str,
)
def test_a_change_redoes_what_depends_on_it(tmp_path: Path, sections: dict[str, Any], first: str) -> None:
    perform(config(tmp_path, 2))
    assert perform(config(tmp_path, 2, **sections))[0] == first


def test_references_count_by_content(tmp_path: Path) -> None:
    file = tmp_path / "references.csv"
    file.write_text("photo,landmark\n")
    data = {"format": "world", "references": str(file)}
    perform(config(tmp_path, 1, data=data))
    assert perform(config(tmp_path, 1, data=data)) == []
    file.write_text("photo,landmark\na/1.jpg,a\n")
    # The catalog as it was read does not depend on them, and this cleaning comes out as it was.
    assert perform(config(tmp_path, 1, data=data)) == ["clean_1"]
    file.unlink()
    with pytest.raises(UsageError, match=r"data\.references: .*references\.csv does not exist"):
        perform(config(tmp_path, 1, data=data))


def test_the_table_and_the_page_are_artefacts_of_a_run_with_cleaning(tmp_path: Path) -> None:
    assert artefacts(config(tmp_path, 0)) == ARTEFACTS
    added = set(artefacts(config(tmp_path, 2))) - set(ARTEFACTS)
    assert added == {"cleaning.parquet", "cleaning.html"}


@pytest.fixture
def noisy(painted: Catalog, tmp_path: Path) -> tuple[Catalog, set[str]]:
    """The painted catalog with splits; three bells and three others in the train split are labelled as arches."""
    table = painted.table.copy()
    place = np.arange(len(table)) % 5
    table["split"] = np.where(place == 0, "test", np.where((place == 1) & (table["landmark"] == ""), "calibrate", "train"))
    training = table["split"] == "train"
    wrong = [*table.index[training & (table["landmark"] == "bell")][:3], *table.index[training & (table["landmark"] == "")][:3]]
    table.loc[wrong, ["landmark", "region"]] = ["arch", "Europe"]
    catalog = Catalog(table, painted.landmarks, painted.rejects)
    catalog.save(tmp_path / "noisy.parquet")
    return catalog, set(table.loc[wrong, "sha256"])


def real(tmp_path: Path, rounds: int, **data: Any) -> Run:
    values = run_config(stages=[{"name": "all", "epochs": 1, "learning_rate": 0.002}]).model_dump()
    values |= {"name": "clean", "home": str(tmp_path / "home"), "threads": 1}
    values["data"] = {"format": "catalog", "source": str(tmp_path / "noisy.parquet"), **data}
    values["calibration"]["specificity"] = 0.7
    values["cleaning"] = {"rounds": rounds, "neighbours": 3}
    settings = RunConfig.model_validate(values)
    return Run(settings, plan(settings))


def until(run: Run, last: str) -> None:
    for step in run.steps:
        run.perform(step)
        if step.name == last:
            return


@pytest.mark.slow
def test_two_rounds_clean_what_training_sees(noisy: tuple[Catalog, set[str]], tmp_path: Path) -> None:
    catalog, wrong = noisy
    run = real(tmp_path, 2)
    until(run, "train")
    cleaned = Catalog.load(run.outputs["catalog"].folder / "catalog.parquet")
    found = CleaningTable.load(run.outputs["catalog"].folder / "cleaning.parquet")
    dropped = set(found.table.loc[~found.table["kept"], "sha256"])
    # A network with random weights sees little; how well a good one cleans is for the benchmark to say.
    assert dropped & wrong
    assert set(catalog.table["sha256"]) - set(cleaned.table["sha256"]) == dropped
    # Photos that calibrate or test, and those without a landmark, are never touched.
    for name in ("calibrate", "test"):
        assert len(cleaned.split(name)) == len(catalog.split(name))
    assert (cleaned.table["landmark"] == "").sum() == (catalog.table["landmark"] == "").sum()
    assert set(cleaned.split("train").table["landmark"]) == set(catalog.split("train").table["landmark"])
    facts = run.outputs["catalog"].facts
    assert facts["dropped"] == len(dropped) == len(cleaned.rejects)
    assert facts["photos"]["train"] == len(cleaned.split("train"))
    assert found.table["round"].isin([1, 2]).all()
    for name in set(artefacts(run.config)) - set(ARTEFACTS):
        step, _, path = artefacts(run.config)[name].partition("/")
        assert (run.outputs[step].folder / path).is_file()
    page = (run.outputs["catalog"].folder / "cleaning.html").read_text(encoding="utf-8")
    assert "round 2" in page
    # With the same settings there is nothing to do, also in another process.
    again = real(tmp_path, 2)
    assert [again.perform(step) for step in again.steps[:6]]
    assert again.ran == []


def test_given_references_stay(noisy: tuple[Catalog, set[str]], tmp_path: Path) -> None:
    catalog, wrong = noisy
    rows = catalog.table[catalog.table["sha256"].isin(wrong)]
    lines = [f"{photo},arch" for photo in rows["photo"]]
    tested = catalog.table[(catalog.table["split"] == "test") & (catalog.table["landmark"] == "bell")]
    lines.append(f"{tested['photo'].iloc[0]},bell")  # of another split: it has no part, and is no error
    (tmp_path / "references.csv").write_text("\n".join(["photo,landmark", *lines]) + "\n")
    run = real(tmp_path, 1, references=str(tmp_path / "references.csv"))
    until(run, "catalog")
    cleaned = Catalog.load(run.outputs["catalog"].folder / "catalog.parquet")
    assert wrong <= set(cleaned.table["sha256"])


def test_a_catalog_that_could_not_be_trained_on_is_refused_before_any_work(
    noisy: tuple[Catalog, set[str]], tmp_path: Path
) -> None:
    run = real(tmp_path, 1)
    run.config = run.config.model_copy(update={"calibration": run.config.calibration.model_copy(update={"specificity": 0.99})})
    with pytest.raises(UsageError, match="the calibrate split has 4 photos"):
        until(run, "catalog")


def test_photos_without_an_embedding_are_kept(noisy: tuple[Catalog, set[str]], tmp_path: Path) -> None:
    catalog, _ = noisy
    row = catalog.table[(catalog.table["split"] == "train") & (catalog.table["landmark"] == "dome")].iloc[0]
    kept = Path(row["photo"]).read_bytes()
    Path(row["photo"]).write_bytes(b"gone")
    try:
        run = real(tmp_path, 1)
        until(run, "catalog")
    finally:
        Path(row["photo"]).write_bytes(kept)
    found = CleaningTable.load(run.outputs["catalog"].folder / "cleaning.parquet").table.set_index("sha256")
    assert found.loc[row["sha256"], "kept"]
    assert found.loc[row["sha256"], "reason"].startswith("not judged")
