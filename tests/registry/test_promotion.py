"""The champion, who may become it, the way back, and the trace of it all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from landmark.errors import GateRefused, LandmarkError, UsageError
from landmark.registry import by_hand, models, promotion, trace, verdicts
from landmark.registry.connection import connect
from landmark.registry.verdict import Check, Verdict
from landmark.registry.versions import DIGEST_TAG, aliases, find, versions

Client = MlflowClient


@pytest.fixture
def client(home: Path, tmp_path: Path) -> Client:
    """Three versions; the gate has passed 2 and 3 against 1."""
    made = connect(home)
    made.create_registered_model("landmark")
    for number in range(1, 4):
        tags = {DIGEST_TAG: str(number) * 64, "sensitivity": f"0.{number}", "landmark.bytes": "1500000"}
        made.create_model_version("landmark", (tmp_path / str(number)).as_uri(), tags=tags)
    made.set_registered_model_alias("landmark", "champion", "1")
    made.set_registered_model_alias("landmark", "challenger", "3")
    for version in ("2", "3"):
        judged(made, version, "1", True)
    return made


def judged(client: Client, version: str, against: str, passed: bool, when: str = "2026-01-01T00:00:00+00:00") -> None:
    check = Check("specificity", "share", 1.0, 0.5, -0.5, None, None, 0.0, passed, "")
    about = {"against": against, "when": when, "rule": "r" * 64, "catalog": "c" * 64}
    verdicts.write(client, "landmark", version, Verdict((check,), (), {}, about), None, "gate/x")


def champion(client: Client) -> str:
    return aliases(client, "landmark")["champion"]


def promote(client: Client, home: Path, wanted: str, **options: Any) -> str:
    return by_hand.promote(client, "landmark", wanted, home=home, **options)


def forced(client: Client, home: Path, wanted: str) -> str:
    return promote(client, home, wanted, force=True, why="I know")


def rollback(client: Client, home: Path, **options: Any) -> str:
    return by_hand.rollback(client, "landmark", home=home, **options)


def events(client: Client) -> list[trace.Event]:
    return trace.events(versions(client, "landmark"))


def test_list(client: Client) -> None:
    rows = models.listing(client, "landmark")
    assert [row["version"] for row in rows] == ["1", "2", "3"]
    assert [row["aliases"] for row in rows] == [["champion"], [], ["challenger"]]
    assert (rows[1]["sensitivity"], rows[1]["specificity"], rows[1]["bytes"]) == (0.2, None, 1500000)
    assert [(row["gate"], row["against"]) for row in rows] == [(None, None), ("passed", "1"), ("passed", "1")]
    assert rows[0]["since"] is None  # by no event
    assert models.listing(client, "none") == []


def test_more_versions_than_a_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.search_model_versions
    monkeypatch.setattr(client, "search_model_versions", lambda text, **options: whole(text, **{**options, "max_results": 1}))
    assert [row["version"] for row in models.listing(client, "landmark")] == ["1", "2", "3"]


def test_promote_and_roll_back(client: Client, home: Path) -> None:
    assert promote(client, home, "challenger") == "3"
    assert promote(client, home, "3") == "3"
    judged(client, "2", "3", True)
    assert promote(client, home, "2") == "2"
    assert rollback(client, home, why="worse at night") == "3"
    assert rollback(client, home) == "1"
    assert champion(client) == "1"
    with pytest.raises(LandmarkError, match="no champion before this one"):
        rollback(client, home)
    rows = by_hand.history(client, "landmark", home)
    assert [(row["action"], row["from"], row["to"], row["outcome"]) for row in rows] == [
        ("promote", "1", "3", "done"),
        ("promote", "3", "2", "done"),
        ("rollback", "2", "3", "done"),
        ("rollback", "3", "1", "done"),
    ]
    assert rows[2]["why"] == "worse at night"
    assert all(row["who"].count("@") == 1 and row["time"].endswith("+00:00") for row in rows)
    first = models.listing(client, "landmark")[0]
    assert first["since"] == rows[3]["time"]


def test_roll_back_to_a_version(client: Client, home: Path) -> None:
    promote(client, home, "3")
    forced(client, home, "2")
    assert rollback(client, home, to="1") == "1"
    with pytest.raises(LandmarkError, match="no champion before"):
        rollback(client, home)
    assert rollback(client, home, to="challenger") == "3"


def test_the_gates_word_is_needed(client: Client, home: Path) -> None:
    judged(client, "2", "1", False, "2026-01-02T00:00:00+00:00")
    with pytest.raises(
        GateRefused, match=r"version 2 is not promoted: the gate refused it against version 1.*specificity"
    ) as caught:
        promote(client, home, "2")
    assert caught.value.exit_status == 3
    promote(client, home, "3")
    with pytest.raises(GateRefused, match="has not held it against version 3"):
        promote(client, home, "1")
    assert champion(client) == "3"
    with pytest.raises(UsageError, match="say why"):
        promote(client, home, "1", force=True)
    assert promote(client, home, "1", force=True, why="two lines\nof words") == "1"
    last = events(client)[-1]
    assert (last.forced, last.why, last.before, last.to) == (True, "two lines of words", "3", "1")


def test_where_there_is_no_champion_the_bounds_must_have_been_passed(client: Client, home: Path) -> None:
    client.delete_registered_model_alias("landmark", "champion")
    with pytest.raises(GateRefused, match="there is no champion"):
        promote(client, home, "2")
    judged(client, "2", "none", True)
    assert promote(client, home, "2") == "2"


@pytest.mark.parametrize("wanted", ["9", "", "../1", "1 or 1=1", "v' or name like '%", "a" * 300, "1\n", "٣", "champion\u202e"])
def test_a_version_that_is_not_there(client: Client, home: Path, wanted: str) -> None:
    with pytest.raises(UsageError, match=r"no version or alias .*; there are 1, 2, 3") as caught:
        promote(client, home, wanted)
    assert str(caught.value).isprintable()
    with pytest.raises(UsageError):
        rollback(client, home, to=wanted)
    with pytest.raises(UsageError):
        models.details(client, "landmark", wanted)
    assert champion(client) == "1"


@pytest.mark.parametrize("model", ["", "a/b", "a:b", "x' or name like '%", "a\nb", " a", "a" * 300, 'q"'])
def test_a_models_name_that_is_none(client: Client, model: str) -> None:
    with pytest.raises(UsageError, match="not a model's name"):
        models.listing(client, model)
    with pytest.raises(UsageError, match="not a model's name"):
        models.champion(client, model)


def test_a_long_reason_fits_into_mlflows_tags(client: Client, home: Path) -> None:
    assert promote(client, home, "2", force=True, why='"\\é' * 5000) == "2"
    assert len(events(client)[-1].why) == trace.LONGEST


Killer = Callable[..., None]


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_switch_that_was_cut_off_is_none(client: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(client, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(client, home, "3")
    assert champion(client) == "1"
    assert [row["outcome"] for row in by_hand.history(client, "landmark", home)] == ["not done"]
    with pytest.raises(LandmarkError, match="no champion before"):
        rollback(client, home)
    assert promote(client, home, "3") == "3"
    assert [event.outcome for event in events(client)] == ["not done", "done"]


def test_a_switch_whose_outcome_was_cut_off_is_a_whole_one(client: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trace, "end", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(client, home, "3")
    assert champion(client) == "3"
    assert events(client)[0].outcome is None
    assert models.champion(client, "landmark")["since"] == events(client)[0].time  # type: ignore[index]
    assert promote(client, home, "3") == "3"
    assert [event.outcome for event in events(client)] == ["done"]
    assert rollback(client, home) == "1"


def test_what_another_machine_has_under_way_is_left_alone(client: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "who", lambda: "ann@elsewhere")
    trace.begin(client, "landmark", [], trace.PROMOTE, "1", "2", "", False)
    monkeypatch.setattr(trace, "who", lambda: "ben@here")
    assert by_hand.history(client, "landmark", home)[0]["outcome"] is None
    monkeypatch.setattr(trace, "STALE", trace.timedelta(seconds=-1))
    assert by_hand.history(client, "landmark", home)[0]["outcome"] == "not done"


def test_events_are_in_order_though_the_clock_was_set_back(client: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(client, home, "3")

    class Past(trace.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Past":
            return cls(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(trace, "datetime", Past)
    forced(client, home, "2")
    assert [event.to for event in events(client)] == ["3", "2"]
    assert events(client)[1].time.startswith("2001")
    assert rollback(client, home) == "3"


def test_a_champion_made_by_other_means(client: Client, home: Path) -> None:
    promote(client, home, "3")
    client.set_registered_model_alias("landmark", "champion", "2")
    assert rollback(client, home) == "3"
    assert rollback(client, home) == "1"


def test_a_tag_that_is_no_event_is_passed_over(client: Client, home: Path) -> None:
    for value in ("no json", "[]", '{"time": 1}'):
        client.set_model_version_tag("landmark", "1", f"{trace.EVENT}{len(value)}", value)
    client.set_model_version_tag("landmark", "2", f"{verdicts.ONE}x", "[")
    assert by_hand.history(client, "landmark", home) == []
    assert len(models.details(client, "landmark", "2")["verdicts"]) == 1


def test_the_gate_never_brings_back_what_was_rolled_back(client: Client, home: Path, tmp_path: Path) -> None:
    promote(client, home, "3")
    rollback(client, home)

    def by_gate(version: str) -> bool:
        return promotion.switch(client, "landmark", home, expected="1", to=version, action=trace.GATE, why="passed").switched

    assert by_hand.resume(client, "landmark", home=home) is not None
    assert not by_gate("3")
    client.create_model_version("landmark", (tmp_path / "again").as_uri(), tags={DIGEST_TAG: "3" * 64})
    assert not by_gate("4")  # the same content
    client.delete_model_version("landmark", "3")
    assert not by_gate("4")
    assert champion(client) == "1"
    assert forced(client, home, "4") == "4"  # a person may
    assert not promotion.is_barred(client, "landmark", "4")
    assert promotion.is_barred(client, "landmark", "2") is False


def test_a_champion_that_is_not_the_one_compared_with_stays(client: Client, home: Path) -> None:
    done = promotion.switch(client, "landmark", home, expected="2", to="3", action=trace.GATE, why="")
    assert (done.switched, done.champion) == (False, "1")
    assert events(client) == []


def test_show_and_in_short(client: Client, home: Path) -> None:
    client.set_model_version_tag("landmark", "3", "landmark.network", "fingerprint")
    promote(client, home, "3")
    shown = models.details(client, "landmark", "champion")
    assert (shown["version"], shown["digest"], shown["figures"]) == ("3", "3" * 64, {"sensitivity": 0.3})
    assert [(row["passed"], row["against"]) for row in shown["verdicts"]] == [(True, "1")]
    assert [row["to"] for row in shown["trace"]] == ["3"]
    json.dumps(shown, allow_nan=False)
    short = models.champion(client, "landmark")
    assert short is not None
    assert (short["version"], short["network"], short["gate"]) == ("3", "fingerprint", "passed")
    assert models.champion(client, "landmark", alias="challenger") == short
    assert models.champion(client, "none") is None
    assert models.network_of(client, "landmark", "champion") == ("fingerprint", "models:/landmark/3")
    with pytest.raises(LandmarkError, match="does not tell its network"):
        models.network_of(client, "landmark", "1")
    assert find(client, "landmark", "champion").version == find(client, "landmark", "3").version
