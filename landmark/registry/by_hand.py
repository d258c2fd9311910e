"""What a person does with the champion: promote a version, roll back, let the gate go on, look at the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from landmark.errors import GateRefused, LandmarkError, UsageError
from landmark.home import default_home
from landmark.names import shown
from landmark.registry import trace
from landmark.registry.promotion import NONE, known_events, lift_hold, model_lock, repair, set_anchor, switch
from landmark.registry.verdicts import basis, latest_against
from landmark.registry.versions import CHAMPION, DAMAGED_TAG, aliases, find, versions

TRIES = 3


def promote(
    client: MlflowClient,
    model: str,
    wanted: str,
    *,
    home: Path | None = None,
    force: bool = False,
    why: str = "",
    rule: str | None = None,
) -> str:
    """Make a version the champion by hand; the gate promotes again, if a roll-back had put an end to that.

    Args:
        client: from `connect`.
        model: name of the registered model.
        wanted: a version, or an alias such as `challenger`.
        home: whose lock is taken; None: the default home.
        force: promote it though the gate has not passed it against the champion that there is.
        why: goes into the trace; must be given with `force`.
        rule: digest of the gate's rule by which it must have passed; None: by any.

    Returns:
        The version that is the champion now.

    Raises:
        UsageError: no such version, or force without a reason.
        GateRefused: the gate has refused it, or has not compared it with the champion that there is.
    """
    if force and not why.strip():
        raise UsageError("models promote --force: say why, with --why TEXT; it is kept with the version")
    where = home or default_home()
    for _ in range(TRIES):
        version = find(client, model, wanted)
        number = str(version.version)
        before = aliases(client, model).get(CHAMPION)
        if before == number:
            repair(client, model, where)
            with model_lock(where, model):
                set_anchor(client, model, number)
            lift_hold(client, model, where, why or f"version {number} was promoted by hand, and is champion already")
            return before
        refusal = _refusal(version, before, rule)
        if refusal is not None and not force:
            raise GateRefused(f"model '{shown(model)}': version {number} is not promoted: {refusal}")
        verdict = latest_against(version, before or NONE, rule)
        done = switch(
            client,
            model,
            where,
            expected=before,
            to=number,
            action=trace.PROMOTE,
            why=why or f"the gate has passed it ({basis(verdict or {})})",
            forced=refusal is not None,
        )
        if done.champion == number:
            return number
    raise LandmarkError(f"model '{shown(model)}': its champion keeps changing; see `landmark models history`, then try again")


def rollback(
    client: MlflowClient,
    model: str,
    *,
    home: Path | None = None,
    to: str | None = None,
    why: str = "",
    hold: bool = True,
) -> str:
    """Make the champion before this one, or another version, the champion again.

    What is rolled back is never promoted by the gate again, also if the same content is registered anew.

    Args:
        client: from `connect`.
        model: name of the registered model.
        home: whose lock is taken; None: the default home.
        to: version or alias; None: the champion before.
        why: goes into the trace.
        hold: the gate promotes nothing else either, until a person promotes a version or calls `resume`.

    Returns:
        The version that is the champion now.

    Raises:
        LandmarkError: there was none before.
        UsageError: no such version.
    """
    where = home or default_home()
    repair(client, model, where)
    now = aliases(client, model).get(CHAMPION)
    if to is not None:
        target = str(find(client, model, to).version)
    else:
        whole = {str(version.version) for version in versions(client, model) if DAMAGED_TAG not in version.tags}
        order = trace.champions(known_events(client, model), now)
        earlier = [version for version in order if version in whole and version != now]
        if now is None or not earlier:
            raise LandmarkError(
                f"model '{shown(model)}': no champion before this one; see `landmark models list`, then promote a version"
            )
        target = earlier[-1]
    if target == now:
        return target
    done = switch(client, model, where, expected=now, to=target, action=trace.ROLLBACK, why=why, hold=hold)
    if done.champion != target:
        raise LandmarkError(
            f"model '{shown(model)}': meanwhile version {done.champion} became champion; see `landmark models history`"
        )
    return target


def resume(client: MlflowClient, model: str, *, home: Path | None = None, why: str = "") -> dict[str, str] | None:
    """Let the gate promote again after a roll-back; what is barred by content stays so.

    Returns:
        The hold that was lifted, see `held`; None: there was none.
    """
    return lift_hold(client, model, home or default_home(), why)


def history(client: MlflowClient, model: str, home: Path | None = None) -> list[dict[str, Any]]:
    """A row an event, oldest first: time, who, action, from, to, why, forced, outcome."""
    repair(client, model, home or default_home())
    return [event.to_json() for event in known_events(client, model)]


def last_basis(client: MlflowClient, model: str, version: str) -> dict[str, Any] | None:
    """The verdict by which a version was promoted last; None: there is none."""
    made = [event for event in known_events(client, model) if event.to == version and event.action == trace.PROMOTE]
    return latest_against(find(client, model, version), made[-1].before or NONE) if made else None


def hold_words(about: dict[str, str] | None) -> str:
    """The hold as a line, or ""."""
    if about is None:
        return ""
    why = f": {about['why']}" if about["why"] else ""
    return (
        f"promotion by the gate is on hold since {about['when']} "
        f"(version {about['version']} rolled back by {about['who']}{why}); "
        "`landmark models promote` or `landmark models resume` ends it"
    )


def _refusal(version: Any, champion: str | None, rule: str | None) -> str | None:
    """Why the gate does not let a version be promoted; None: it does."""
    verdict = latest_against(version, champion or NONE, rule)
    rival = f"version {champion}, the champion" if champion else "the bounds (there is no champion)"
    ways = "compare them by `landmark retrain`, or give --force --why TEXT"
    if verdict is None:
        other = latest_against(version, champion or NONE)
        if other is not None:
            wanted = f"the config's rule {str(rule)[:12]}"
            return f"the gate has not held it against {rival} by {wanted}, only by {basis(other)}; {ways}"
        return f"the gate has not held it against {rival}; {ways}"
    if not verdict["passed"]:
        why = f"{', '.join(verdict['reasons'])}; {basis(verdict)}"
        return f"the gate refused it against {rival} ({why}); see `landmark models show`, or {ways}"
    return None
