"""Every training method on equal data, network, epochs and tuning budget.

    landmark bench losses configs/losses-photos.yaml [--tier neck] [--row softmax --row ours] [--jobs 2]

First each row's settings are tuned by a stated number of trainings, judged on training photos that were held back: apart for
landmarks that were trained on and for landmarks that were not. Then each row is trained over several seeds, once on all
landmarks and once without some of them, on which it is then measured. Two columns of figures: the method as it is published
(the trained embedding alone, compared with class means or all photos), and with this project's recognition on top, so that
what training brings and what recognition brings can be told apart.

Finished trainings are kept under the home folder: a comparison that was stopped goes on, and a changed row alone is done again.
Writes results/NAME-TIER.{json,md,svg}.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.comparison.settings import LossesConfig
from benchmarks.comparison.table import EITHER, Choice, choose, draw, markdown, summarise
from benchmarks.comparison.task import ALL, LEFT_OUT, TUNE, Task, perform
from benchmarks.machine import machine
from landmark.config import RunConfig
from landmark.config_file import read_config
from landmark.errors import UsageError
from landmark.run import Run
from landmark.steps.plan import plan
from landmark.storage import write_bytes, write_json

ROOT = Path(__file__).parent
TUNING_SEED = 1000
"""Of the trainings that tuning judges; the reported ones have others."""
log = logging.getLogger("landmark.bench")


class Comparison:
    """A config's tasks, done in several processes."""

    def __init__(self, config: LossesConfig, catalog: Path, jobs: int) -> None:
        self.config, self.catalog, self.jobs = config, str(catalog), jobs
        self.folder = str(Path(config.home).resolve() / "losses" / config.name)
        self.threads = max(1, (os.cpu_count() or 1) // jobs)

    def tune(self, tier: str, rows: Sequence[str]) -> dict[str, dict[str, Choice]]:
        """What is best for each row and protocol, by the tier's own trials or by those of the tier that it takes over from."""
        like = self.config.tiers[tier].tuned_like
        if like is not None:
            rate = {"learning_rate": self.config.tiers[tier].learning_rates[0]}

            def taken_over(found: Choice) -> Choice:
                trial = {**found.trial, **rate} if found.trial else {}
                return replace(found, trial=trial, gallery=EITHER, same_trial=trial, same=f"ours@{found.weight}")

            return {row: {name: taken_over(found) for name, found in own.items()} for row, own in self.tune(like, rows).items()}
        tasks = {
            row: [Task(tier, row, TUNE, TUNING_SEED, tuple(trial.items())) for trial in self.config.trials(tier, row)]
            for row in rows
        }
        done = self.perform([task for row in tasks.values() for task in row], f"{tier}: tuning")
        return {
            row: {
                protocol: choose(
                    self.config.rows[row].recognition,
                    self.config.keep_weights,
                    [(dict(task.trial), done[task]["figures"]) for task in tasks[row]],
                    protocol,
                )
                for protocol in (ALL, LEFT_OUT)
            }
            for row in rows
        }

    def perform(self, tasks: Sequence[Task], what: str) -> dict[Task, dict[str, Any]]:
        """Results of tasks; a line a task."""
        done: dict[Task, dict[str, Any]] = {}
        if not tasks:
            return done
        begin = time.perf_counter()
        perform(tasks[0], self.config, self.catalog, self.folder, self.threads)  # makes the inputs, once
        with ProcessPoolExecutor(self.jobs, mp_context=get_context("spawn")) as pool:
            waiting = {pool.submit(perform, task, self.config, self.catalog, self.folder, self.threads): task for task in tasks}
            try:
                for number, future in enumerate(as_completed(waiting), start=1):
                    task = waiting[future]
                    done[task] = future.result()
                    left = (time.perf_counter() - begin) / number * (len(tasks) - number)
                    log.info(
                        "%s %d/%d: %s, %s, seed %d: %.3f (%.0f s; %.0f min left)", what, number, len(tasks), task.row,
                        task.protocol, task.seed, shown(done[task]["figures"]), done[task]["seconds"], left / 60,
                    )  # fmt: skip
            except BaseException:
                pool.shutdown(cancel_futures=True, wait=False)
                raise
        return done

    def compare(self, tier: str, rows: Sequence[str], out: Path) -> None:
        """Tune, train over seeds, write the table and its picture."""
        chosen = self.tune(tier, rows)
        own = {row: self.final(tier, row, {name: found.trial for name, found in chosen[row].items()}) for row in rows}
        same = {row: self.final(tier, row, {name: found.same_trial for name, found in chosen[row].items()}) for row in rows}
        done = self.perform(list(dict.fromkeys(task for tasks in (own, same) for row in rows for task in tasks[row])), tier)
        raw = {row: [done[task] for task in own[row]] for row in rows}
        table = summarise(self.config, rows, raw, {row: [done[task] for task in same[row]] for row in rows}, chosen)
        name, what = f"{self.config.name}-{tier}", self.what(tier)
        content = {
            "what": what,
            "machine": machine(self.threads),
            "rows": table.to_dict("records"),
            "chosen": {row: {name: asdict(found) for name, found in own.items()} for row, own in chosen.items()},
            "raw": raw,
        }
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / f"{name}.json", content)
        papers = "\n".join(f"- {row}: {self.config.rows[row].paper}" for row in rows)
        command = f"landmark bench losses configs/{self.config.name}.yaml --tier {tier}"
        notes = "\n".join(f"- {note}" for note in self.config.notes)
        text = f"# {what}\n\n`{command}`\n\n{markdown(table)}\n\n{notes}\n\n{papers}\n"
        write_bytes(out / f"{name}.md", text.encode())
        ours = [row for row in rows if self.config.rows[row].recognition != "plain"]
        draw(table, what, ours, out / f"{name}.svg")
        print(table.drop(columns=[column for column in table if column.endswith("_sd")]).round(3).to_string(index=False))

    def final(self, tier: str, row: str, trials: Mapping[str, Mapping[str, Any]]) -> list[Task]:
        """The trainings of a row that are reported: every seed and protocol, with the settings of each protocol."""
        seeds = self.config.tiers[tier].seeds if self.config.rows[row].training is not None else [0]
        return [Task(tier, row, name, seed, tuple(trial.items())) for seed in seeds for name, trial in trials.items()]

    def what(self, tier: str) -> str:
        """The conditions of a tier in a line."""
        chosen, network = self.config.tiers[tier], self.config.network
        part = "neck on kept features" if chosen.frozen_stages is None else f"stages from {chosen.frozen_stages} on fine-tuned"
        if chosen.tuned_like is None:
            tuned = f"tuned by {chosen.trials} trainings a row"
        else:
            trials = self.config.tiers[chosen.tuned_like].trials
            tuned = (
                f"tuned by {trials} trainings a row of tier {chosen.tuned_like}, but for the rate: {chosen.learning_rates[0]:g}"
            )
        epochs = f"{chosen.warm_up} + {chosen.epochs}" if chosen.warm_up else f"{chosen.epochs}"
        seeds = ", ".join(map(str, chosen.seeds))
        return (
            f"{self.config.name}: {part}, {network.backbone}, {network.image_size} pixels ({network.resize}), {epochs} epochs, "
            f"{tuned}, seeds {seeds}"
        )


