"""Photos that are the same, byte for byte or nearly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from landmark.errors import UsageError
from landmark.names import shown

_MOST_BANDS = 16
_BLOCK = 2048


def merge_exact(table: pd.DataFrame) -> pd.DataFrame:
    """Keep one row of those with the same bytes: the first by path.

    A photo that is in `others` and among unknown landmarks counts as the latter.

    Args:
        table: columns photo, sha256, landmark, known, pinned (split by `splits.csv`, or "").

    Raises:
        UsageError: the copies are under two landmarks, under a landmark and under none, or listed in two splits.
    """
    copies = table[table.duplicated("sha256", keep=False)].sort_values(["sha256", "photo"])
    pinned = {}
    for sha256, rows in copies.groupby("sha256", sort=False):
        first = rows.iloc[0]
        other = rows[(rows["landmark"] != first["landmark"])]
        if len(other):
            _refuse(first, other.iloc[0])
        listed = rows[rows["pinned"] != ""]
        if listed["pinned"].nunique() > 1:
            a, b = (row for _, row in listed.drop_duplicates("pinned").head(2).iterrows())
            raise UsageError(
                f"data.splits: {shown(a['photo'])} ({a['pinned']}) and {shown(b['photo'])} ({b['pinned']}) are the same photo; "
                "list it in one split"
            )
        pinned[sha256] = listed["pinned"].iloc[0] if len(listed) else ""
    kept = table.sort_values(["known", "photo"]).drop_duplicates("sha256").sort_index()
    return kept.assign(pinned=[pinned.get(sha, pin) for sha, pin in zip(kept["sha256"], kept["pinned"], strict=True)])


def _refuse(first: pd.Series, other: pd.Series) -> None:
    with_landmark, without = (first, other) if first["landmark"] else (other, first)
    if first["landmark"] and other["landmark"]:
        what = f"the same photo under two landmarks, '{shown(first['landmark'])}' and '{shown(other['landmark'])}'"
    elif not without["known"]:
        what = f"the same photo under landmark '{shown(with_landmark['landmark'])}' and among unknown landmarks"
    else:
        what = f"the same photo under landmark '{shown(with_landmark['landmark'])}' and among photos without a landmark"
    raise UsageError(f"{shown(first['photo'])} and {shown(other['photo'])}: {what}; remove one of them")


def near_groups(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Groups of near-duplicates: the connected components of "at most `bits` bits apart".

    Args:
        hashes: uint64 [n], perceptual hashes.
        bits: largest distance of two near-duplicates [bits of 64].

    Returns:
        int [n], a number for each photo's group; numbers follow the order of first members.
    """
    unique, inverse = np.unique(np.asarray(hashes, dtype=np.uint64), return_inverse=True)
    edges = [pairs for pairs in _near_pairs(unique, bits) if len(pairs)]
    a, b = np.concatenate(edges).T if edges else np.zeros((2, 0), dtype=np.int64)
    graph = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(len(unique), len(unique)))
    component = connected_components(graph, directed=False)[1][inverse]
    return np.asarray(pd.factorize(component)[0], dtype=np.int64)


def _near_pairs(hashes: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Pairs [p, 2] at most `bits` apart, some of them more than once.

    Multi-index hashing (Norouzi et al., CVPR 2012): cut into bits + 1 bands, two such hashes agree in one band at least,
    so only photos that share a band's value are compared. With very wide `bits`, bands select nothing and all are compared.
    """
    positions = np.arange(len(hashes))
    if bits == 0:
        return
    if bits + 1 > _MOST_BANDS:
        yield from _close(hashes, positions, bits)
        return
    edges = np.linspace(0, 64, bits + 2).astype(int)
    for low, high in itertools.pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order][:1] + np.uint64(1)))
        for members in np.split(order, starts[1:]):
            yield from _close(hashes, members, bits)


def _close(hashes: np.ndarray, members: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Pairs among some hashes, compared in blocks so that memory stays bounded."""
    for start in range(0, len(members), _BLOCK):
        rows = members[start : start + _BLOCK]
        for other in range(start, len(members), _BLOCK):
            columns = members[other : other + _BLOCK]
            near = np.bitwise_count(hashes[rows][:, None] ^ hashes[columns][None, :]) <= bits
            i, j = np.nonzero(near)
            pairs = np.stack([rows[i], columns[j]], axis=1)
            yield pairs[pairs[:, 0] < pairs[:, 1]]


def crossing_pairs(hashes: np.ndarray, group: np.ndarray, split: np.ndarray, bits: int) -> int:
    """How many pairs of near-duplicates lie in different splits.

    Args:
        hashes: uint64 [n].
        group: int [n], from `near_groups`.
        split: str [n].
        bits: largest distance of two near-duplicates [bits of 64].
    """
    count = 0
    frame = pd.DataFrame({"group": group, "split": split})
    crossing = frame.groupby("group")["split"].transform("nunique") > 1
    for rows in frame[crossing].groupby("group").indices.values():
        members = np.flatnonzero(crossing.to_numpy())[rows]
        for number, row in enumerate(members[:-1]):
            rest = members[number + 1 :]
            near = np.bitwise_count(hashes[row] ^ hashes[rest]) <= bits
            count += int((near & (split[rest] != split[row])).sum())
    return count
