"""How a version becomes the champion: one change of an alias, which leaves its trace (see `trace`).

MLflow cannot change an alias only if it still is what one has read. Within one home a lock keeps switches apart. Between
homes each switch writes its event first, looks at the champion again, sets the alias and then looks for events of others:
of two that overlap both see each other, and only one stands. What remains: a process that stops for more than `PATIENCE`
between these requests, or an alias set by other means (MLflow's page), is found by nobody.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from landmark.cache import content_key, locked
from landmark.names import shown
from landmark.registry import trace
from landmark.registry.versions import (
    ANCHOR,
    CHAMPION,
    aliases,
    by_number,
    content_of,
    file_name,
    model_tags,
    versions,
)

log = logging.getLogger(__name__)

BARRED = "landmark.barred."
"""Tag of the model, by content: rolled back by hand, never promoted by itself again; it outlives the version."""
HOLD = "landmark.hold"
"""Tag of the model: since a person has rolled back, the gate promotes nothing."""
NONE = "none"
"""What stands for a champion where the model has none."""
PATIENCE, PAUSE = 10.0, 0.5
"""How long, and how often, another home's switch is asked for its outcome [seconds]."""


@dataclass(frozen=True)
class Switched:
    """What a switch came to: whether the alias was moved, and who is champion now."""

    switched: bool
    champion: str | None


@contextmanager
def model_lock(home: Path, model: str) -> Iterator[None]:
    """Keep other processes with this home from registering and switching meanwhile."""
    file = home.resolve() / "locks" / f"registry-{file_name(model)}.lock"
    with locked(file, wait=f"model '{shown(model)}': another process changes its versions; waiting for it"):
        yield


def switch(
    client: MlflowClient,
    model: str,
    home: Path,
    *,
    expected: str | None,
    to: str,
    action: str,
    why: str,
    forced: bool = False,
    hold: bool = False,
) -> Switched:
    """Make a version the champion, if the champion is still the one expected.

    Args:
        client: from `connect`.
        model: name of the registered model.
        home: whose lock is taken.
        expected: the champion that `to` was compared with; None: there was none.
        to: version.
        action: `trace.PROMOTE`, `trace.ROLLBACK` or `trace.GATE`.
        why: goes into the trace.
        forced: the gate had not passed it.
        hold: of a roll-back: the gate promotes nothing from now on.
    """
    with model_lock(home, model):
        known = mended(client, model, home)
        champion = aliases(client, model).get(CHAMPION)
        if champion != expected or champion == to or (action == trace.GATE and _kept_out(client, model, to)):
            return Switched(False, champion)
        event = trace.begin(client, model, known, action, champion, to, why, forced, place_of(home))
        if (now := aliases(client, model).get(CHAMPION)) != champion:
            trace.end(client, model, event, trace.UNDONE)
            return Switched(False, now)
        if action == trace.ROLLBACK and champion is not None:
            about = {"who": event.who, "when": event.time, "why": event.why, "version": champion}
            client.set_registered_model_tag(model, BARRED + _content(client, model, champion), json.dumps(about))
            if hold:
                client.set_registered_model_tag(model, HOLD, json.dumps(about))
        client.set_registered_model_alias(model, CHAMPION, to)
        if not _stands(client, model, event, known):
            trace.end(client, model, event, trace.UNDONE)
            return Switched(False, aliases(client, model).get(CHAMPION))
        _finish(client, model, event, known)
        trace.end(client, model, event, trace.DONE)
        return Switched(True, to)


def is_barred(client: MlflowClient, model: str, version: str) -> bool:
    """Whether a person has rolled this content back, and nobody has promoted it since."""
    return BARRED + _content(client, model, version) in model_tags(client, model)


def held(client: MlflowClient, model: str) -> dict[str, str] | None:
    """Since when, by whom and why the gate promotes nothing; None: it does.

    Returns:
        who (user@host), when (ISO 8601, UTC), why, version (that was rolled back); "" where the tag does not tell.
    """
    text = model_tags(client, model).get(HOLD)
    if text is None:
        return None
    try:
        row = json.loads(text)
    except ValueError:
        row = None
    about = row if isinstance(row, dict) else {"why": text}  # set by hand
    return {key: str(about.get(key, "")) for key in ("who", "when", "why", "version")}


def lift_hold(client: MlflowClient, model: str, home: Path, why: str) -> dict[str, str] | None:
    """Let the gate promote again; what was lifted, or None."""
    with model_lock(home, model):
        about = held(client, model)
        if about is not None:
            champion = aliases(client, model).get(CHAMPION)
            trace.note(client, model, known_events(client, model), trace.RESUME, champion, champion or NONE, why)
            client.delete_registered_model_tag(model, HOLD)
        return about


