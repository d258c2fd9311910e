"""Versions, the champion, and the way back."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from landmark.errors import LandmarkError
from landmark.registry import models
from landmark.registry.tracking import connect


@pytest.fixture
def client(home: Path, tmp_path: Path) -> MlflowClient:
    client = connect(home)
    client.create_registered_model("landmark")
    for number in range(1, 4):
        tags = {models.DIGEST_TAG: f"digest{number}", "sensitivity": f"0.{number}"}
        client.create_model_version("landmark", (tmp_path / str(number)).as_uri(), tags=tags)
    client.set_registered_model_alias("landmark", "champion", "1")
    client.set_registered_model_alias("landmark", "challenger", "3")
    return client


def champion(client: MlflowClient) -> str:
    return models.aliases(client, "landmark")["champion"]


def test_list(client: MlflowClient) -> None:
    rows = models.listing(client, "landmark")
    assert [row["version"] for row in rows] == ["1", "2", "3"]
    assert [row["aliases"] for row in rows] == [["champion"], [], ["challenger"]]
    assert rows[1]["sensitivity"] == 0.2
    assert rows[1]["specificity"] is None
    assert models.listing(client, "none") == []


def test_promote_and_roll_back(client: MlflowClient) -> None:
    assert models.promote(client, "landmark", "challenger") == "3"
    assert models.promote(client, "landmark", "2") == "2"
    assert models.promote(client, "landmark", "2") == "2"
    assert models.rollback(client, "landmark") == "3"
    assert models.rollback(client, "landmark") == "1"
    assert champion(client) == "1"
    with pytest.raises(LandmarkError, match="no champion before this one"):
        models.rollback(client, "landmark")


def test_a_version_that_is_not_there(client: MlflowClient) -> None:
    with pytest.raises(LandmarkError, match="no version or alias '9'; there are 1, 2, 3"):
        models.promote(client, "landmark", "9")
    with pytest.raises(LandmarkError, match="there are none"):
        models.promote(client, "none", "1")
    assert champion(client) == "1"


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_a_switch_that_was_cut_off_is_no_switch_or_a_whole_one(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    models.promote(client, "landmark", "2")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    second_call = {"promote": "set_registered_model_alias", "rollback": "set_registered_model_tag"}[command]
    arguments = {"promote": (client, "landmark", "3"), "rollback": (client, "landmark")}[command]
    with monkeypatch.context() as patch:
        patch.setattr(client, second_call, killed)
        with pytest.raises(KeyboardInterrupt):
            getattr(models, command)(*arguments)
    if command == "promote":
        assert champion(client) == "2"
        assert models.rollback(client, "landmark") == "1"
    else:
        assert champion(client) == "1"
        models.promote(client, "landmark", "3")
        assert models.rollback(client, "landmark") == "1"
