from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from landmark.config import CentroidsConfig
from landmark.errors import LandmarkError
from landmark.network import aspects
from landmark.recognition import blocks, division, refresh
from landmark.recognition.blocks import make_blocks
from landmark.recognition.centroids import Centroids, build_centroids
from landmark.recognition.refresh import refresh_centroids
from tests.recognition.samples import unit, world

SETTINGS = CentroidsConfig()
PLAIN = CentroidsConfig(earned=False)


def same(one: Centroids, two: Centroids) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(two, name)) for name in ("vectors", "landmark", "support", "medoid", "cut")
    )


def uris(count: int) -> list[str]:
    return [f"photo{n:05}.jpg" for n in range(count)]


def small(seed: int, landmarks: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train, ids, _, _, others, _ = world(seed, aspects=2, dim=8, landmarks=landmarks, photos=12)
    return train, ids, others[:60]


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)


@pytest.mark.usefixtures("tiny_blocks")
def test_processes_give_what_one_gives_in_any_order(tmp_path: Path) -> None:
    train, ids, others = small(0, 8)
    photos = np.array(uris(len(ids)), object)
    groups = np.arange(len(ids)) // 2
    np.save(tmp_path / "x.npy", train)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one = build_centroids(train, ids, photos, SETTINGS, groups=groups, others=others, seed=3)
    made = refresh_centroids(mapped, ids, photos, SETTINGS, tmp_path / "s", groups=groups, others=others, seed=3, workers=2)
    assert (made.landmarks, made.clustered) == (8, 8)
    assert same(made.centroids, one)
    order = np.random.default_rng(0).permutation(len(ids))
    again = refresh_centroids(
        mapped,
        ids[order],
        photos[order],
        SETTINGS,
        tmp_path / "s",
        rows=order,
        groups=groups[order],
        others=others[::-1],
        seed=3,
        workers=1,
    )
    assert again.clustered == 0
    assert same(again.centroids, one)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("settings", [SETTINGS, PLAIN])
def test_only_what_changed_is_clustered_again(tmp_path: Path, settings: CentroidsConfig) -> None:
    train, ids, others = small(1)
    photos = np.array(uris(len(ids)), object)

    def refreshed(rows: np.ndarray, names: np.ndarray, with_others: np.ndarray = others) -> int:
        made = refresh_centroids(rows, names, photos[: len(rows)], settings, tmp_path, others=with_others, workers=1)
        assert same(made.centroids, build_centroids(rows, names, photos[: len(rows)], settings, others=with_others))
        return made.clustered

    assert refreshed(train, ids) == 6
    assert refreshed(train, ids) == 0
    turned = train.copy()
    turned[ids == "landmark2"] = turned[ids == "landmark2"][:, ::-1]
    assert refreshed(turned, ids) == 1  # other photos of one landmark
    fewer = ids != "landmark4"
    assert refreshed(turned[fewer], ids[fewer]) == 0  # one is no more
    assert refreshed(turned[:-1], ids[:-1]) == 2  # it is back, and another has lost a photo
    assert refreshed(turned[:-1], ids[:-1], others[:30]) == 0  # what is chosen depends on the others, no clustering does
    assert refreshed(turned[:-1] @ np.eye(8, dtype=np.float32)[::-1], ids[:-1]) == 6  # another network
    held = {key for file in tmp_path.glob("block-*.npz") for key in map(bytes, np.load(file)["keys"])}
    assert len(held) == 6  # nothing is kept for good


def test_groups_and_settings_are_part_of_the_key(tmp_path: Path) -> None:
    train, ids, others = small(2, 3)
    photos = uris(len(ids))

    def refreshed(settings: CentroidsConfig, seed: int, groups: list[str] | None) -> int:
        return refresh_centroids(
            train, ids, photos, settings, tmp_path, groups=groups, others=others, seed=seed, workers=1
        ).clustered

    pairs = [f"g{n // 2}" for n in range(len(ids))]
    assert refreshed(SETTINGS, 0, None) == 3
    assert refreshed(SETTINGS, 0, pairs) == 3
    assert refreshed(SETTINGS, 0, [f"other name {name}" for name in pairs]) == 0  # which photos are a group, not its name
    assert refreshed(SETTINGS, 1, pairs) == 3
    assert refreshed(CentroidsConfig(cut=0.8), 1, pairs) == 3


