from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import UsageError
from landmark.photos.duplicates import crossing_pairs, merge_exact, near_groups


def reference_groups(hashes: list[int], bits: int) -> list[set[int]]:
    """Connected components by the definition, all pairs compared."""
    groups = [{number} for number in range(len(hashes))]
    for a, b in itertools.combinations(range(len(hashes)), 2):
        if (hashes[a] ^ hashes[b]).bit_count() <= bits:
            first, second = (next(group for group in groups if number in group) for number in (a, b))
            if first is not second:
                groups.remove(second)
                first |= second
    return sorted(groups, key=min)


@given(
    base=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    flips=st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 63), max_size=9)), max_size=25),
    bits=st.sampled_from([0, 1, 3, 6, 10, 15, 16, 30, 64]),
)
@settings(max_examples=200, deadline=None)
def test_groups_are_the_connected_components(base: list[int], flips: list[tuple[int, set[int]]], bits: int) -> None:
    hashes = base + [base[which % len(base)] ^ sum(1 << bit for bit in places) for which, places in flips]
    group = near_groups(np.array(hashes, dtype=np.uint64), bits)
    found = [set(np.flatnonzero(group == number).tolist()) for number in range(group.max() + 1)]
    assert found == reference_groups(hashes, bits)


def test_no_photos() -> None:
    assert near_groups(np.zeros(0, dtype=np.uint64), 6).tolist() == []


def test_ten_thousand_photos_take_seconds_and_copies_cost_nothing() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 10_000, dtype=np.uint64)
    hashes[5_000:8_000] = 7  # all-black photos, say: pairs of equal hashes must not be listed one by one
    hashes[9_000:] = hashes[:1_000] ^ np.uint64(0b10101)
    start = time.perf_counter()
    group = near_groups(hashes, 6)
    assert time.perf_counter() - start < 20  # 0.3 s alone on one core
    assert (group[9_000:] == group[:1_000]).all()
    assert len(set(group[5_000:8_000].tolist())) == 1
    assert len(set(group.tolist())) == 10_000 - 2_999 - 1_000


def test_crossing_pairs_are_counted_by_hand() -> None:
    hashes = np.array([0, 1, 3, 2**40 - 1, 0], dtype=np.uint64)  # 0-1, 1-3 (1 bit); 0-3 (2 bits)
    group = near_groups(hashes, 1)
    assert group.tolist() == [0, 0, 0, 1, 0]
    split = np.array(["train", "test", "test", "train", "train"], dtype=object)
    assert crossing_pairs(hashes, group, split, 1) == 2  # photos 0 and 4, both with photo 1


def rows(*items: tuple[str, str, str, bool, str]) -> pd.DataFrame:
    return pd.DataFrame(items, columns=["photo", "sha256", "landmark", "known", "pinned"])


def test_copies_are_merged() -> None:
    table = rows(
        ("b", "1", "x", True, "test"), ("a", "1", "x", True, ""), ("c", "2", "", True, ""), ("d", "2", "", False, "test")
    )
    merged = merge_exact(table)
    assert merged["photo"].tolist() == ["a", "d"]
    assert merged["pinned"].tolist() == ["test", "test"]
    assert merged.index.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (("b", "1", "y", True, ""), r"a and b: the same photo under two landmarks, 'x' and 'y'"),
        (("b", "1", "", True, ""), r"a and b: the same photo under landmark 'x' and among photos without a landmark"),
        (("b", "1", "", False, "test"), r"a and b: the same photo under landmark 'x' and among unknown landmarks"),
        (("b", "1", "x", True, "train"), r"a \(test\) and b \(train\) are the same photo"),
    ],
)
def test_copies_that_contradict(second: tuple[str, str, str, bool, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        merge_exact(rows(("a", "1", "x", True, "test"), second))
