"""Database cleaning: which of the photos that are labelled with a landmark show it.

The method of Boiarov and Tyantov (CIKM 2019): each landmark has a few reference photos, its embeddings are clustered
hierarchically, and the clusters tied to the references are kept. What the paper leaves open is ours:

- Without references given, the most central photos are taken: those that other clusters of their landmark vouch for most,
  compared with the strongest rival (another landmark, or photos that show none).
- A cluster is tied if its photos are nearer to the photos tied before than to any rival, give or take a slack. References
  start this off, and it is repeated until nothing changes: an aspect is reached over photos between it and a reference.
- The slack is measured by the photos themselves (a share of the median margin), so that it fits any network; it is bounded,
  since a network that was trained on wrong labels holds them apart from their rivals as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster

from landmark.config import CleaningConfig
from landmark.errors import LandmarkError
from landmark.network.aspects import MAX_CLUSTERED, Array, Labels, linkage_tree
from landmark.recognition.cleaning_evidence import Bools, Evidence, find_evidence, half_whitened, rows_of
from landmark.recognition.vectors import check_vectors

SWEEPS = 5
"""How often the photos tied so far are looked at anew, at most."""
FEWEST_REFERENCES = 3
LARGEST_SLACK = 0.1
"""By how much a rival may be nearer at most [cosine]."""


@dataclass(frozen=True)
class Verdict:
    """What became of each landmark photo.

    Attributes:
        kept: whether it stays [n].
        tied: whether its cluster is tied to the references [n]; photos that are kept without that keep their landmark from
            running empty.
        reference: whether it is a reference [n].
        cluster: number of its cluster within its landmark [n], 0 the largest.
        evidence: its similarity to its own landmark's tied photos and to the strongest rival.
        rival: id of that rival, "" for photos without a landmark [n].
    """

    kept: Bools
    tied: Bools
    reference: Bools
    cluster: Labels
    evidence: Evidence
    rival: NDArray[np.object_]


def clean(
    embeddings: Array,
    landmark: NDArray[np.str_],
    others: Array,
    groups: Labels,
    settings: CleaningConfig,
    references: Bools | None = None,
    trusted: Bools | None = None,
    verified: Bools | None = None,
) -> Verdict:
    """Find the photos that are labelled with a landmark and do not show it.

    Args:
        embeddings: unit vectors of landmark photos [n, d].
        landmark: id of each one's landmark [n].
        others: unit vectors of photos without a landmark [m, d].
        groups: near-duplicate group of each landmark photo [n]; a photo's near-duplicates do not vouch for it.
        settings: references, clustering, slack.
        references: photos known to show their landmark [n]; a landmark without any gets its most central photos.
        trusted: photos that an earlier round kept [n]: only these vouch when central photos are chosen. None: all.
        verified: photos that someone confirmed one by one [n]: references beside the central ones, not in their place, for they
            were looked at because the model was unsure of them.

    Returns:
        Verdict [n]. Every landmark keeps its references and at least `settings.min_photos` photos (or all it has).

    Raises:
        LandmarkError: lengths that do not match, a photo without a landmark, or vectors that are no unit vectors.
    """
    embeddings = check_vectors(embeddings, "embeddings of landmark photos")
    others = check_vectors(others, "embeddings of non-landmark photos", embeddings.shape[1])
    given = np.zeros(len(embeddings), bool) if references is None else references
    trusted = np.ones(len(embeddings), bool) if trusted is None else trusted
    verified = np.zeros(len(embeddings), bool) if verified is None else verified
    lengths = {"landmark ids": landmark, "groups": groups, "references": given, "trusted photos": trusted, "verified": verified}
    for what, values in lengths.items():
        if len(values) != len(embeddings):
            raise LandmarkError(f"cleaning: {len(embeddings)} embeddings but {len(values)} {what}; give one a photo")
    if len(embeddings) == 0 or (np.asarray(landmark, str) == "").any():
        raise LandmarkError("cleaning: only photos labelled with a landmark can be cleaned, and there must be some")
    names, number = np.unique(np.asarray(landmark, str), return_inverse=True)
    white = half_whitened(np.concatenate([embeddings, others]))
    rows, strangers = white[: len(embeddings)], white[len(embeddings) :]
    cluster = _clusters(rows, number, settings)
    reference = given | verified | _central(rows, number, cluster, strangers, groups, settings, given, trusted)
    tied, evidence = _grow(rows, number, cluster, strangers, groups, settings, reference)
    kept = tied | _least(number, tied, evidence, settings.min_photos)
    rival = np.append(names.astype(object), "")[evidence.rival_landmark]
    return Verdict(kept, tied, reference, _within(number, cluster), evidence, rival)


def _clusters(rows: Array, number: Labels, settings: CleaningConfig) -> Labels:
    """Cluster [n] of each photo; no cluster holds photos of two landmarks."""
    cluster = np.zeros(len(rows), np.int64)
    found = 0
    for own in rows_of(number):
        for part in np.array_split(own, -(-len(own) // MAX_CLUSTERED)):
            tree = linkage_tree(rows[part], settings.linkage)
            labels = fcluster(tree, settings.cut, "distance") - 1 if len(tree) else np.zeros(1, np.int64)
            cluster[part] = found + labels
            found += int(labels.max()) + 1
    return cluster


def _central(
    rows: Array,
    number: Labels,
    cluster: Labels,
    others: Array,
    groups: Labels,
    settings: CleaningConfig,
    given: Bools,
    trusted: Bools,
) -> Bools:
    """The photos [n] that stand for references where none are given: those with the highest margin.

    A photo's own cluster does not vouch for it: a series of one wrong thing would make itself a reference. Where a landmark
    is one cluster, that is all there is to go by. A cluster that is a large part of its landmark and far from all rivals gets a
    reference in any case: it is an aspect that resembles no other.
    """
    strict = find_evidence(rows, number, trusted, others, settings.neighbours, (groups, cluster)).margin
    plain = find_evidence(rows, number, trusted, others, settings.neighbours, (groups,)).margin
    # No margin is lower than -2: whom others vouch for comes first.
    margin = np.where(np.isnan(strict), np.nan_to_num(plain, nan=-4.0) - 4.0, strict)
    far = _slack(plain, settings)
    chosen = np.zeros(len(rows), bool)
    for own in rows_of(number):
        if given[own].any():
            continue
        own = own[np.argsort(-margin[own], kind="stable")]
        count = max(FEWEST_REFERENCES, round(settings.central * len(own)))
        chosen[own[:count]] = True
        _, first, inverse, sizes = np.unique(cluster[own], return_index=True, return_inverse=True, return_counts=True)
        mean = np.bincount(inverse, np.nan_to_num(plain[own], nan=-4.0)) / sizes
        chosen[own[first[(sizes >= count) & (mean > far)]]] = True
    return chosen


def _grow(
    rows: Array,
    number: Labels,
    cluster: Labels,
    others: Array,
    groups: Labels,
    settings: CleaningConfig,
    reference: Bools,
) -> tuple[Bools, Evidence]:
    """Which photos [n] belong to clusters tied to the references, and the evidence for it."""
    anchored = np.bincount(cluster, reference) > 0
    tied = reference
    for _ in range(SWEEPS):
        evidence = find_evidence(rows, number, tied, others, settings.neighbours, (groups,))
        margin = evidence.margin
        judged = ~np.isnan(margin)
        slack = _slack(margin, settings)
        count = np.bincount(cluster, judged)
        mean = np.divide(np.bincount(cluster, np.where(judged, margin, 0.0)), count, out=np.zeros(len(count)), where=count > 0)
        before, tied = tied, ((mean >= -slack) | anchored)[cluster]
        if (tied == before).all():
            break
    return tied, evidence


def _slack(margin: Array, settings: CleaningConfig) -> float:
    """By how much a rival may be nearer than the own landmark [cosine]; as much nearer must it be to be far from rivals."""
    known = margin[~np.isnan(margin)]
    return min(max(settings.slack * float(np.median(known)), 0.0), LARGEST_SLACK) if len(known) else 0.0


def _least(number: Labels, tied: Bools, evidence: Evidence, fewest: int) -> Bools:
    """The photos [n] with the highest margin, so many that each landmark has the fewest it needs."""
    core = np.zeros(len(tied), bool)
    rank = np.where(tied, np.inf, np.nan_to_num(evidence.margin, nan=-4.0))
    for own in rows_of(number):
        core[own[np.argsort(-rank[own], kind="stable")[:fewest]]] = True
    return core


def _within(number: Labels, cluster: Labels) -> Labels:
    """Clusters [n] numbered anew within each landmark, by size."""
    result = np.empty(len(cluster), np.int64)
    for own in rows_of(number):
        _, inverse, sizes = np.unique(cluster[own], return_inverse=True, return_counts=True)
        place = np.empty(len(sizes), np.int64)
        place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
        result[own] = place[inverse]
    return result
