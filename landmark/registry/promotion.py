"""Making a version the champion, and going back. A switch is one change of an alias, and leaves its trace (see `trace`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from landmark.cache import content_key, locked
from landmark.errors import GateRefused, LandmarkError, UsageError
from landmark.home import default_home
from landmark.names import shown
from landmark.registry import trace
from landmark.registry.verdicts import latest_against
from landmark.registry.versions import CHAMPION, DIGEST_TAG, aliases, by_number, find, versions

BARRED = "landmark.barred."
"""Tag of the model, by content: rolled back by hand, never promoted by itself again; it outlives the version."""
NONE = "none"
"""What stands for a champion where the model has none."""


@dataclass(frozen=True)
class Switched:
    """What a switch came to: whether the alias was moved, and who is champion now."""

    switched: bool
    champion: str | None


@contextmanager
def model_lock(home: Path, model: str) -> Iterator[None]:
    """Keep other processes with this home from registering and switching meanwhile."""
    safe = model if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", model) else content_key({"model": model})[:16]
    file = home.resolve() / "locks" / f"registry-{safe}.lock"
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
    """
    with model_lock(home, model):
        champion = _mended(client, model)
        if champion != expected:
            return Switched(False, champion)
        if action == trace.GATE and is_barred(client, model, to):
            return Switched(False, champion)
        if champion == to:
            return Switched(False, champion)
        known = trace.events(versions(client, model))
        if action == trace.ROLLBACK and champion is not None:
            client.set_registered_model_tag(model, BARRED + _content(client, model, champion), _now())
        event = trace.begin(client, model, known, action, champion, to, why, forced)
        client.set_registered_model_alias(model, CHAMPION, to)
        trace.end(client, model, event, trace.DONE)
        if action != trace.GATE:
            _lift(client, model, to)
        return Switched(True, to)


def is_barred(client: MlflowClient, model: str, version: str) -> bool:
    """Whether a person has rolled this content back, and nobody has promoted it since."""
    return BARRED + _content(client, model, version) in client.get_registered_model(model).tags


def promote(
    client: MlflowClient, model: str, wanted: str, *, home: Path | None = None, force: bool = False, why: str = ""
) -> str:
    """Make a version the champion by hand.

    Args:
        client: from `connect`.
        model: name of the registered model.
        wanted: a version, or an alias such as `challenger`.
        home: whose lock is taken; None: the default home.
        force: promote it though the gate has not passed it against the champion that there is.
        why: goes into the trace; must be given with `force`.

    Returns:
        The version that is the champion now.

    Raises:
        UsageError: no such version, or force without a reason.
        GateRefused: the gate has refused it, or has not compared it with the champion that there is.
    """
    if force and not why.strip():
        raise UsageError("models promote --force: say why, with --why TEXT; it is kept with the version")
    where = home or default_home()
    for _ in range(3):
        version = find(client, model, wanted)
        before = aliases(client, model).get(CHAMPION)
        if before == str(version.version):
            repair(client, model, where)
            return before
        passed = _refusal(version, before)
        if passed is not None and not force:
            raise GateRefused(f"model '{shown(model)}': version {version.version} is not promoted: {passed}")
        done = switch(
            client,
            model,
            where,
            expected=before,
            to=str(version.version),
            action=trace.PROMOTE,
            why=why or "the gate has passed it",
            forced=passed is not None,
        )
        if done.champion == str(version.version):
            return done.champion
    raise LandmarkError(f"model '{shown(model)}': its champion keeps changing; see `landmark models history`, then try again")


def rollback(client: MlflowClient, model: str, *, home: Path | None = None, to: str | None = None, why: str = "") -> str:
    """Make the champion before this one, or another version, the champion again.

    What is rolled back is never promoted by the gate again, also if the same content is registered anew.

    Args:
        client: from `connect`.
        model: name of the registered model.
        home: whose lock is taken; None: the default home.
        to: version or alias; None: the champion before.
        why: goes into the trace.

    Returns:
        The version that is the champion now.

    Raises:
        LandmarkError: there was none before.
        UsageError: no such version.
    """
    where = home or default_home()
    repair(client, model, where)
    now = aliases(client, model).get(CHAMPION)
    there = versions(client, model)
    if to is not None:
        target = str(find(client, model, to).version)
    else:
        known = {str(version.version) for version in there}
        order = [version for version in trace.champions(trace.events(there), now) if version in known]
        earlier = [version for version in order if version != now]
        if now is None or not earlier:
            raise LandmarkError(
                f"model '{shown(model)}': no champion before this one; see `landmark models list`, then promote a version"
            )
        target = earlier[-1]
    if target == now:
        return target
    done = switch(client, model, where, expected=now, to=target, action=trace.ROLLBACK, why=why)
    if done.champion != target:
        raise LandmarkError(
            f"model '{shown(model)}': meanwhile version {done.champion} became champion; see `landmark models history`"
        )
    return target


def repair(client: MlflowClient, model: str, home: Path) -> None:
    """Finish the trace of switches that kills have broken off."""
    if any(event.outcome is None for event in trace.events(versions(client, model))):
        with model_lock(home, model):
            _mended(client, model)


def history(client: MlflowClient, model: str, home: Path | None = None) -> list[dict[str, Any]]:
    """A row an event, oldest first: time, who, action, from, to, why, forced, outcome."""
    repair(client, model, home or default_home())
    return [event.to_json() for event in trace.events(versions(client, model))]


def _mended(client: MlflowClient, model: str) -> str | None:
    champion = aliases(client, model).get(CHAMPION)
    trace.mend(client, model, trace.events(versions(client, model)), champion)
    return champion


def _refusal(version: Any, champion: str | None) -> str | None:
    """Why the gate does not let a version be promoted; None: it does."""
    verdict = latest_against(version, champion or NONE)
    rival = f"version {champion}, the champion" if champion else "the bounds (there is no champion)"
    ways = "compare them by `landmark retrain`, or give --force --why TEXT"
    if verdict is None:
        return f"the gate has not held it against {rival}; {ways}"
    if not verdict["passed"]:
        return f"the gate refused it against {rival} ({', '.join(verdict['reasons'])}); see `landmark models show`, or {ways}"
    return None


def _content(client: MlflowClient, model: str, version: str) -> str:
    found = by_number(client, model, version)
    return str(found.tags.get(DIGEST_TAG) or content_key({"source": found.source}))[:64]


def _lift(client: MlflowClient, model: str, version: str) -> None:
    key = BARRED + _content(client, model, version)
    if key in client.get_registered_model(model).tags:
        client.delete_registered_model_tag(model, key)


def _now() -> str:
    return json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "who": trace.who()})