@pytest.mark.parametrize("kind", ["memory", "part of a map", "columns", "float16", "private"])
def test_embeddings_that_are_not_mapped_whole(tmp_path: Path, kind: str) -> None:
    train, ids, _ = small(3, 3)
    np.save(tmp_path / "x.npy", np.concatenate([train[::-1], train]))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = {
        "memory": train,
        "part of a map": mapped[len(train) :],
        "columns": np.asfortranarray(train),
        "float16": train.astype(np.float16),
        "private": np.load(tmp_path / "x.npy", mmap_mode="c"),
    }[kind]
    if kind == "private":
        rows[: len(train)] = train
        rows = rows[: len(train)]
    made = refresh_centroids(rows, ids, uris(len(ids)), PLAIN, tmp_path / "s", workers=1)
    assert same(made.centroids, build_centroids(np.asarray(rows), ids, uris(len(ids)), PLAIN))
    assert sorted(file.suffix for file in (tmp_path / "s").iterdir()) == ["", ".npz"]  # the lock and one block


def test_ids_are_anything_and_never_paths(tmp_path: Path) -> None:
    names = [
        "../../up",
        "/etc/x",
        "a",
        "a\0",
        "a ",
        " ",
        "\n",
        "-1",
        "1",
        "01",
        "\u00e9",
        "e\u0301",
        "塔🗼",
        "x" * 5000,
        "None",
        "nan",
    ]
    random = np.random.default_rng(4)
    rows = unit(random.normal(size=(len(names) * 3, 6)))
    ids = [name for name in names for _ in range(3)]
    made = refresh_centroids(rows, ids, uris(len(ids)), PLAIN, tmp_path / "deep" / "s", workers=1).centroids
    assert made.summary().index.tolist() == sorted(names)
    assert same(made, build_centroids(rows, ids, uris(len(ids)), PLAIN))
    assert {file.parent for file in tmp_path.rglob("*") if file.is_file()} == {tmp_path / "deep" / "s"}
    with pytest.raises(LandmarkError, match=r"id '\\udcff' is not Unicode"):
        refresh_centroids(rows[:1], ["\udcff"], ["p"], PLAIN, tmp_path, workers=1)


def test_one_photo_and_ten_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for module in (aspects, division, refresh):
        monkeypatch.setattr(module, "MAX_CLUSTERED", 400)
    random = np.random.default_rng(5)
    centres = np.eye(8)[:2]
    rows = unit(np.concatenate([np.eye(8)[7:], np.repeat(centres, 5000, axis=0) + random.normal(0, 0.1, (10_000, 8))]))
    ids = ["one"] + ["many"] * 10_000
    with caplog.at_level("INFO"):
        made = refresh_centroids(rows, ids, uris(10_001), PLAIN, tmp_path, workers=1).centroids
    assert "landmark 'many' has 10000 photos: 400 drawn at random are clustered" in caplog.text
    assert "'one'" not in caplog.text
    assert made.landmark.tolist() == ["many", "many", "one"]
    assert made.support[2] == 1
    assert made.medoid[2] == "photo00000.jpg"
    assert made.support[:2].tolist() == pytest.approx([5000, 5000], abs=20)
    assert sorted((made.vectors[:2] @ centres.T).max(1)) == pytest.approx([1.0, 1.0], abs=1e-3)
    assert same(made, refresh_centroids(rows, ids, uris(10_001), PLAIN, tmp_path, workers=1).centroids)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("damage", ["cut off", "empty", "foreign", "one byte", "pickle"])
