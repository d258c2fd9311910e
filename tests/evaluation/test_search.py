"""Recall@1 of an index against exact search."""

import numpy as np
import pytest

from landmark.evaluation.search import recall_at_1
from landmark.recognition.index.search import SearchIndex


class Wrong:
    """An index that answers with a row a query, whatever is nearest."""

    def __init__(self, rows: list[int], count: int) -> None:
        self.rows, self.count = rows, count

    def __len__(self) -> int:
        return self.count

    def search_rows(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        assert k == 1
        return np.zeros((len(queries), 1), np.float32), np.array(self.rows)[:, None]


STORED = np.eye(4, dtype=np.float32)
QUERIES = np.array([[0.8, 0.6, 0, 0], [0, 0, 0.6, 0.8], [0.6, 0.8, 0, 0], [0, 0, 1, 0]], np.float32)
NEAREST = [0, 3, 1, 2]


def test_exact_search_recalls_all() -> None:
    assert recall_at_1(SearchIndex.exact(STORED), STORED, QUERIES) == 1.0


@pytest.mark.parametrize(
    ("rows", "recall"), [(NEAREST, 1.0), ([0, 3, 1, 0], 0.75), ([-1, -1, -1, 2], 0.25), ([1, 2, 0, 3], 0.0)]
)
def test_share_of_queries_answered_with_the_nearest(rows: list[int], recall: float) -> None:
    assert recall_at_1(Wrong(rows, 4), STORED, QUERIES) == recall  # type: ignore[arg-type]


def test_a_copy_of_the_nearest_is_as_good() -> None:
    stored = np.concatenate([STORED, STORED[:1]])
    assert recall_at_1(Wrong([4, 3, 1, 2], 5), stored, QUERIES) == 1.0  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    index = SearchIndex.exact(STORED)
    with pytest.raises(ValueError, match="0 queries"):
        recall_at_1(index, STORED, QUERIES[:0])
    with pytest.raises(ValueError, match="3 given"):
        recall_at_1(index, STORED[:3], QUERIES)
