"""After a roll-back: the gate waits for a person, and the anchor stays where a person put it."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from landmark.errors import GateRefused
from landmark.registry import by_hand, models, promotion, trace
from landmark.registry.versions import aliases
from tests.registry.test_promotion import client, forced, judged, killed, promote, rollback  # noqa: F401  # a fixture

MODEL = "landmark"
Client = MlflowClient


def by_gate(client: Client, home: Path, to: str) -> bool:  # noqa: F811
    now = aliases(client, MODEL).get("champion")
    return promotion.switch(client, MODEL, home, expected=now, to=to, action=trace.GATE, why="passed").switched


def anchor(client: Client) -> str | None:  # noqa: F811
    return aliases(client, MODEL).get("anchor")


def test_a_sibling_of_what_was_rolled_back_waits(client: Client, home: Path) -> None:  # noqa: F811
    assert by_gate(client, home, "2")
    assert rollback(client, home, why="worse at night") == "1"
    hold = promotion.held(client, MODEL)
    assert hold is not None
    assert (hold["version"], hold["why"], hold["who"]) == ("2", "worse at night", trace.who())
    assert "worse at night" in by_hand.hold_words(hold)
    assert models.details(client, MODEL, "1")["hold"] == hold
    assert not by_gate(client, home, "3")
    assert by_hand.resume(client, MODEL, home=home, why="mended") == hold
    assert promotion.held(client, MODEL) is None
    assert by_hand.resume(client, MODEL, home=home) is None
    assert not by_gate(client, home, "2")
    assert by_gate(client, home, "3")
    rows = [(row["action"], row["from"], row["to"], row["why"]) for row in by_hand.history(client, MODEL, home)]
    assert rows[2:] == [("resume", "1", "1", "mended"), ("gate", "1", "3", "passed")]
    assert models.champion(client, MODEL)["since"] is not None  # type: ignore[index]
    assert rollback(client, home) == "1"


def test_who_promotes_lets_the_gate_go_on(client: Client, home: Path) -> None:  # noqa: F811
    for wanted in ("3", "1"):  # another version, or the one that is champion already
        forced(client, home, "2")
        rollback(client, home, to="1")
        assert promotion.held(client, MODEL)
        forced(client, home, wanted)
        assert promotion.held(client, MODEL) is None
    client.set_registered_model_tag(MODEL, promotion.HOLD, "by hand")
    assert promotion.held(client, MODEL) == {"who": "", "when": "", "why": "by hand", "version": ""}
    assert not by_gate(client, home, "3")


def test_without_a_hold_only_the_content_is_barred(client: Client, home: Path) -> None:  # noqa: F811
    by_gate(client, home, "2")
    assert rollback(client, home, hold=False) == "1"
    assert promotion.held(client, MODEL) is None
    assert not by_gate(client, home, "2")
    assert by_gate(client, home, "3")


def test_the_anchor_is_where_a_person_put_it(client: Client, home: Path) -> None:  # noqa: F811
    assert promotion.anchor(client, MODEL) == "1"
    by_gate(client, home, "2")
    by_gate(client, home, "3")
    assert anchor(client) == promotion.anchor(client, MODEL) == "1"  # the first champion there was
    forced(client, home, "2")
    assert anchor(client) == "2"
    by_gate(client, home, "3")
    assert anchor(client) == "2"
    forced(client, home, "3")  # it is champion already
    assert anchor(client) == "3"
    rollback(client, home, to="1")
    assert anchor(client) == "1"


def test_the_first_champion_is_the_anchor(client: Client, home: Path) -> None:  # noqa: F811
    client.delete_registered_model_alias(MODEL, "champion")
    assert promotion.anchor(client, MODEL) is None
    assert by_gate(client, home, "3")
    assert by_gate(client, home, "2")
    assert anchor(client) == "3"


@pytest.mark.parametrize("action", [trace.GATE, trace.PROMOTE, trace.ROLLBACK])
def test_a_kill_between_champion_and_anchor_is_mended(
    client: Client,  # noqa: F811
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    if action != trace.GATE:
        forced(client, home, "3")
    now = aliases(client, MODEL)["champion"]
    client.set_registered_model_tag(MODEL, promotion.HOLD, "{}") if action == trace.PROMOTE else None
    with monkeypatch.context() as patch:
        patch.setattr(promotion, "set_anchor", killed)
        with pytest.raises(KeyboardInterrupt):
            promotion.switch(client, MODEL, home, expected=now, to="2", action=action, why="", hold=True)
    assert aliases(client, MODEL)["champion"] == "2"
    assert anchor(client) == (None if action == trace.GATE else "3")
    promotion.repair(client, MODEL, home)
    assert anchor(client) == ("1" if action == trace.GATE else "2")
    assert (promotion.held(client, MODEL) is None) == (action != trace.ROLLBACK)
    assert by_hand.history(client, MODEL, home)[-1]["outcome"] == "done"


class Meanwhile:
    """A client that lets another home's process act at the n-th call of a method."""

    def __init__(self, client: Client, name: str, number: int, act: Any) -> None:  # noqa: F811
        self.client, self.name, self.left, self.act = client, name, number, act

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self.client, name)
        if name != self.name:
            return whole

        def call(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.act()
            return whole(*arguments, **options)

        return call


# The event is written, then the alias looked at again, then set, then the events are looked at again.
@pytest.mark.parametrize("call", ["set_model_version_tag", "set_registered_model_alias"])
@pytest.mark.parametrize("theirs", [trace.GATE, trace.ROLLBACK])
@pytest.mark.parametrize("ours", [trace.GATE, trace.PROMOTE])
def test_two_homes_switch_at_once(
    client: Client,  # noqa: F811
    home: Path,
    tmp_path: Path,
    ours: str,
    theirs: str,
    call: str,
) -> None:
    other = tmp_path / "other"

    def act() -> None:
        promotion.switch(client, MODEL, other, expected="1", to="3", action=theirs, why="other", hold=theirs != trace.GATE)

    racing: Any = Meanwhile(client, call, 1, act)
    done = promotion.switch(racing, MODEL, home, expected="1", to="2", action=ours, why="")
    # Theirs is whole before ours is; only a person's stands against one of the gate's that looked before.
    wins = (ours, theirs, call) == (trace.PROMOTE, trace.GATE, "set_registered_model_alias")
    assert (done.switched, done.champion, aliases(client, MODEL)["champion"]) == (wins, *(["2" if wins else "3"] * 2))
    assert [event.outcome for event in promotion.known_events(client, MODEL) if event.to == "2"] == [
        "done" if wins else "not done"
    ]


def test_both_have_set_the_alias_and_both_see_it(client: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(promotion, "PATIENCE", 2.0)
    monkeypatch.setattr(promotion, "PAUSE", 0.01)
    first = trace.begin(client, MODEL, [], trace.GATE, "1", "2", "", False, "elsewhere")
    steps = iter([lambda: None, lambda: trace.end(client, MODEL, first, trace.DONE)])
    monkeypatch.setattr(promotion.time, "sleep", lambda _: next(steps)())
    # It began before ours, and is done while ours waits for its outcome.
    assert not by_gate(client, home, "3")
    assert aliases(client, MODEL)["champion"] == "2"
    second = trace.begin(client, MODEL, [], trace.GATE, "2", "1", "", False, "elsewhere")
    monkeypatch.setattr(promotion.time, "sleep", lambda _: trace.end(client, MODEL, second, trace.UNDONE))
    assert by_gate(client, home, "3")


def test_an_alias_that_was_set_by_other_means_is_left(client: Client, home: Path) -> None:  # noqa: F811
    racing: Any = Meanwhile(
        client, "search_model_versions", 3, lambda: client.set_registered_model_alias(MODEL, "champion", "3")
    )
    done = promotion.switch(racing, MODEL, home, expected="1", to="2", action=trace.GATE, why="")
    assert (done.switched, done.champion) == (False, "3")


def test_a_hold_that_comes_in_between_is_seen(client: Client, home: Path) -> None:  # noqa: F811
    def act() -> None:
        client.set_registered_model_tag(MODEL, promotion.HOLD, json.dumps({"who": "ann@elsewhere"}))

    racing: Any = Meanwhile(client, "set_registered_model_alias", 1, act)
    done = promotion.switch(racing, MODEL, home, expected="1", to="2", action=trace.GATE, why="")
    assert (done.switched, done.champion) == (False, "1")


def test_another_homes_switch_is_not_mended_from_here(client: Client, home: Path, tmp_path: Path) -> None:  # noqa: F811
    trace.begin(client, MODEL, [], trace.PROMOTE, "1", "2", "", False, promotion.place_of(tmp_path / "other"))
    assert by_hand.history(client, MODEL, home)[0]["outcome"] is None
    assert by_hand.history(client, MODEL, tmp_path / "other")[0]["outcome"] == "not done"


def test_the_rule_of_a_config(client: Client, home: Path) -> None:  # noqa: F811
    with pytest.raises(GateRefused, match=r"by the config's rule 999999999999, only by rule rrrrrrrrrrrr, catalog cccc"):
        promote(client, home, "2", rule="9" * 64)
    judged(client, "2", "1", True, "2026-02-01T00:00:00+00:00")
    assert promote(client, home, "2", rule="r" * 64) == "2"
    assert "2026-02-01" in by_hand.history(client, MODEL, home)[-1]["why"]
    assert by_hand.last_basis(client, MODEL, "2")["when"] == "2026-02-01T00:00:00+00:00"  # type: ignore[index]
