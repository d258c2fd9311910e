"""The embedding store: aligned, once for each photo, bounded memory, and whole after faults."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError
from landmark.network import embeddings as module
from landmark.network.embedder import Embedder
from landmark.network.embeddings import Embedded, EmbeddingStore
from landmark.network.network import Network
from landmark.network.shards import Shards
from landmark.storage import StorageUnavailable

CONFIG = NetworkConfig(backbone="test_efficientnet", pretrained="none", image_size=32, dim=8)


def sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.build(CONFIG)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Ten PNGs of the network's own size, so that their pixels are its input."""
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(10)]


def store(tmp_path: Path, network: Network, **options: Any) -> EmbeddingStore:
    options = {"engine": "torch", "threads": 1, "workers": 2, "shard_rows": 4, "progress": False} | options
    return EmbeddingStore(tmp_path / "store", network, **options)


def embed(where: EmbeddingStore, photos: list[str]) -> Embedded:
    return where.embed_photos(photos, [sha256(photo) for photo in photos])


def expected(network: Network, photos: list[str]) -> np.ndarray:
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(photo))) for photo in photos])
    with torch.inference_mode():
        return network(network.normalise(pixels)).numpy()


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(Embedder, "__call__", broken)


def test_rows_are_in_the_order_of_the_photos(tmp_path: Path, network: Network, photos: list[str]) -> None:
    result = embed(store(tmp_path, network), photos)
    assert result.vectors.shape == (10, network.embedding_dim)
    assert result.vectors.dtype == np.float32
    assert isinstance(result.vectors, np.memmap)
    np.testing.assert_allclose(result.vectors, expected(network, photos), atol=1e-5)
    assert result.failed == {}
    assert result.ok.all()
    assert set(result.rates) == {"decode_per_second", "network_per_second", "end_to_end_per_second"}
    assert all(rate > 0 for rate in result.rates.values())
    # No rate is below that of the whole, with as many decode workers as could be at work.
    assert result.rates["end_to_end_per_second"] <= result.rates["network_per_second"]


def test_nothing_is_embedded_twice(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [sha256(photo) for photo in photos]
    first = store(tmp_path, network).embed_photos(photos[:6], digests[:6]).vectors
    more = store(tmp_path, network).embed_photos(photos[::-1], digests[::-1])
    assert more.reused == 6
    np.testing.assert_array_equal(more.vectors[::-1][:6], first)
    np.testing.assert_allclose(more.vectors, expected(network, photos[::-1]), atol=1e-5)
    forbid(monkeypatch)
    for photo in photos:
        Path(photo).unlink()
    again = store(tmp_path, network).embed_photos(photos, digests)
    np.testing.assert_array_equal(again.vectors, more.vectors[::-1])
    assert again.reused == 10
    assert set(again.rates.values()) == {0.0}


def test_networks_do_not_mix(tmp_path: Path, network: Network, photos: list[str]) -> None:
    other = Network.build(CONFIG, seed=1)
    embed(store(tmp_path, network), photos)
    result = embed(store(tmp_path, other), photos)
    assert result.reused == 0
    np.testing.assert_allclose(result.vectors, expected(other, photos), atol=1e-5)
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_the_same_photo_twice_is_embedded_once(tmp_path: Path, network: Network, photos: list[str]) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(photos[1]).read_bytes())
    where = store(tmp_path, network)
    result = embed(where, [photos[1], photos[0], str(copy), photos[1]])
    np.testing.assert_array_equal(result.vectors[[0, 0]], result.vectors[[2, 3]])
    assert not np.array_equal(result.vectors[0], result.vectors[1])
    assert sum(len(json.loads(note.read_text())["keys"]) for note in where.folder.glob("*.json")) == 2


def test_changes_to_the_result_stay_private(tmp_path: Path, network: Network, photos: list[str]) -> None:
    first = embed(store(tmp_path, network), photos)
    first.vectors[:] = 0
    assert embed(store(tmp_path, network), photos).vectors.any()
    assert sorted({path.suffix for path in store(tmp_path, network).folder.iterdir()}) == [".json", ".npy"]


def test_no_photos(tmp_path: Path, network: Network) -> None:
    result = store(tmp_path, network).embed_photos([], [])
    assert result.vectors.shape == (0, network.embedding_dim)
    assert result.ok.shape == (0,)


def test_lists_of_different_length(tmp_path: Path, network: Network, photos: list[str]) -> None:
    with pytest.raises(LandmarkError, match="10 photos with 1 sha256"):
        store(tmp_path, network).embed_photos(photos, ["x"])


