"""The plan for many vectors: its arithmetic, by hand."""

from pathlib import Path

import pytest

from benchmarks import scale_plan
from benchmarks.scale_plan import Machine, plan, sizes, tables
from landmark.recognition.index.design import design

RATES = {
    "pairs compared": 1e9,
    "vectors assigned by the graph": 1e4,
    "vectors rotated": 1e6,
    "4-bit codes made": 1e5,
    "4-bit codes scanned": 1e9,
    "8-bit codes made": 1e5,
    "8-bit codes scanned": 1e8,
    "copies made": 1e6,
    "bytes merged": 1e9,
    "bytes hashed": 2e9,
}
VALUES = {"machine": {"cpu": "a processor"}, "threads": 2, "rates": RATES}


@pytest.fixture(autouse=True)
def embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_plan, "embedding_rate", lambda: (200.0, 2, "throughput-x.json"))


def test_bytes() -> None:
    """64 codes of 4 bits, an id of 8 bytes, 256 numbers of 2 bytes; a graph of 2 x 32 + 1 links of 4 bytes a list."""
    found = sizes(design(100_000_000, 256), 100_000_000)
    assert found == {
        "codes": 3.2e9,
        "ids": 0.8e9,
        "lists' centres and graph": 16_384 * (1024 + 260),
        "copies": 51.2e9,
    }


def test_hours() -> None:
    found = plan(100_000_000, VALUES, Machine(cores=20, nprobe=32, candidates=100, reads=1e5), copies=True)
    assert found["embedding [machine-hours]"] == pytest.approx(1e8 / 2000 / 3600)
    assert found["training [hours, one machine]"] == pytest.approx(64 * 16_384 * 16_384 * 10 / 1e10 / 3600)
    # on 20 cores a vector takes 10 us to assign, 0.1 to rotate, 1 to code, 0.1 to copy, 0.2 to compare with 2,000 queries
    each = 1 / 1e5 + 1 / 1e7 + 1 / 1e6 + 1 / 1e7 + 2000 / 1e10
    assert found["adding all shards [machine-hours]"] == pytest.approx(1e8 * each / 3600)
    assert found["query, codes [ms, one core]"] == pytest.approx(1e3 * 1e8 * 32 / 16_384 / 0.5e9)
    assert found["query, copies from disk [ms]"] == pytest.approx(1.0)
    assert found["machines that hold it"] == 1
    # lists of 4.02 GB four times and copies of 51.2 GB at 1 GB/s; all of it hashed twice at 2 GB/s
    lists = 4e9 + 16_384 * (1024 + 260)
    assert found["merging [hours, one process and disk]"] == pytest.approx((4 * lists + 51.2e9 + lists + 51.2e9) / 1e9 / 3600)
    # 490 GB, 96 GiB each
    assert plan(10_000_000_000, VALUES, Machine(gib=128), copies=True)["machines that hold it"] == 5


def test_the_document_has_a_place_for_the_tables_and_they_are_of_today() -> None:
    text = (Path(scale_plan.__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    for count in scale_plan.COUNTS:
        assert f"`{design(count, 256).factory}`" in text
    assert "<!-- tables: landmark bench scale_plan -->\n" in text
    assert tables(VALUES, Machine()).splitlines()[-1].startswith("| 1 % new: files written again [GB] | 55.2 |")
