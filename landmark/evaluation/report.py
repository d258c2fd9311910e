"""The report of a run: one HTML file that needs nothing else, no network either."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from landmark import storage
from landmark.evaluation import plots, protocol_plots
from landmark.evaluation.explain import Explained, overlay
from landmark.evaluation.mistakes import Mistake, worst
from landmark.evaluation.nearest import caption
from landmark.evaluation.pages import page_template
from landmark.evaluation.pictures import Thumbnails
from landmark.evaluation.report_content import ReportContent
from landmark.evaluation.tables import Table, data_table, flat, landmark_table, percent, shown_number

UNKNOWN = "a landmark not known to the model"
MAX_ROWS = 500
MAX_CONFUSIONS = 20
MAX_CENTROID_LANDMARKS = 150
PACKAGES = ("landmark", "torch", "timm", "numpy", "pandas", "scikit-learn", "faiss-cpu", "onnxruntime")

# Name in metrics.json, title on the card, what it is. The first two carry their intervals and stand out.
HEADLINES = (
    ("sensitivity", "Sensitivity", "landmark photos given the right landmark"),
    ("specificity", "Specificity", "photos without a landmark given none"),
    ("sensitivity_at_99", "Sensitivity at 99\u00a0%", "at a specificity of 99 % measured on these photos"),
    ("sensitivity_at_99_9", "Sensitivity at 99.9\u00a0%", "at a specificity of 99.9 % measured on these photos"),
    ("gap", "GAP", "global average precision (GLDv2)"),
    ("top1", "Top-1", "right best candidate, without a threshold"),
    ("macro_sensitivity", "Mean over landmarks", "sensitivity, every landmark counted alike"),
    ("unknown_specificity", "Unknown landmarks", "photos of landmarks the model does not know, given none"),
    ("tags_right_at_2_percent", "Right tags", "share of tags that is right where 2 % of the photos show a landmark"),
    ("precision_at_confidence_90", "Right when sure", "share of tags with a confidence of 0.9 or more that is right there"),
    ("ece_as_tested", "Calibration error", "of the confidence (ECE), moved to these photos' share of landmarks"),
    ("verification_eer", "Equal error rate", "of verification: same landmark or not"),
    ("map_at_5_with_new", "MAP@5", "five labels a photo, 'new' among them"),
)
FURTHER = ("centroids_per_landmark", "index_recall_at_1", "photos_per_second")
MISTAKES: tuple[tuple[Mistake, str, str], ...] = (
    ("false tag", "A landmark seen where there is none", "highest scores first"),
    ("wrong", "Taken for another landmark", "highest scores first"),
    ("missed", "Landmarks not recognised", "lowest scores first"),
)


def write_report(file: Path, content: ReportContent) -> None:
    """Write the report, atomically.

    Raises:
        LandmarkError: nothing to measure on, or the file cannot be written.
    """
    storage.write_bytes(str(file), render_report(content).encode("utf-8"))


def render_report(content: ReportContent) -> str:
    """The report as HTML text; every name, path and setting in it is escaped."""
    thumbnails = Thumbnails(content.picture_bytes)
    figures = content.open_set.figures(content.threshold)
    return page_template("report.html").render(
        title=content.title,
        description=content.description,
        summary=_summary(content),
        cards=_cards({**content.metrics, **figures}),
        curve=Markup(plots.sensitivity_curve({"this model": content.open_set, **content.compared}, content.threshold)),
        histograms=Markup(plots.score_histograms(content.open_set, content.threshold)),
        baselines=data_table(content.baselines),
        left_out=data_table(content.left_out),
        prevalence=data_table(content.prevalence),
        sizes=data_table(content.sizes),
        aspects=_aspects(content),
        reliability=_reliability(content),
        verification=Markup(protocol_plots.roc_figure(content.verification)) if content.verification else None,
        identification=None
        if content.identification is None
        else Markup(protocol_plots.identification_figure(content.identification)),
        landmarks=landmark_table(content.open_set.per_landmark(content.threshold), content.name, content.centroids, MAX_ROWS),
        confusions=_confusions(content),
        mistakes=[_mistakes(content, kind, title, note, thumbnails) for kind, title, note in MISTAKES],
        explained=[_explained(content, item, thumbnails) for item in content.explained],
        explained_size=content.explained[0].size if content.explained else 0,
        centroids=_centroids(content, thumbnails),
        centroid_landmarks=len(np.unique(content.centroids.landmark)) if content.centroids is not None else 0,
        embedding=Markup(plots.embedding_figure(content.points, dict(content.names))) if content.points is not None else None,
        curves=Markup(plots.training_curves(content.curves)) if content.curves else None,
        details=[
            (heading, rows)
            for heading, rows in (
                ("Data", flat(content.data)),
                ("Figures", flat(content.metrics)),
                ("Settings", flat(content.settings)),
                ("Versions", flat(versions() if content.versions is None else content.versions)),
            )
            if rows
        ],
        pictures_left_out=thumbnails.left_out,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on, as installed."""
    found = {"python": python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _summary(content: ReportContent) -> str:
    open_set = content.open_set
    outcome = open_set.outcome(content.threshold)
    landmarks, others, unknown = (
        int(chosen.sum()) for chosen in (open_set.landmark_photo, open_set.other_photo, open_set.unknown_photo)
    )
    right, wrong, missed = (int((outcome == kind).sum()) for kind in ("right", "wrong", "missed"))
    tagged = int((open_set.accepted(content.threshold) & open_set.other_photo).sum())
    text = (
        f"Of {landmarks:,} photos of known landmarks, {right:,} got the right one, {wrong:,} a wrong one, {missed:,} none. "
        f"Of {others:,} photos without a landmark, {tagged:,} got one all the same."
    )
    if unknown:
        fooled = int((open_set.accepted(content.threshold) & open_set.unknown_photo).sum())
        text += f" Of {unknown:,} photos of landmarks that the model does not know, {fooled:,} got a known one."
    return text


def _cards(figures: Mapping[str, float]) -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = []
    for key, title, note in HEADLINES:
        if key in figures:
            interval = None
            if f"{key}_low" in figures:
                interval = f"{percent(figures[f'{key}_low'])} to {percent(figures[f'{key}_high'])}"
            cards.append({"title": title, "value": percent(figures[key]), "note": note, "interval": interval})
    for key in FURTHER:
        if key in figures:
            title = key.replace("_", " ").capitalize()
            cards.append({"title": title, "value": shown_number(figures[key]), "note": "", "interval": None})
    return cards


def _aspects(content: ReportContent) -> Table:
    """Aspects of the landmarks that have several, least sensitivity first."""
    if content.aspects is None:
        return data_table(None)
    several = content.aspects[content.aspects["aspects"] > 1].drop(columns="aspects")
    ordered = several.sort_values(["sensitivity", "photos"], ascending=[True, False], kind="stable")
    shown = ordered.head(MAX_ROWS).rename(columns={"support": "training photos", "photos": "photos tested"})
    table = data_table(shown.assign(landmark=[content.name(str(landmark)) for landmark in shown["landmark"]]))
    return Table(table.columns, table.rows, len(ordered) - len(shown))


def _reliability(content: ReportContent) -> tuple[Markup, Table] | None:
    if content.reliability is None:
        return None
    measured = {"as tested": content.reliability.as_tested, "in a collection": content.reliability.in_collection}
    rows = [
        {
            "photos": photos,
            "in a collection": confidences.ece(),
            "as tested": tested.ece(),
            "tested": len(tested),
        }
        for photos, confidences, tested in content.reliability.parts()
    ]
    return Markup(protocol_plots.reliability_figure(measured)), data_table(pd.DataFrame(rows))


def _confusions(content: ReportContent) -> tuple[Table, int]:
    """The most frequent confusions, and how many there are."""
    pairs = content.open_set.confusions(content.threshold)
    shown = pairs.head(MAX_CONFUSIONS)
    truth = [
        content.name(landmark) if landmark else ("no landmark" if known else UNKNOWN)
        for landmark, known in zip(shown["truth"], shown["known"], strict=True)
    ]
    table = pd.DataFrame(
        {
            "shows": truth,
            "was given": [content.name(landmark) for landmark in shown["predicted"]],
            "photos": shown["photos"],
            "highest score": shown["top_score"],
        }
    )
    return data_table(table), len(pairs)


def _mistakes(content: ReportContent, kind: Mistake, title: str, note: str, thumbnails: Thumbnails) -> dict[str, Any]:
    open_set = content.open_set
    cards = []
    for row in worst(open_set, content.threshold, kind, content.pictures):
        truth = content.name(open_set.truth[row]) if open_set.truth[row] else "no landmark"
        if open_set.unknown_photo[row]:
            truth = UNKNOWN
        card = {
            "photo": thumbnails.photo(str(content.photos[row])),
            "file": "/".join(str(content.photos[row]).split("/")[-2:]),
            "truth": truth,
            "candidate": content.name(open_set.predicted[row]) or "nothing",
            "score": f"{open_set.confidence[row]:.3f}",
            "medoid": None,
            "medoid_note": "",
        }
        nearest = -1 if content.nearest is None else int(content.nearest[row])
        if content.centroids is not None and nearest >= 0:
            card["medoid"] = thumbnails.photo(str(content.centroids.medoid[nearest]))
            card["medoid_note"] = _centroid_note(content, nearest)
        cards.append(card)
    total = int((open_set.outcome(content.threshold) == kind).sum())
    return {"kind": kind, "title": title, "note": note, "cards": cards, "total": total}


def _centroid_note(content: ReportContent, row: int) -> str:
    assert content.centroids is not None
    support = int(content.centroids.support[row])
    return f"{content.name(content.centroids.landmark[row])}, centroid of {support:,} photo{'s' if support != 1 else ''}"


def _explained(content: ReportContent, item: Explained, thumbnails: Thumbnails) -> dict[str, Any]:
    return {
        "photo": thumbnails.pixels(item.image, 220),
        "heat": thumbnails.pixels(overlay(item.image, item.heat), 220),
        "file": "/".join(item.photo.split("/")[-2:]),
        "landmark": content.name(item.landmark),
        "similarity": f"{item.similarity:.3f}",
        "neighbours": [
            {"photo": thumbnails.photo(near.photo, 96), "note": f"{near.similarity:.3f}", "shows": caption(near, content.names)}
            for near in content.neighbours.get(item.photo, ())
        ],
    }


def _centroids(content: ReportContent, thumbnails: Thumbnails) -> list[dict[str, Any]]:
    if content.centroids is None:
        return []
    shown = []
    for landmark in np.unique(content.centroids.landmark)[:MAX_CENTROID_LANDMARKS]:
        rows = np.flatnonzero(content.centroids.landmark == landmark)
        rows = rows[np.argsort(-content.centroids.support[rows], kind="stable")]
        pictures = [
            {"photo": thumbnails.photo(str(content.centroids.medoid[row]), 128), "support": int(content.centroids.support[row])}
            for row in rows
        ]
        shown.append({"name": content.name(str(landmark)), "id": str(landmark), "pictures": pictures})
    return shown