def test_photos_that_fail_are_named_and_never_zero(tmp_path: Path, network: Network, photos: list[str]) -> None:
    cut = tmp_path / "cut.jpg"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:100])
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    text = tmp_path / "notes\n🙈.jpg"
    text.write_text("hello")
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    changed = photos[3]
    bad = [str(cut), str(empty), str(text), str(pipe), str(tmp_path / "gone.jpg"), str(tmp_path), "nul\0byte", changed]
    mixed = [photos[0], *bad, photos[1]]
    digests = [
        sha256(photo) if photo in (photos[0], photos[1], str(cut), str(text)) else f"{i:064d}" for i, photo in enumerate(mixed)
    ]
    digests[2] = hashlib.sha256(b"").hexdigest()
    result = store(tmp_path, network).embed_photos(mixed, digests)
    assert set(result.failed) == set(bad)
    assert "cut off" in result.failed[str(cut)]
    assert "empty" in result.failed[str(empty)]
    assert "not a photo" in result.failed[str(text)]
    assert "not a regular file" in result.failed[str(pipe)]
    assert "No such file" in result.failed[str(tmp_path / "gone.jpg")]
    assert "changed since" in result.failed[changed]
    assert np.isnan(result.vectors[1:-1]).all()
    assert result.ok.tolist() == [True, *[False] * len(bad), True]
    np.testing.assert_allclose(result.vectors[[0, -1]], expected(network, photos[:2]), atol=1e-5)
    # What failed is tried again, as it may have been mended.
    assert store(tmp_path, network).embed_photos(mixed, digests).reused == 2


def test_all_photos_fail(tmp_path: Path, network: Network) -> None:
    result = store(tmp_path, network).embed_photos(["/nowhere/a.jpg", "/nowhere/b.jpg"], ["a", "b"])
    assert len(result.failed) == 2
    assert not result.ok.any()


def test_embedding_that_is_not_finite_is_a_failure(tmp_path: Path, network: Network, photos: list[str]) -> None:
    class Odd(Embedder):
        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            rows = super().__call__(pixels)
            rows[(pixels == third).all(axis=(1, 2, 3)), 4] = np.inf
            return rows

    third = np.array(Image.open(photos[2]))
    result = embed(store(tmp_path, network, embedder=Odd(network, engine="torch")), photos)
    assert dict(result.failed) == {photos[2]: "the network gives no finite embedding"}
    assert result.ok.sum() == 9
    assert embed(store(tmp_path, network), photos).reused == 9