def main() -> None:
    """Read the config, make the catalog, compare tier by tier."""
    parser = argparse.ArgumentParser(prog="landmark bench losses", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path, help="YAML file, e.g. configs/losses-photos.yaml")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. tiers.neck.epochs=3")
    parser.add_argument("--tier", help="neck or full (all)")
    parser.add_argument("--row", action="append", help="name of a row; repeatable (all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes [count]")
    parser.add_argument("--out", type=Path, help="folder of the results (benchmarks/results; beside it for some rows only)")
    arguments = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    log.setLevel(logging.INFO)
    config = read_config(arguments.config, arguments.overrides, LossesConfig)
    tiers = _named([arguments.tier] if arguments.tier else None, list(config.tiers), "tier")
    comparison = Comparison(config, make_catalog(config), arguments.jobs)
    for tier in tiers:
        every = config.rows_of(tier)
        rows = _named(arguments.row, every, "row")
        out = arguments.out or (ROOT / "results" if rows == every else Path(comparison.folder) / "some-rows")
        comparison.compare(tier, rows, out)
        print(f"{out / config.name}-{tier}.md", file=sys.stderr)


def shown(figures: Mapping[str, float]) -> float:
    """The figure that a task's line shows: our recognition's, with the first weight."""
    return next(value for key, value in figures.items() if "ours@" in key)


def make_catalog(config: LossesConfig) -> Path:
    """The catalog's file, made by the steps of a run and kept with its steps."""
    training = {"stages": [{"name": "none"}]}
    run = RunConfig.model_validate(
        {"name": config.name, "home": config.home, "data": config.data.model_dump(), "training": training}
    )
    made = Run(run, [step for step in plan(run) if step.name in ("world", "catalog")])
    for step in made.steps:
        if not made.is_done(step):
            made.perform(step)
        made.take(step)
    return made.outputs["catalog"].folder / "catalog.parquet"


def _named(wanted: list[str] | None, known: list[str], what: str) -> list[str]:
    for name in wanted or []:
        if name not in known:
            raise UsageError(f"bench losses: no {what} '{name}'; there are {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


if __name__ == "__main__":
    main()
