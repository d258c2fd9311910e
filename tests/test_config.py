"""Settings: what is wrong is said in one line, with the key's path and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.comparison.settings import LossesConfig
from landmark.config import RunConfig
from landmark.config_file import load_config, read_config
from landmark.errors import UsageError

GOOD: dict[str, Any] = {"name": "r", "data": {"format": "world"}, "training": {"stages": [{"name": "a"}, {"name": "b"}]}}


def write(tmp_path: Path, values: Any) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return file


def problem(file: Path, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_config(file, list(overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_and_overrides(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    overrides = ["calibration.specificity=0.995", "training.stages.1.epochs=2", "metadata.gps_veto_km=null", "name=x"]
    config = load_config(file, overrides)
    assert config.calibration.specificity == 0.995
    assert [stage.epochs for stage in config.training.stages] == [5, 2]
    assert config.metadata.gps_veto_km is None
    assert config.name == "x"
    assert load_config(file).calibration.specificity == 0.99


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "calibration.specifity=0.9",
            ["calibration.specifity", "unknown key", "neighbours, per_landmark, rescore, specificity"],
        ),
        ("training.stages.0.epoch=1", ["training.stages.0.epoch", "unknown key", "epochs"]),
        ("calibration.specificity=1.5", ["calibration.specificity", "less than 1"]),
        ("calibration.rescore=maybe", ["calibration.rescore", "'auto', 'always' or 'never'"]),
        ("training.batch_size=many", ["training.batch_size", "valid integer"]),
        ("training.stages.0.name=b", ["training", "names must differ"]),
        ("training.stages=[]", ["training.stages", "at least 1 item"]),
        ("training.devices=7", ["training", "multiple of devices 7"]),
        ("data.format=gldv2", ["data", "source is needed"]),
        ("data.calibrate=0.9", ["data", "must leave something to train on"]),
        ("network.image_size=16", ["network.image_size", "greater than or equal to 32"]),
        ("name=a/b", ["name", "pattern"]),
        ("training.stages.9.epochs=1", ["'9'", "from 0 to 1"]),
        ("training.stages.x.epochs=1", ["'x'", "from 0 to 1"]),
        ("name.first=1", ["'name' is not a section"]),
        ("novalue", ["expected KEY=VALUE"]),
        ("name=[", ["not valid YAML"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, override: str, words: list[str]) -> None:
    message = problem(write(tmp_path, GOOD), override)
    for word in words:
        assert word in message


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    message = problem(write(tmp_path, {**GOOD, "sed": 1, "index": {"recall": 2}}))
    assert "sed: unknown key" in message
    assert "index.recall" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "expected keys and values"),
        ("a: [", "not valid YAML"),
        ("", "expected keys and values"),
        ("{}", "data: Field required"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, words: str) -> None:
    assert words in problem(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "none.yaml: cannot be read (No such file" in problem(tmp_path / "none.yaml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"name: \xff")
    assert "not text in UTF-8 (byte 6)" in problem(file)


def test_paths_are_relative_to_the_config(tmp_path: Path) -> None:
    data = {"source": "photos", "others": "/absolute", "splits": "../splits.csv", "landmarks": "s3://bucket/landmarks.csv"}
    file = write(tmp_path, {**GOOD, "data": data, "network": {"pretrained": "weights.pth"}})
    config = load_config(file)
    assert config.data.source == str(tmp_path / "photos")
    assert config.data.others == "/absolute"
    assert config.data.splits == str(tmp_path.parent / "splits.csv")
    assert config.data.landmarks == "s3://bucket/landmarks.csv"
    assert config.network.pretrained == str(tmp_path / "weights.pth")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text("abc.=[]{}'\n", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(RunConfig.model_fields)), inner, max_size=4)
    ),
    max_leaves=10,
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(content=values, override=st.text("ab.=[0\n:", max_size=8))
def test_nothing_but_a_usage_error_ever(tmp_path: Path, content: Any, override: str) -> None:
    file = write(tmp_path, yaml.safe_dump(content))
    message = ""
    try:
        load_config(file, [override])
    except UsageError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize("file", sorted(Path(__file__).parents[1].glob("configs/*.yaml")), ids=lambda file: file.name)
def test_the_repository_configs_are_valid(file: Path) -> None:
    config = read_config(file, [], LossesConfig if file.name.startswith("losses-") else RunConfig)
    comments = [line for line in file.read_text().split("name:")[0].splitlines() if line.startswith("#")]
    assert any(f"configs/{file.name}" in line for line in comments)
    assert config.name == file.stem


def test_a_name_that_a_refresh_would_take(tmp_path: Path) -> None:
    values: dict[str, Any] = {"name": "photos-refresh", "data": {"format": "world"}, "training": {"stages": [{"name": "all"}]}}
    with pytest.raises(ValueError, match="name 'photos-refresh': names that end in '-refresh' are those of refreshes"):
        RunConfig.model_validate(values)
    assert RunConfig.model_validate({**values, "base": "recognizer"}).name == "photos-refresh"