def test_decoding_runs_ahead_by_a_bounded_number_of_batches(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, embedded, ahead = 0, 0, []
    lock = threading.Lock()
    real_read, real_call = EmbeddingStore._read, Embedder.__call__

    def read(self: EmbeddingStore, *arguments: Any) -> Any:
        nonlocal decoded
        with lock:
            decoded += 1
            ahead.append(decoded - embedded)
        return real_read(self, *arguments)

    def call(self: Embedder, pixels: np.ndarray) -> np.ndarray:
        nonlocal embedded
        threading.Event().wait(0.01)
        rows = real_call(self, pixels)
        with lock:
            embedded += 1
        return rows

    monkeypatch.setattr(EmbeddingStore, "_read", read)
    monkeypatch.setattr(Embedder, "__call__", call)
    embedder = Embedder(network, engine="torch")
    embedder.batch = 1
    many = [str(tmp_path / f"{i}.png") for i in range(60)]
    for i, photo in enumerate(many):
        Image.new("RGB", (32, 32), (i, i, i)).save(photo)
    embed(store(tmp_path, network, embedder=embedder), many)
    assert decoded == 60
    # Two a worker wait, and one is in the network.
    assert 2 <= max(ahead) <= 2 * 2 + 1


def test_store_that_cannot_be_reached_ends_the_run(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: str, **__: object) -> bytes:
        raise StorageUnavailable("s3://bucket: cannot be reached")

    monkeypatch.setattr(module, "read_bytes", unreachable)
    with pytest.raises(StorageUnavailable):
        embed(store(tmp_path, network), photos)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_disk_that_does_not_answer_leaves_no_row_empty_for_good(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = Path.open

    def fails(self: Path, *arguments: Any, **named: Any) -> Any:
        if str(self) == photos[1]:
            raise OSError(number, os.strerror(number), str(self))
        return opened(self, *arguments, **named)

    digests = [sha256(photo) for photo in photos]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fails)
        with pytest.raises(StorageUnavailable, match="does not answer"):
            EmbeddingStore(tmp_path, network).embed_photos(photos, digests)
    assert EmbeddingStore(tmp_path, network).embed_photos(photos, digests).ok.all()


def test_run_broken_off_keeps_what_it_had(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    real = Embedder.__call__

    def interrupted(self: Embedder, pixels: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise KeyboardInterrupt
        return real(self, pixels)

    embedder = Embedder(network, engine="torch")
    embedder.batch = 2
    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embed(store(tmp_path, network, embedder=embedder), photos)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
    result = embed(store(tmp_path, network), photos)
    assert result.reused == 4
    np.testing.assert_allclose(result.vectors, expected(network, photos), atol=1e-5)


def test_killed_run_keeps_its_finished_shards(tmp_path: Path, network: Network, photos: list[str]) -> None:
    network.save(tmp_path / "network")
    script = """
        import hashlib, os, signal, sys
        from pathlib import Path
        from landmark.network.embedder import Embedder
        from landmark.network.embeddings import EmbeddingStore
        from landmark.network.network import Network

        folder, *photos = sys.argv[1:]
        network = Network.load(Path(folder) / "network")
        embedder, real, calls = Embedder(network, engine="torch"), Embedder.__call__, []

        def call(self, pixels):
            calls.append(1)
            if len(calls) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, pixels)

        Embedder.__call__ = call
        embedder.batch = 2
        store = EmbeddingStore(Path(folder) / "store", network, workers=1, shard_rows=4, embedder=embedder)
        store.embed_photos(photos, [hashlib.sha256(Path(photo).read_bytes()).hexdigest() for photo in photos])
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path), *photos]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    result = embed(store(tmp_path, network), photos)
    assert result.reused == 4
    np.testing.assert_allclose(result.vectors, expected(network, photos), atol=1e-5)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, note: flip(data),
        lambda data, note: data.write_bytes(data.read_bytes()[:200]),
        lambda data, note: data.write_bytes(b""),
        lambda data, note: data.unlink(),
        lambda data, note: note.write_text("{"),
        lambda data, note: note.write_text("[]"),
        lambda data, note: note.write_text(json.dumps(json.loads(note.read_text()) | {"keys": ["a"]})),
        lambda data, note: note.write_bytes(b"\xff\xfe"),
    ],
    ids=["flipped", "cut", "empty", "gone", "half json", "other json", "too few keys", "no text"],
)
def test_damaged_shard_is_noticed_and_made_again(
    tmp_path: Path, network: Network, photos: list[str], damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    where = store(tmp_path, network)
    before = embed(where, photos).vectors
    data = sorted(where.folder.glob("*.npy"))[0]
    lost = np.load(data, allow_pickle=False).shape[0]
    damage(data, data.with_suffix(".json"))
    with caplog.at_level(logging.WARNING):
        result = embed(store(tmp_path, network), photos)
    assert "is damaged" in caplog.text
    assert result.reused == 10 - lost
    np.testing.assert_allclose(result.vectors, before, atol=1e-6)
    caplog.clear()
    assert embed(store(tmp_path, network), photos).reused == 10
    assert caplog.text == ""


def test_shard_with_objects_in_it_is_not_unpickled(tmp_path: Path, network: Network, photos: list[str]) -> None:
    where = store(tmp_path, network)
    embed(where, photos)
    data = sorted(where.folder.glob("*.npy"))[0]
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    note = json.loads(data.with_suffix(".json").read_text()) | {"sha256": sha256(data)}
    data.with_suffix(".json").write_text(json.dumps(note))
    assert embed(store(tmp_path, network), photos).ok.all()


def test_shard_of_a_newer_version_is_not_thrown_away(tmp_path: Path, network: Network, photos: list[str]) -> None:
    where = store(tmp_path, network)
    embed(where, photos)
    note = sorted(where.folder.glob("*.json"))[0]
    note.write_text(json.dumps(json.loads(note.read_text()) | {"format": 2}))
    with pytest.raises(LandmarkError, match="format 2, this version reads up to 1"):
        embed(store(tmp_path, network), photos)
    assert note.exists()


def test_disk_that_is_full_from_the_start(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LandmarkError, match=r"no room for 10 embeddings \(No space left on device\); free"):
        embed(store(tmp_path, network), photos)


def test_disk_that_fills_up_keeps_the_shards_before(
    tmp_path: Path, network: Network, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = np.lib.format.write_array_header_1_0, []

    def filling(*arguments: Any, **options: Any) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments, **options)
        written.append(1)

    embedder = Embedder(network, engine="torch")
    embedder.batch = 2
    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array_header_1_0", filling)
        with pytest.raises(LandmarkError, match="No space left on device"):
            embed(store(tmp_path, network, embedder=embedder), photos)
    names = sorted(path.suffix for path in store(tmp_path, network).folder.iterdir())
    assert names == [".json", ".npy"]
    assert embed(store(tmp_path, network), photos).reused == 4


def test_file_in_the_way_of_the_folder(tmp_path: Path, network: Network, photos: list[str]) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(LandmarkError, match="store"):
        embed(store(tmp_path, network), photos)


def test_shards_find_rows_by_key_whatever_shard_they_are_in(tmp_path: Path) -> None:
    shards = Shards(tmp_path, 3)
    rows = np.arange(18, dtype=np.float32).reshape(6, 3)
    shards.write(["a", "b", "c"], rows[:3])
    shards.write(["d", "b", "e"], rows[3:])
    out = np.full((4, 3), -1, np.float32)
    for positions, found in shards.read({"e": 0, "b": 1, "nobody": 2, "a": 3}):
        out[positions] = found
    assert out[[0, 3]].tolist() == [[15, 16, 17], [0, 1, 2]]
    assert out[1].tolist() in ([3, 4, 5], [12, 13, 14])
    assert out[2].tolist() == [-1, -1, -1]
    with pytest.raises(LandmarkError, match=r"expected float32 \[2, 3\], got float32 \[1, 3\]"):
        shards.write(["x", "y"], rows[:1])
