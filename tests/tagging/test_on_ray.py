"""The same tag job on a cluster of Ray whose workers die."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.photos.decode import UnreadablePhoto
from landmark.recognition.recognizer import Recognizer
from landmark.storage import StorageUnavailable
from landmark.tagging import job, on_ray, ray_maker, ray_order, ray_reader, reading, work
from landmark.tagging.plan import Block, Wanted
from landmark.tagging.ray_maker import ShardMaker
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import ShardRow, State
from tests.tagging.conftest import Tag, write_photo, write_photos

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'landmark[ray]'"
)
PHOTOS, SHARD = 60, 5


def tables_of(out: Path) -> tuple[pa.Table, list[dict], bytes]:
    """What users get, without the times at which it was made."""
    times = ["added", "time"]
    lines = [json.loads(line) for line in (out / "tags.jsonl").read_text().splitlines()]
    plain = [{key: value for key, value in line.items() if key not in times} for line in lines]
    return pq.read_table(out / "tags.parquet").drop(times), plain, (out / "unreadable.csv").read_bytes()


def embeddings_of(out: Path) -> list[tuple[str, bytes]]:
    """Names and bytes of all kept embeddings."""
    return sorted((file.name, file.read_bytes()) for file in (out / job.STATE / "shards").glob("*/*/*.npy"))


def die_once(marks: Path, name: str) -> None:
    if not (marks / name).exists():
        (marks / name).touch()
        os.kill(os.getpid(), signal.SIGKILL)


@needs_ray
def test_dying_workers_change_nothing(
    tmp_path: Path, tagged: Tag, real: tuple[Recognizer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that one engine began is ended by the other, whose workers die half-way, and looks as if nothing had been."""
    files = write_photos(tmp_path / "photos", PHOTOS)
    (tmp_path / "photos" / "0" / "bad.jpg").write_text("no photo")
    (tmp_path / "photos" / "1" / "same.png").write_bytes(files[3].read_bytes())
    tagged(out=tmp_path / "whole", shard=SHARD)
    commit, kept = work.Work._commit, 0

    def interrupted(self: work.Work, block: Block, new: ShardRow | None) -> None:
        nonlocal kept
        if kept == 3:
            raise KeyboardInterrupt
        kept += 1
        commit(self, block, new)

    with monkeypatch.context() as patch:
        patch.setattr(work.Work, "_commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tagged(shard=SHARD)

    # Closures travel by value: workers have them, though they import the package as it is.
    marks, read_block, make = tmp_path / "marks", ray_reader.read_block, ShardMaker.__call__
    marks.mkdir()
    kill, pids = die_once, str(marks)

    def read(table: pa.Table, order: ray_order.Order) -> pa.Table:
        if table["number"][0].as_py() == 2:
            with order.attempt("read", 2):
                kill(Path(pids), "reader")
        return read_block(table, order)

    class Mortal(ShardMaker):
        def __call__(self, table: pa.Table) -> pa.Table:
            answer = make(self, table)
            if table["number"][0].as_py() == 4:  # its shard is written, and nobody is told
                kill(Path(pids), "maker")
            return answer

    monkeypatch.setattr(on_ray, "read_block", read)
    monkeypatch.setattr(on_ray, "ShardMaker", Mortal)
    result = tagged(shard=SHARD, engine="ray")
    assert sorted(mark.name for mark in marks.iterdir()) == ["maker", "reader"]
    assert (result.photos, result.read) == (PHOTOS + 2, PHOTOS + 2 - 3 * SHARD)
    whole, mine = tables_of(tmp_path / "whole"), tables_of(tmp_path / "out")
    assert mine[0].equals(whole[0])
    assert mine[1:] == whole[1:]
    assert not list((tmp_path / "out" / job.STATE).glob("ray-*")), "what workers were told is gone"
    assert not tagged(shard=SHARD, engine="ray").changed
    # Compared now, since a job removes at its start what dead workers of the one before have left.
    assert embeddings_of(tmp_path / "out") == embeddings_of(tmp_path / "whole")
    write_photo(tmp_path / "photos" / "0" / "new.png", 1, 5)
    assert tagged(shard=SHARD).read == 1, "the shards are as one process would have left them"
    shards = tmp_path / "out" / job.STATE / "shards"
    kept_photos = [row.photo for folder in shards.iterdir() for row in ShardFolder(folder).photos()]
    assert len(kept_photos) == len(set(kept_photos)) == PHOTOS + 3, "what the dead worker wrote is swept"


@needs_ray
def test_a_photo_that_kills_every_worker(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_photos(tmp_path / "photos", 12)
    read_block, poison = ray_reader.read_block, os.fsencode(files[2])

    def read(table: pa.Table, order: ray_order.Order) -> pa.Table:
        if poison in table["photo"].to_pylist():
            try:
                with order.attempt("read", table["number"][0].as_py()):
                    os.kill(os.getpid(), signal.SIGKILL)
            except ray_order.Deaths:
                pass  # the block's own attempt says so
        return read_block(table, order)

    with monkeypatch.context() as patch:
        patch.setattr(on_ray, "read_block", read)
        with pytest.raises(LandmarkError, match=r"photos/0/000\.png to .*photos/0/006\.png: 4 workers died of these photos"):
            tagged(engine="ray")
    assert not (tmp_path / "out" / "tags.parquet").exists()
    assert tagged().read == 4, "the other shards are whole"


@needs_ray
def test_errors_end_the_job_with_the_same_words(
    tmp_path: Path, tagged: Tag, real: tuple[Recognizer, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker says, and what becomes of it: without a cluster, which would only carry it."""
    files = write_photos(tmp_path / "photos", 4)
    listed = [(os.fsencode(file), "1-1") for file in sorted(files)]
    wanted = Wanted(real[0].network.fingerprint, "d" * 64, 4)
    block = Block(listed, "content", None, None, "read")
    (tmp_path / "state").mkdir()
    with State(tmp_path / "state") as state:
        engine = on_ray.RayWork(real[0], state, wanted, home / "embeddings", "cpu", 0, False)
        with engine._order(0) as order:
            table = ray_order.to_table(0, block)

            def answer() -> dict:
                engine._given[0] = on_ray._Given(block, 4)
                return ShardMaker(order)(ray_reader.read_block(table, order)).to_pylist()[0]

            def end(made: dict) -> None:
                class Silent:
                    def advance(self, photos: int) -> None:
                        pass

                engine._take_made(made, Silent())  # type: ignore[arg-type]

            with monkeypatch.context() as patch:
                patch.setattr(ray_reader, "read_photo", lambda *_, **__: (_ for _ in ()).throw(StorageUnavailable("s3: gone")))
                with pytest.raises(StorageUnavailable, match=r"^s3: gone$"):
                    end(answer())
            with monkeypatch.context() as patch:
                full = OSError(28, "No space left on device")
                patch.setattr(
                    "landmark.network.shards.np.lib.format.write_array_header_1_0", lambda *_, **__: (_ for _ in ()).throw(full)
                )
                with pytest.raises(LandmarkError, match=r"shard-.*cannot be written \(No space left on device\)"):
                    end(answer())
            with monkeypatch.context() as patch:
                patch.setattr(ray_maker.BlockWork, "_finish", lambda *_: (_ for _ in ()).throw(ZeroDivisionError("by 0")))
                with pytest.raises(LandmarkError, match=r"000\.png to .*003\.png: a worker failed \(ZeroDivisionError: by 0\)"):
                    end(answer())
            with monkeypatch.context() as patch:  # a node on which the photos are not
                gone = UnreadablePhoto("cannot be opened (No such file or directory)")
                patch.setattr(reading, "open_photo", lambda _: (_ for _ in ()).throw(gone))
                patch.setattr(ray_maker.os.path, "lexists", lambda _: False)
                made = answer()
            with pytest.raises(LandmarkError, match=r"000\.png: node .* does not see it; photos must lie in a folder that all"):
                end(made)
            with monkeypatch.context() as patch:
                patch.setattr(on_ray, "SEEN_WITHIN", 0.0)
                made = answer() | {"shard": "0123"}
                with pytest.raises(LandmarkError, match=r"shards/0123: node .* wrote it, and it is not seen here; --out must"):
                    end(made)
            assert state.totals()["shards"] == 0
            end(answer())
            assert state.totals()["photos"] == 4
        made = answer()
        assert "does not see it; --out must lie in a folder that all nodes" in made["trouble"], "the job's folder is gone"


@needs_ray
def test_shards_of_one_range_count_in_their_order(
    tmp_path: Path, real: tuple[Recognizer, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray.RayWork, "_check_seen", lambda *_: None)
    (tmp_path / "state").mkdir()
    with State(tmp_path / "state") as state:
        old = ShardRow(b"a", "old", 9, 0, 0, "before", "f", "d")
        state.replace(None, old)
        engine = on_ray.RayWork(real[0], state, Wanted("f", "d", 3), home, "cpu", 0, False)
        counts = {"photos": 3, "unreadable": 0, "tagged": 0, "read": 3, "embedded": 3, "trouble": None}
        ranges = [(b"a", b"d"), (b"d", b"g"), (b"g", None)]
        for number, (first, rest) in enumerate(ranges):
            engine._given[number] = on_ray._Given(Block([(first, "1"), (first + b"z", "1")], "c", old, rest, "read"), 3)
            engine._ranges.setdefault("old", on_ray.deque()).append(number)
        engine._given[3] = on_ray._Given(Block([(b"x", "1")], "c", None, None, "read"), 3)

        class Silent:
            def advance(self, photos: int) -> None:
                pass

        ids = lambda: [row.id for row in work_rows(state)]  # noqa: E731
        for number, there in ((2, ["old"]), (3, ["old", "made3"]), (0, ["made0", "old", "made3"]),
                              (1, ["made0", "made1", "made2", "made3"])):  # fmt: skip
            engine._take_made({"number": number, "shard": f"made{number}", **counts}, Silent())  # type: ignore[arg-type]
            assert ids() == there, number


def work_rows(state: State) -> Iterator[ShardRow]:
    row = state.after(None)
    while row is not None:
        yield row
        row = state.after(row.first)


def test_without_ray_the_extra_is_named(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'landmark\[ray\]'"):
        tagged(engine="ray")
    assert tagged().photos == 2
