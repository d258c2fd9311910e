"""Who made which version the champion, when and why: events kept in the registry itself, as tags of the versions.

An event is written before the alias is switched, its outcome after. An event without an outcome is what a kill left: where
the champion is the version that it names, the switch was done, else it was not. No tag is ever written twice.

What is about no version that stays (the gate goes on, a version is deleted) is kept as a tag of the model, as are the events
of a version that is deleted.
"""

from __future__ import annotations

import getpass
import json
import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow import MlflowClient

log = logging.getLogger(__name__)

EVENT, OUTCOME = "landmark.event.", "landmark.outcome."
PROMOTE, ROLLBACK, GATE = "promote", "rollback", "gate"
SWITCHES = (PROMOTE, ROLLBACK, GATE)
RESUME, PRUNE = "resume", "prune"
DONE, UNDONE = "done", "not done"
LONGEST = 1000
"""Letters of `why`; MLflow keeps 5000 of a tag."""
STALE = timedelta(minutes=10)
"""After so long, another machine's event without an outcome is taken for broken off."""
STAMP = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Event:
    """One switch of the champion, or another change that a person asks about later.

    Attributes:
        id: sorts by time.
        time: ISO 8601, UTC.
        who: user@host.
        action: `promote` (a person), `rollback` (a person) or `gate` (by itself); `resume`: the gate's hold is lifted;
            `prune`: version `before` is deleted.
        before: version that was champion; None: there was none.
        to: version that becomes champion, or `none`.
        why: in the person's words, or the verdict.
        forced: promoted although the gate had not passed it.
        outcome: `done`, `not done`, or None where a kill left it open.
        place: stands for the machine and the home folder whose lock is held meanwhile; "": unknown.
    """

    id: str
    time: str
    who: str
    action: str
    before: str | None
    to: str
    why: str
    forced: bool = False
    outcome: str | None = None
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a row of the history."""
        row = asdict(self)
        return {**{key: row[key] for key in ("time", "who", "action")}, "from": self.before, "to": self.to, **{
            key: row[key] for key in ("why", "forced", "outcome")
        }}  # fmt: skip


def events(versions: Iterable[Any], kept: Mapping[str, str] | None = None) -> list[Event]:
    """All events of a model, oldest first; tags that are no events (made by hand) are passed over.

    Args:
        versions: of the model.
        kept: tags of the model itself; None: only what the versions tell.
    """
    found: dict[str, Event] = {}
    for version in versions:
        for key, value in version.tags.items():
            if key.startswith(EVENT):
                outcome = version.tags.get(OUTCOME + key.removeprefix(EVENT))
                outcome = None if outcome is None else outcome.partition(" at ")[0]
                if event := _event(key, value, f"version {version.version}", {"to": str(version.version), "outcome": outcome}):
                    found[event.id] = event
    for key, value in (kept or {}).items():
        # A kill leaves both the version and what was kept of it.
        if key.startswith(EVENT) and key.removeprefix(EVENT) not in found and (event := _event(key, value, "the model", {})):
            found[event.id] = event
    return sorted(found.values(), key=lambda event: event.id)


def _event(key: str, value: str, where: str, more: Mapping[str, Any]) -> Event | None:
    try:
        row = {**json.loads(value), **more}
        return Event(
            id=key.removeprefix(EVENT),
            time=str(row["time"]),
            who=str(row["who"]),
            action=str(row["action"]),
            before=None if row["from"] is None else str(row["from"]),
            to=str(row["to"]),
            why=str(row["why"]),
            forced=bool(row["forced"]),
            outcome=None if row["outcome"] is None else str(row["outcome"]),
            place=str(row.get("place", "")),
        )
    except (ValueError, KeyError, TypeError):
        log.warning("%s: its tag %s is no event; left out", where, key)
        return None


def begin(
    client: MlflowClient,
    model: str,
    known: Sequence[Event],
    action: str,
    before: str | None,
    to: str,
    why: str,
    forced: bool,
    place: str = "",
) -> Event:
    """Write an event, before its switch."""
    event = _new(known, action, before, to, why, forced=forced, place=place)
    row = {key: getattr(event, key) for key in ("time", "who", "action", "why", "forced", "place")} | {"from": before}
    client.set_model_version_tag(model, to, EVENT + event.id, json.dumps(row))
    return event


def note(client: MlflowClient, model: str, known: Sequence[Event], action: str, before: str | None, to: str, why: str) -> None:
    """Write an event that is no switch, as a tag of the model."""
    keep(client, model, _new(known, action, before, to, why, outcome=DONE))


def keep(client: MlflowClient, model: str, event: Event) -> None:
    """Write an event as a tag of the model, which outlives the version."""
    client.set_registered_model_tag(model, EVENT + event.id, json.dumps(event.to_json(), ensure_ascii=False))


def _new(known: Sequence[Event], action: str, before: str | None, to: str, why: str, **more: Any) -> Event:
    now = datetime.now(UTC)
    stamp = now.strftime(STAMP)
    # The order is that of the switches, also where a clock was set back in between.
    if known and (last := known[-1].id.partition("-")[0]) >= stamp:
        stamp = (datetime.strptime(last, STAMP) + timedelta(microseconds=1)).strftime(STAMP)
    name = f"{stamp}-{secrets.token_hex(2)}"
    words = " ".join(why.split())[:LONGEST]
    return Event(name, now.isoformat(timespec="seconds"), who(), action, before, to, words, **more)


def end(client: MlflowClient, model: str, event: Event, outcome: str) -> None:
    """Write an event's outcome, after its switch."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    client.set_model_version_tag(model, event.to, OUTCOME + event.id, f"{outcome} at {now}")