def test_damaged_files_are_made_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    train, ids, others = small(6, 4)
    first = refresh_centroids(train, ids, uris(len(ids)), SETTINGS, tmp_path, others=others, workers=1)
    file = max(tmp_path.glob("block-*.npz"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    if damage == "cut off":
        file.write_bytes(data[:-30])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        np.savez(file, keys=np.zeros((2, 3)))
    elif damage == "one byte":
        place = data.index(np.load(file)["labels"].tobytes())
        data[place] ^= 1
        file.write_bytes(data)
    else:
        np.savez(file, keys=np.array([{}], object))
    again = refresh_centroids(train, ids, uris(len(ids)), SETTINGS, tmp_path, others=others, workers=1)
    assert 0 < again.clustered < 4
    assert same(again.centroids, first.centroids)
    assert "damaged" in caplog.text
    last = refresh_centroids(train, ids, uris(len(ids)), SETTINGS, tmp_path, others=others, workers=1)
    assert last.clustered == 0


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)

    def refreshed(embeddings: np.ndarray, ids: list[str], **more: np.ndarray) -> None:
        refresh_centroids(embeddings, ids, uris(len(ids)), PLAIN, tmp_path, workers=1, **more)

    holed = rows.copy()
    holed[2, 1] = np.nan
    for embeddings, ids, more, message in (
        (holed, ["a"] * 4, {}, r"'photo00002\.jpg' holds NaN"),
        (2 * rows, ["a"] * 4, {}, "length 2"),
        (rows[0], ["a"], {}, "expected an array"),
        (np.eye(4, dtype=int), ["a"] * 4, {}, "floating-point"),
        (rows, ["a"] * 3, {}, "3 landmark ids"),
        (rows, ["a", "", "a", "a"], {}, "without a landmark"),
        (rows, [], {"rows": np.zeros(0, int)}, "none"),
        (rows, ["a"], {"rows": np.array([4])}, "between 0 and 3"),
        (rows, ["a"] * 4, {"others": np.eye(3)}, "3 dimensions where 4"),
    ):
        with pytest.raises(LandmarkError, match=message):
            refreshed(embeddings, ids, **more)
    assert not list(tmp_path.glob("block-*"))
    assert not list(tmp_path.glob("*.raw"))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("in the way")
    with pytest.raises(LandmarkError, match="cannot be locked"):
        refresh_centroids(np.eye(2, dtype=np.float32), ["a", "b"], uris(2), PLAIN, tmp_path / "s", workers=1)


@pytest.mark.usefixtures("tiny_blocks")
def test_a_full_disk_loses_nothing_that_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, ids, _ = small(11, 6)
    written = []

    def until_full(stream: IO[bytes], **content: Any) -> None:
        if len(written) == 2:
            stream.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(len(content["keys"]))
        save(stream, **content)

    save = np.savez
    monkeypatch.setattr(np, "savez", until_full)
    with pytest.raises(LandmarkError, match=r"block-\w+\.npz: cannot be written \(No space left on device\)"):
        refresh_centroids(train, ids, uris(len(ids)), PLAIN, tmp_path, workers=1)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == ["", ".npz", ".npz"]
    monkeypatch.undo()
    monkeypatch.setattr(blocks, "BLOCK", 2)
    made = refresh_centroids(train, ids, uris(len(ids)), PLAIN, tmp_path, workers=1)
    assert made.clustered == 6 - sum(written)
    assert same(made.centroids, build_centroids(train, ids, uris(len(ids)), PLAIN))


def test_progress_names_rate_and_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresh, "PROGRESS_SECONDS", 0.0)
    train, ids, _ = small(7, 2)
    with caplog.at_level("INFO"):
        refresh_centroids(train, ids, uris(len(ids)), PLAIN, tmp_path, workers=1)
    assert "centroids: 2 of 2 landmarks" in caplog.text
    assert "0 s left" in caplog.text
    assert "2 clustered" in caplog.text


def test_blocks_stay_as_landmarks_come() -> None:
    def block_of(count: int) -> dict[str, int]:
        made = make_blocks(count, [f"id {n}" for n in range(count)], None, None)
        return {member.name: number for number, block in enumerate(made) for member in block}

    assert max(block_of(blocks.BLOCK).values()) == 0
    before, after = block_of(1000), block_of(1024)
    assert max(before.values()) == 31
    assert all(after[name] == number for name, number in before.items())
    sizes = [len(block) for block in make_blocks(11_381, np.arange(11_381), None, None)]
    assert (len(sizes), sum(sizes)) == (512, 11_381)  # 11,381 / 512 = 22.2
    assert max(sizes) < 2 * blocks.BLOCK
