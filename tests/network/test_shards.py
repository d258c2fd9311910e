from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from landmark.errors import LandmarkError
from landmark.network.shards import Shards

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_whole_gives_rows_in_the_order_asked_for(tmp_path: Path) -> None:
    shards = Shards(tmp_path / "some", 3)
    assert shards.whole([]) is not None
    shards.write(["a", "b"], ROWS[:2])
    np.testing.assert_array_equal(shards.whole(["a", "b"]), ROWS[:2])
    shards.write(["c", "d"], ROWS[2:])
    np.testing.assert_array_equal(shards.whole(["d", "a", "a", "c"]), ROWS[[3, 0, 0, 2]])
    assert shards.whole(["a", "missing"]) is None


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_whole_trusts_nothing_that_is_damaged(tmp_path: Path, damage: bytes | None) -> None:
    shards = Shards(tmp_path, 3)
    shards.write(["a", "b"], ROWS[:2])
    data = next(tmp_path.glob("*.npy"))
    if damage is None:
        changed = bytearray(data.read_bytes())
        changed[-1] ^= 1
        damage = bytes(changed)
    data.write_bytes(damage)
    assert shards.whole(["a", "b"]) is None
    data.unlink()
    assert shards.whole(["a", "b"]) is None
    note = next(tmp_path.glob("*.json"))
    note.write_text(json.dumps({"format": 99}))
    with pytest.raises(LandmarkError, match="format 99"):
        shards.whole(["a"])


def test_whole_refuses_other_lengths(tmp_path: Path) -> None:
    Shards(tmp_path, 3).write(["a", "b"], ROWS[:2])
    assert Shards(tmp_path, 4).whole(["a", "b"]) is None
