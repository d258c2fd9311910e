"""The step cache: whole outputs or none, each made once."""

import errno
import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark.cache import MANIFEST, StepCache, content_key, locked
from landmark.errors import LandmarkError

KEY = content_key({"step": "draw", "seed": 1})


def draw(out: Path) -> dict[str, object]:
    (out / "sub").mkdir(exist_ok=True)
    (out / "sub" / "picture.txt").write_text("abc")
    return {"count": 3}


def test_an_output_is_kept_with_its_facts(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    assert cache.get("draw", KEY) is None
    made = cache.make("draw", KEY, draw)
    found = cache.get("draw", KEY, deep=True)
    assert found == made
    assert made.facts == {"count": 3}
    assert made.folder == tmp_path / "steps" / f"draw-{KEY[:16]}"
    manifest = json.loads((made.folder / MANIFEST).read_text())
    # echo -n abc | sha256sum
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifest["files"] == {"sub/picture.txt": {"bytes": 3, "sha256": abc}}


def test_an_output_is_made_once(tmp_path: Path) -> None:
    calls = []

    def work(out: Path) -> dict[str, object]:
        calls.append(out)
        return draw(out)

    cache = StepCache(tmp_path)
    cache.make("draw", KEY, work)
    cache.make("draw", KEY, work)
    assert len(calls) == 1


def test_the_digest_stands_for_the_content(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    first = cache.make("draw", KEY, draw)
    again = cache.make("draw", content_key({"other": 1}), draw)
    changed = cache.make("draw", content_key({"other": 2}), lambda out: {"n": (out / "x").write_text("abd")})
    declared = cache.make("draw", content_key({"other": 3}), lambda out: {"digest": "mine"})
    assert first.digest == again.digest
    assert first.digest != changed.digest
    assert declared.digest == "mine"
    assert "digest" not in declared.facts


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "sub" / "picture.txt").write_text("ab"),
        lambda folder: (folder / "sub" / "picture.txt").unlink(),
        lambda folder: (folder / MANIFEST).write_text('{"format": 1, "key"'),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).unlink(),
    ],
    ids=["shorter", "missing", "manifest cut off", "manifest is a list", "no manifest"],
)
def test_a_damaged_output_is_made_again(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    cache = StepCache(tmp_path)
    folder = cache.make("draw", KEY, draw).folder
    damage(folder)
    assert cache.get("draw", KEY) is None
    cache.make("draw", KEY, draw)
    assert (folder / "sub" / "picture.txt").read_text() == "abc"


def test_changed_bytes_of_the_same_size_are_seen_by_a_deep_look(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    file = cache.make("draw", KEY, draw).folder / "sub" / "picture.txt"
    file.write_text("abX")
    assert cache.get("draw", KEY) is not None
    assert cache.get("draw", KEY, deep=True) is None
    cache.make("draw", KEY, draw)
    assert file.read_text() == "abc"


def test_keys_that_begin_alike_are_not_mixed_up(tmp_path: Path) -> None:
    cache = StepCache(tmp_path)
    cache.make("draw", KEY, draw)
    assert cache.get("draw", KEY[:16] + "0" * 48) is None


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path) -> dict[str, object]:
        draw(out)
        raise ValueError("boom")

    cache = StepCache(tmp_path)
    with pytest.raises(ValueError, match="boom"):
        cache.make("draw", KEY, fail)
    assert cache.get("draw", KEY) is None
    assert list((tmp_path / "work").iterdir()) == []


def test_a_step_that_resumes_finds_what_it_left(tmp_path: Path) -> None:
    seen = []

    def train(out: Path) -> dict[str, object]:
        file = out / "epochs"
        seen.append(file.exists())
        if not file.exists():
            file.write_text("1")
            raise RuntimeError("killed")
        return {}

    cache = StepCache(tmp_path)
    with pytest.raises(RuntimeError):
        cache.make("train", KEY, train, resumes=True)
    cache.make("train", KEY, train, resumes=True)
    assert seen == [False, True]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_cannot_be_written_is_one_line_and_spares_the_other_outputs(tmp_path: Path, number: int) -> None:
    def full(out: Path) -> dict[str, object]:
        raise OSError(number, os.strerror(number), str(out / "big"))

    cache = StepCache(tmp_path)
    before = cache.make("draw", KEY, draw)
    with pytest.raises(LandmarkError, match=r"draw: .*big.*free some space") as caught:
        cache.make("draw", content_key({"other": 1}), full)
    assert "\n" not in str(caught.value)
    assert cache.get("draw", KEY, deep=True) == before


def test_two_that_need_the_same_output_make_it_once(tmp_path: Path) -> None:
    calls = []

    def slow(out: Path) -> dict[str, object]:
        calls.append(1)
        time.sleep(0.3)
        return draw(out)

    threads = [threading.Thread(target=StepCache(tmp_path).make, args=("draw", KEY, slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_lock_can_refuse(tmp_path: Path) -> None:
    file = tmp_path / "locks" / "a.lock"
    with locked(file, refuse="taken"), pytest.raises(LandmarkError, match="taken"), locked(file, refuse="taken"):
        pass
    with locked(file, refuse="taken"):
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_a_key_does_not_depend_on_the_order(content: dict[str, object]) -> None:
    assert content_key(content) == content_key(dict(reversed(content.items())))
    assert content_key({**content, "more": 1}) != content_key({**content, "more": 2})