def anchor(client: MlflowClient, model: str) -> str | None:
    """The version that a person made champion last, or else the first champion that is left; None: there was none."""
    by_alias = aliases(client, model)
    if ANCHOR in by_alias:
        return by_alias[ANCHOR]
    there = {str(version.version) for version in versions(client, model)}
    return _first_anchor(known_events(client, model), there) or by_alias.get(CHAMPION)


def set_anchor(client: MlflowClient, model: str, version: str) -> None:
    """Note that a person wants this version."""
    if aliases(client, model).get(ANCHOR) != version:
        client.set_registered_model_alias(model, ANCHOR, version)


def repair(client: MlflowClient, model: str, home: Path) -> None:
    """Finish the switches that kills have broken off."""
    if any(event.outcome is None for event in trace.events(versions(client, model))):
        with model_lock(home, model):
            mended(client, model, home)


def mended(client: MlflowClient, model: str, home: Path) -> list[trace.Event]:
    """All events, after those of this home that were broken off have got their outcome. The model's lock is held."""
    champion, known = aliases(client, model).get(CHAMPION), known_events(client, model)
    trace.mend(client, model, known, champion, lambda event: _finish(client, model, event, known), place_of(home))
    return known_events(client, model)


def known_events(client: MlflowClient, model: str) -> list[trace.Event]:
    """All events of a model, also those of versions that were deleted."""
    return trace.events(versions(client, model), model_tags(client, model))


def place_of(home: Path) -> str:
    """Stands for a machine and a home folder: whose lock keeps switches apart."""
    return content_key({"host": socket.gethostname(), "home": str(home.resolve())})[:12]


def _finish(client: MlflowClient, model: str, event: trace.Event, known: Sequence[trace.Event]) -> None:
    """What follows from a switch, between alias and outcome; may be done twice."""
    if event.action == trace.GATE:
        if ANCHOR not in aliases(client, model):
            there = {str(version.version) for version in versions(client, model)}
            set_anchor(client, model, _first_anchor([*known, event], there) or event.to)
        return
    set_anchor(client, model, event.to)
    tags = model_tags(client, model)
    if (bar := BARRED + _content(client, model, event.to)) in tags:
        client.delete_registered_model_tag(model, bar)
    if event.action == trace.PROMOTE and HOLD in tags:
        client.delete_registered_model_tag(model, HOLD)


def _first_anchor(known: Sequence[trace.Event], there: Collection[str]) -> str | None:
    """The anchor of a model that has no such alias yet."""
    done = [event for event in known if event.action in trace.SWITCHES and event.outcome != trace.UNDONE]
    by_hand = [event.to for event in done if event.action != trace.GATE and event.to in there]
    if by_hand:
        return by_hand[-1]
    return next((version for event in done for version in (event.before, event.to) if version in there), None)


def _stands(client: MlflowClient, model: str, event: trace.Event, known: Sequence[trace.Event]) -> bool:
    """Whether a switch stands against those that other homes made meanwhile; else the alias is taken back."""
    settled = {one.id for one in known if one.outcome is not None} | {event.id}
    end = time.monotonic() + PATIENCE
    while True:
        rivals = [
            one
            for one in known_events(client, model)
            if one.action in trace.SWITCHES and one.id not in settled and one.outcome != trace.UNDONE
        ]
        # Who is not by hand gives way to who is; else who began later.
        done = [one for one in rivals if one.outcome == trace.DONE and _rank(one)[0] <= _rank(event)[0]]
        if done:
            _take_back(client, model, event.to, done[-1].to)
            return False
        if not any(_rank(one) < _rank(event) for one in rivals) or time.monotonic() > end:
            break
        time.sleep(PAUSE)
    if event.action == trace.GATE and _kept_out(client, model, event.to):
        _take_back(client, model, event.to, event.before)
        return False
    champion = aliases(client, model).get(CHAMPION)
    if champion != event.to and champion in {one.to for one in rivals}:
        client.set_registered_model_alias(model, CHAMPION, event.to)
        return True
    return champion == event.to


def _rank(event: trace.Event) -> tuple[bool, str]:
    return (event.action == trace.GATE, event.id)


def _take_back(client: MlflowClient, model: str, ours: str, back: str | None) -> None:
    if aliases(client, model).get(CHAMPION) != ours:
        return
    log.warning("model '%s': another home changed its champion meanwhile; version %s steps back", shown(model), ours)
    if back is None:
        client.delete_registered_model_alias(model, CHAMPION)
    else:
        client.set_registered_model_alias(model, CHAMPION, back)


def _kept_out(client: MlflowClient, model: str, version: str) -> bool:
    return held(client, model) is not None or is_barred(client, model, version)


def _content(client: MlflowClient, model: str, version: str) -> str:
    return content_of(by_number(client, model, version))
