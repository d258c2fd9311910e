"""Ground truths: the published pickles, JSON, and everything that is neither."""

from __future__ import annotations

import copy
import json
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landmark.errors import LandmarkError
from landmark.evaluation.revisited import ground_truth
from landmark.evaluation.revisited.ground_truth import GroundTruth
from tests.evaluation.revisited.samples import GND, content, needs_gnd, truth

GOOD = content(6, ([0], [1, 2], [3]), ([4], [], []))


def load(data: bytes, folder: Path) -> GroundTruth:
    (folder / "gnd").write_bytes(data)
    return GroundTruth.load(folder / "gnd")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_and_json_are_the_same(tmp_path: Path, protocol: int) -> None:
    made = load(pickle.dumps(GOOD, protocol), tmp_path)
    from_json = load(json.dumps(GOOD).encode(), tmp_path)
    for one, other in zip(made.queries, from_json.queries, strict=True):
        assert (one.name, one.box) == (other.name, other.box)
        assert [one.easy.tolist(), one.hard.tolist(), one.junk.tolist()] == [
            other.easy.tolist(),
            other.hard.tolist(),
            other.junk.tolist(),
        ]
    assert made.database == from_json.database == tuple(GOOD["imlist"])
    assert made.queries[0].hard.tolist() == [1, 2]
    assert made.queries[0].box == (0, 0, 8, 8)


@needs_gnd
@pytest.mark.parametrize("name", ["gnd_rparis6k.pkl", "gnd_roxford5k.pkl"])
def test_the_published_pickles_need_no_class(name: str) -> None:
    codes = {code.name for code, _, _ in pickletools.genops((GND / name).read_bytes())}
    assert not codes & {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "REDUCE", "BUILD"}


@needs_gnd
def test_the_published_ground_truth() -> None:
    paris = GroundTruth.load(GND / "gnd_rparis6k.pkl")
    assert paris.queries[0].name == "paris_defense_000605"
    assert paris.queries[0].box == (130, 17, 843, 732)
    oxford = GroundTruth.load(str(GND / "gnd_roxford5k.pkl"))
    assert oxford.queries[0].box == (136.5, 34.1, 648.5, 955.7)


class Hostile:
    def __init__(self, *reduce: Any) -> None:
        self.reduce = reduce

    def __reduce__(self) -> Any:
        return self.reduce


