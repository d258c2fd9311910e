"""The verdict for people: one HTML file that needs nothing else, figures as pictures, and the verdict as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from landmark import storage
from landmark.evaluation.pictures import Thumbnails
from landmark.evaluation.tables import percent, shown_number
from landmark.registry.compare import Comparison
from landmark.registry.gate_figures import figures, svg, write_png
from landmark.registry.verdict import Check, Verdict

VERDICT, PAGE = "verdict.json", "gate.html"
MAX_LANDMARKS = 500
SIDE = 160
DASH = "\u2013"


def write_verdict(folder: Path, verdict: Verdict, compared: Comparison) -> list[Path]:
    """Write verdict.json, gate.html and the figures (PNG) into a folder.

    Returns:
        The files.

    Raises:
        LandmarkError: a file cannot be written.
    """
    files = [folder / VERDICT, folder / PAGE]
    storage.write_json(files[0], verdict.to_json())
    storage.write_bytes(files[1], render(verdict, compared).encode("utf-8"))
    for name, draw in figures(verdict, compared.names).items():
        figure = draw()
        if figure is not None:
            write_png(figure, folder / f"{name}.png")
            files.append(folder / f"{name}.png")
    return files


def render(verdict: Verdict, compared: Comparison, budget: int = 4_000_000) -> str:
    """The page as HTML text; every name and path in it is escaped.

    Args:
        verdict: what is shown.
        compared: what it was judged by.
        budget: of all pictures together [bytes].
    """
    thumbnails = Thumbnails(budget)
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("landmark.registry"), PackageLoader("landmark.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {name: svg(draw(), name) for name, draw in figures(verdict, compared.names).items()}
    return environment.get_template("gate.html").render(
        about=verdict.about,
        passed=verdict.passed,
        reasons=verdict.reasons,
        checks=[_row(check) for check in verdict.checks],
        landmarks=[
            {
                **vars(row),
                "name": compared.names.get(row.landmark) or row.landmark,
                "difference": _signed(row.difference, "share"),
            }
            for row in verdict.landmarks[:MAX_LANDMARKS]
        ],
        more_landmarks=max(0, len(verdict.landmarks) - MAX_LANDMARKS),
        figures={name: Markup(text) for name, text in drawn.items() if text is not None},
        examples=_examples(compared, thumbnails, int(verdict.rule["pictures"])),
        rule={name: DASH if value is None else value for name, value in verdict.rule.items()},
        pictures_left_out=thumbnails.left_out,
    )


def _row(check: Check) -> dict[str, Any]:
    interval = ""
    if check.low is not None and check.high is not None:
        interval = f"{_signed(check.low, check.unit)} to {_signed(check.high, check.unit)}"
    return {
        "name": check.name,
        "champion": _value(check.champion, check.unit),
        "challenger": _value(check.challenger, check.unit),
        "difference": _signed(check.difference, check.unit),
        "interval": interval,
        "bound": _value(check.bound, check.unit),
        "passed": check.passed,
        "told": check.bound is None,
        "note": check.note,
    }


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    return percent(value) if unit == "share" else shown_number(value)


def _signed(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    sign = "+" if value > 0 else "\u2212" if value < 0 else ""
    # A difference of shares is in points of percent.
    return f"{sign}{100 * abs(value):.2f}" if unit == "share" else f"{sign}{shown_number(abs(value))}"


def _examples(compared: Comparison, thumbnails: Thumbnails, count: int) -> list[dict[str, Any]]:
    if compared.champion is None:
        return []
    before, after = compared.photos.right(compared.champion), compared.photos.right(compared.challenger)
    both = compared.champion.knows & compared.challenger.knows
    fair = compared.photos.of_landmarks(both) | ~compared.photos.shown
    found = []
    for title, rows in (("Lost", before & ~after & fair), ("Won", ~before & after & fair)):
        chosen = np.flatnonzero(rows)
        cards = [_card(compared, row, thumbnails) for row in _spread(compared.photos.landmark[chosen], chosen)[:count]]
        found.append({"title": title, "count": len(chosen), "cards": cards})
    return found


def _spread(landmark: NDArray[np.object_], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same rows, the first of every landmark before the second of any."""
    turn = np.zeros(len(rows), np.int64)
    for name in set(landmark.tolist()):
        own = landmark == name
        turn[own] = np.arange(own.sum())
    return rows[np.argsort(turn, kind="stable")]


def _card(compared: Comparison, row: int, thumbnails: Thumbnails) -> Mapping[str, Any]:
    photo = str(compared.catalog.table["photo"].iloc[row])

    def said(seen: Any) -> str:
        return _name(compared, seen.landmark[row]) if seen.accepted[row] else "nothing"

    return {
        "photo": thumbnails.photo(photo, SIDE),
        "file": "/".join(photo.split("/")[-2:]),
        "shows": _name(compared, compared.photos.landmark[row]) or "no landmark",
        "champion": said(compared.champion),
        "challenger": said(compared.challenger),
    }


def _name(compared: Comparison, landmark: str) -> str:
    return compared.names.get(landmark) or landmark
