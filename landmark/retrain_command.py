"""The commands `retrain` and `refresh`. Whether anything is left to do is decided without Prefect."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from landmark.console import set_up_logging, show, stdout_for_results
from landmark.errors import GateRefused
from landmark.options import Debug, Json

Config = Annotated[Path, typer.Argument(help="YAML file, see configs/.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="e.g. calibration.specificity=0.995")]


def retrain(config: Config, overrides: Overrides = None, json: Json = False, debug: Debug = False) -> None:
    """From photos to a measured, registered recognizer that the gate lets become champion, or not."""
    _command("retrain", config, overrides, None, json, debug)


def refresh(
    config: Config,
    overrides: Overrides = None,
    model: Annotated[
        str | None, typer.Option(help="Recognizer whose network is kept: folder or models:/NAME@ALIAS; else the champion.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """New photos or landmarks without training: centroids, index and calibration by the network in use."""
    _command("refresh", config, overrides, model, json, debug)


def _command(
    flow: Literal["retrain", "refresh"], config: Path, overrides: list[str] | None, model: str | None, json: bool, debug: bool
) -> None:
    set_up_logging(debug)
    from landmark.summary import print_summary

    with stdout_for_results():
        result = run_flow(flow, config, tuple(overrides or ()), model, debug)
    if result is None:
        return
    show(result, json, print_summary)
    gate = result.get("gate")
    if gate is not None and "gate" in result["ran"] and not gate["passed"]:
        raise GateRefused(
            f"gate: version {gate['challenger']} of '{result['registered']['model']}' does not become champion: "
            f"{'; '.join(gate['reasons'])}; see {gate['page']}"
        )


def run_flow(
    flow: Literal["retrain", "refresh"],
    config: Path,
    overrides: tuple[str, ...] = (),
    model: str | None = None,
    debug: bool = False,
) -> dict[str, Any] | None:
    """Do what is left to do of a run; Prefect is started only if anything is.

    Args:
        flow: which flow.
        config: YAML file.
        overrides: settings as KEY=VALUE.
        model: for refresh: recognizer whose network is kept (None: the champion).
        debug: show Prefect's own log lines.

    Returns:
        `flows.summary.summary`; None in a process that only took part in the training (torchrun, rank above 0).
    """
    if int(os.environ.get("RANK", "0")) > 0:
        from landmark.steps.training import join_training

        logging.getLogger("landmark").setLevel(logging.WARNING)  # rank 0 says the same
        join_training()
        return None
    try:
        return _run_flow(flow, config, overrides, model, debug)
    finally:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from landmark.steps.training import release_training

            release_training()


def _run_flow(
    flow: Literal["retrain", "refresh"], file: Path, overrides: tuple[str, ...], model: str | None, debug: bool
) -> dict[str, Any]:
    from flows.parameters import RefreshParameters, RetrainParameters
    from flows.plan import plan
    from flows.summary import summary
    from landmark.config_file import load_config
    from landmark.journal import Journal
    from landmark.options import use_home
    from landmark.run import Run
    from landmark.steps.plan import artefacts

    config = load_config(file, list(overrides))
    use_home(config.home)
    if flow == "refresh":
        from landmark.registry.adopt import refreshed

        config = refreshed(config, model)
    run = Run(config, plan(config))
    with run.lock():
        if run.look() is None:
            with Journal(run.home).attempt(flow, config.name) as note:
                run.publish(artefacts(run.config))
                note.outcome = "unchanged"
            return summary(run)
    from flows.environment import prepare
    from flows.server import Server

    prepare(run.home, verbose=debug)
    from landmark.steps.preflight import check_settings

    check_settings(config)
    server = Server(run.home).start()
    call: Callable[[], Any]
    if flow == "retrain":
        from flows.retrain import retrain as run_retrain

        call = partial(run_retrain, RetrainParameters(config=str(file), overrides=overrides))
    else:
        from flows.refresh import refresh as run_refresh

        call = partial(run_refresh, RefreshParameters(config=str(file), overrides=overrides, model=model))
    server.wait()
    return cast("dict[str, Any]", call())