def test_hostile_pickles_run_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    payloads = [
        pickle.dumps(Hostile(os.system, (f"touch {flag}",))),
        pickle.dumps({**GOOD, "more": Hostile(os.system, (f"touch {flag}",))}, 0),
        pickle.dumps({**GOOD, "gnd": Hostile(eval, ("1",))}, 2),
        pickle.dumps({**GOOD, "gnd": [np.array([1, 2])] * 2}),
        pickle.dumps(Path("x")),
        b"cos\nsystem\n(S'touch " + str(flag).encode() + b"'\ntR.",
        b"(S'touch " + str(flag).encode() + b"'\nios\nsystem\n.",
        b"Pelsewhere\n.",
        b"\x82\x01.",  # an extension of copyreg
    ]
    for payload in payloads:
        with pytest.raises(LandmarkError, match="refused, not a pickle of plain lists and numbers") as caught:
            load(payload, tmp_path)
        assert "\n" not in str(caught.value)
    assert not flag.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80",
        b"\x80\xff.",
        b"PK\x03\x04",
        b"<html>no such file</html>",
        os.urandom(300),
        pickle.dumps(GOOD)[:-20],
        b"\x80\x03]r\xff\xff\xff\xfe.",  # a memo index that would reserve 32 GB
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # as many bytes
        b"(" * 100_000 + b".",
    ],
)
def test_what_is_no_pickle(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(LandmarkError, match=r"gnd: refused, not a pickle.*download it again"):
        load(data, tmp_path)


def test_lists_of_lists_of_lists_fill_no_message(tmp_path: Path) -> None:
    bomb: list[Any] = []
    for _ in range(60):
        bomb = [bomb] * 8  # 8 ** 60 items in a few bytes
    for key in ("imlist", "qimlist", "gnd"):
        with pytest.raises(LandmarkError) as caught:
            load(pickle.dumps({**GOOD, key: [bomb, bomb]}), tmp_path)
        assert len(str(caught.value)) < 500
    with pytest.raises(LandmarkError, match="'easy' holds of type list"):
        load(pickle.dumps({**GOOD, "gnd": [{**GOOD["gnd"][0], "easy": bomb}] * 2}), tmp_path)


@pytest.mark.parametrize("data", [b"{", b'{"imlist": [', b"{}", b'{"a": ' + b"[" * 100_000, b"{\xff}", b'  {"gnd": 1}'])
def test_what_is_no_json(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(LandmarkError, match=r"not valid JSON|expected the lists imlist, qimlist and gnd"):
        load(data, tmp_path)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LandmarkError, match=r"nowhere.pkl: cannot be read"):
        GroundTruth.load(tmp_path / "nowhere.pkl")
    with pytest.raises(LandmarkError, match="not a file"):
        GroundTruth.load(tmp_path)
    monkeypatch.setattr(ground_truth, "MAX_BYTES", 100)
    with pytest.raises(LandmarkError, match="over the limit of 100"):
        load(json.dumps(GOOD).encode(), tmp_path)


def damaged(path: str, value: Any) -> dict[str, Any]:
    """The sample with one entry changed; DELETE takes it away."""
    made = copy.deepcopy(GOOD)
    target: Any = made
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        target = target[part]
    if value is DELETE:
        del target[last]
    else:
        target[last] = value
    return made


DELETE = object()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("imlist", DELETE, "expected the lists imlist, qimlist and gnd"),
        ("imlist", "p0", "expected the lists"),
        ("imlist", [], "no database photos or no queries"),
        ("imlist.2", 7, "imlist[2] is of type int, expected a photo's name"),
        ("imlist.2", "p1", "imlist: 'p1' is there twice"),
        ("imlist.2", "../p1", "imlist: '../p1' can't be the name of a photo"),
        ("imlist.2", "/etc/passwd", "can't be the name"),
        ("imlist.2", "a\nb", "can't be the name"),
        ("qimlist.1", "", "qimlist: '' can't be the name"),
        ("qimlist.1", "q_0", "qimlist: 'q_0' is there twice"),
        ("qimlist", ["q_0"], "1 names in qimlist but 2 entries in gnd"),
        ("gnd.1", 3, "query 'q_1': its entry in gnd is of type int"),
        ("gnd.0.easy", DELETE, "query 'q_0': 'easy' is missing"),
        ("gnd.0.junk", None, "query 'q_0': 'junk' is of type NoneType, expected a list"),
        ("gnd.0.easy", ["p0"], "query 'q_0': 'easy' holds of type str"),
        ("gnd.0.easy", [0.0], "query 'q_0': 'easy' holds 0.0"),
        ("gnd.0.easy", [True], "query 'q_0': 'easy' holds True"),
        ("gnd.0.easy", [10**30], "'easy' holds of type int"),
        ("gnd.0.easy", [6], "query 'q_0': photo 6 is not in the database; ids go from 0 to 5"),
        ("gnd.0.junk", [-1], "query 'q_0': photo -1 is not in the database"),
        ("gnd.0.easy", [0, 0], "query 'q_0': photo 0 is twice in easy"),
        ("gnd.0.easy", [3], "query 'q_0': photo 3 is both easy and junk"),
        ("gnd.0.hard", [0], "query 'q_0': photo 0 is both easy and hard"),
        ("gnd.1.bbx", DELETE, "query 'q_1': 'bbx' is missing"),
        ("gnd.1.bbx", [1, 2, 3], "query 'q_1': 'bbx' must be 4 numbers"),
        ("gnd.1.bbx", [1, 2, 3, "4"], "'bbx' must be 4 numbers"),
        ("gnd.1.bbx", [1, 2, 3, float("nan")], "'bbx' must be 4 numbers"),
        ("gnd.1.bbx", [1, 2, 1, 4], "query 'q_1': bbx [1.0, 2.0, 1.0, 4.0] is no box"),
        ("gnd.1.bbx", [8, 2, 1, 4], "is no box"),
        ("gnd.1", {"ok": [1], "junk": [], "bbx": [0, 0, 1, 1]}, "a list 'ok' is of the old protocol"),
    ],
)
def test_what_is_refused(tmp_path: Path, path: str, value: Any, words: str) -> None:
    with pytest.raises(LandmarkError) as caught:
        load(pickle.dumps(damaged(path, value)), tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path / "gnd") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_to_junk() -> None:
    query = truth(6, ([0, 5], [1, 2], [3])).queries[0].with_junk([5, 1])
    assert (query.easy.tolist(), query.hard.tolist(), query.junk.tolist()) == ([0], [2], [1, 3, 5])
    with pytest.raises(LandmarkError, match="photo 4 is neither easy nor hard"):
        query.with_junk([0, 4])
