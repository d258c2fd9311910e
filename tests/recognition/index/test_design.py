"""The written policy, pinned: (vectors, their length, bytes, device) -> factory string."""

from __future__ import annotations

import faiss
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index.design import design

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("count", "dim", "max_bytes", "device", "factory"),
    [
        (1, 256, None, "cpu", "Flat"),
        (9_983, 256, None, "cpu", "Flat"),
        (9_983, 256, 512 + 9_983 * 512, "cpu", "SQfp16"),
        (9_983, 256, 512 + 9_983 * 256, "cpu", "SQ8"),
        (9_984, 256, None, "cpu", "OPQ64,IVF256,PQ64x4fs,Refine(SQfp16)"),
        (39_240, 256, None, "cpu", "OPQ64,IVF512,PQ64x4fs,Refine(SQfp16)"),
        (MILLION, 256, None, "cpu", "OPQ64,IVF2048,PQ64x4fs,Refine(SQfp16)"),
        (MILLION, 256, 2_000_000_000, "cpu", "OPQ64,IVF2048,PQ64x4fs,Refine(Flat)"),
        (MILLION, 256, 307_200_000, "cpu", "OPQ64,IVF2048,PQ64x4fs,Refine(SQ8)"),  # 0.3 of float32
        (MILLION, 256, 250_000_000, "cpu", "OPQ64,IVF2048,PQ64x4fs,Refine(SQ6)"),
        (MILLION, 256, 200_000_000, "cpu", "OPQ128,IVF4096,PQ128"),
        (MILLION, 256, 102_400_000, "cpu", "OPQ84_252,IVF4096,PQ84"),  # 0.1 of float32
        (MILLION, 256, 102_400_000, "gpu", "OPQ64,IVF4096,PQ64"),
        (MILLION, 256, 50_000_000, "cpu", "OPQ36_252,IVF4096,PQ36"),
        (MILLION, 256, 50_000_000, "gpu", "OPQ32,IVF4096,PQ32"),
        (MILLION, 256, None, "gpu", "OPQ32,IVF4096,PQ32,Refine(SQfp16)"),
        (1_580_470, 512, None, "gpu", "OPQ64,IVF4096,PQ64,Refine(SQfp16)"),
        (100 * MILLION, 512, None, "cpu", "OPQ128,IVF16384_HNSW32,PQ128x4fs,Refine(SQfp16)"),
        (10_000 * MILLION, 512, None, "gpu", "OPQ64,IVF262144_HNSW32,PQ64,Refine(SQfp16)"),
        (100_000, 37, None, "cpu", "OPQ9_36,IVF512,PQ9x4fs,Refine(SQfp16)"),
        (100_000, 4, None, "cpu", "IVF1024,SQ8,Refine(SQfp16)"),
    ],
)
def test_the_policy(count: int, dim: int, max_bytes: int | None, device: str, factory: str) -> None:
    made = design(count, dim, max_bytes, device)
    assert made.factory == factory
    assert max_bytes is None or made.bytes_estimated <= max_bytes
    if made.lists_factory:
        assert faiss.index_factory(dim, made.lists_factory, faiss.METRIC_INNER_PRODUCT).d == dim


@pytest.mark.parametrize(("count", "most"), [(1000, 1000), (MILLION, 8_000_000)])
def test_an_impossible_size_is_refused(count: int, most: int) -> None:
    with pytest.raises(LandmarkError, match=rf"max-bytes {most}: {count} vectors of 256 numbers need at least"):
        design(count, 256, most)