def mend(
    client: MlflowClient,
    model: str,
    known: Sequence[Event],
    champion: str | None,
    finish: Callable[[Event], None],
    place: str = "",
) -> None:
    """Write the outcomes that kills have left open.

    Args:
        client: from `connect`.
        model: name of the registered model.
        known: its events.
        champion: the version that is champion now.
        finish: does what a switch does between alias and outcome.
        place: whose lock is held, so that none of its events is under way.
    """
    host = who().rpartition("@")[2]
    open_ones = [event for event in known if event.outcome is None]
    for event in open_ones:
        age = datetime.now(UTC) - datetime.fromisoformat(event.time)
        here = event.place == place if event.place and place else event.who.rpartition("@")[2] == host
        if not here and age < STALE:
            continue
        done = event.to == champion and event is open_ones[-1]
        log.warning(
            "model '%s': a %s of version %s was broken off; it was %s", model, event.action, event.to, DONE if done else UNDONE
        )
        if done:
            finish(event)
        end(client, model, event, DONE if done else UNDONE)


def champions(known: Sequence[Event], champion: str | None) -> list[str]:
    """Versions that were champion before and up to now, without those that were rolled back.

    The alias is the truth: a champion that no event tells of was made by other means, after all of them.

    >>> def step(action, to): return Event("", "", "", action, None, to, "", outcome=DONE)
    >>> champions([step("gate", "1"), step("promote", "2"), step("promote", "3"), step("rollback", "2")], "2")
    ['1', '2']
    """
    stack: list[str] = []
    for event in known:
        if event.action not in SWITCHES or event.outcome == UNDONE or (event.outcome is None and event.to != champion):
            continue
        if event.before is not None and stack[-1:] != [event.before]:  # the first, or made champion by other means
            stack.append(event.before)
        if event.action == ROLLBACK and event.to in stack:
            while stack[-1] != event.to:
                stack.pop()
        elif stack[-1:] != [event.to]:
            stack.append(event.to)
    if champion is None:
        return stack
    return stack if stack[-1:] == [champion] else [*stack, champion]


def who() -> str:
    """The user and the machine, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an id without a name, as containers have
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
