from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from landmark import storage
from landmark.errors import LandmarkError

ROOT = Path(__file__).parents[2]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_write_then_read_and_replace(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "x.bin"
    storage.write_bytes(file, b"one")
    storage.write_bytes(str(file), b"two")
    assert storage.read_bytes(file) == b"two"
    assert storage.exists(file)
    assert storage.exists(file.parent)
    assert not storage.exists(tmp_path / "nothing")
    assert not storage.exists(tmp_path / ("x" * 300))
    assert leftovers(file.parent) == []


def test_sha256_of_a_file(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "abc", b"abc")
    # FIPS 180-2, appendix B.1
    assert storage.sha256_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(LandmarkError, match="cannot be read"):
        storage.sha256_file(tmp_path / "none")


def test_reading_what_is_not_there_names_it(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match=r"none\\nx: cannot be read \(No such file"):
        storage.read_bytes(tmp_path / "none\nx")


def test_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    # np.save appends .npy to a name that lacks it: the artefact would be written beside the temporary file.
    with storage.atomic_file(tmp_path / "v.npy") as temporary:
        np.save(temporary, np.arange(3))
    assert np.load(tmp_path / "v.npy", allow_pickle=False).tolist() == [0, 1, 2]


def test_new_files_have_the_usual_permissions_and_old_ones_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "x"
    (tmp_path / "plain").write_bytes(b"")
    storage.write_bytes(file, b"1")
    assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode
    file.chmod(0o640)
    storage.write_bytes(file, b"2")
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("stage", ["block", "fsync"])
def test_disk_full_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    file = tmp_path / "model.json"
    storage.write_bytes(file, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync" if stage == "fsync" else "pathlib.Path.write_bytes", full)
    with pytest.raises(LandmarkError, match=r"model\.json: cannot be written \(No space left.*untouched"):
        storage.write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_file_size_limit_of_the_system_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(b"old")
    code = (
        "import resource, sys; from landmark import storage; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "try: storage.write_bytes(sys.argv[1], bytes(1 << 20))\n"
        "except storage.LandmarkError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "cannot be written (File too large)" in out.stdout
    assert file.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_two_files_that_belong_together_are_both_old_or_both_new(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"old a")
    b.write_bytes(b"old b")

    def write() -> None:
        with storage.atomic_files(a, b) as (x, y):
            x.write_bytes(b"new a")
            y.unlink()  # so that the second can't be synced

    with pytest.raises(LandmarkError, match="cannot be written"):
        write()
    assert (a.read_bytes(), b.read_bytes()) == (b"old a", b"old b")
    with storage.atomic_files(a, b) as (x, y):
        x.write_bytes(b"new a")
        y.write_bytes(b"new b")
    assert (a.read_bytes(), b.read_bytes()) == (b"new a", b"new b")
    assert leftovers(tmp_path) == []


def test_an_error_of_the_block_passes_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage.atomic_file(tmp_path / "x"):
        _ = 1 / 0
    with pytest.raises(FileNotFoundError), storage.atomic_file(tmp_path / "x"):
        (tmp_path / "something" / "read").read_bytes()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def powerless(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not write to, with a file and a folder in it."""
    folder = tmp_path / "closed"
    (folder / "artefact").mkdir(parents=True)
    (folder / "artefact" / "x").write_bytes(b"old")
    (folder / "x").write_bytes(b"old")
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)


def test_no_permission_leaves_the_old_artefact(powerless: Path) -> None:
    with pytest.raises(LandmarkError, match=r"x: cannot be written \(Permission denied\)"):
        storage.write_bytes(powerless / "x", b"new")
    denied = pytest.raises(LandmarkError, match=r"artefact: cannot be written \(Permission denied\)")
    with denied, storage.atomic_folder(powerless / "artefact"):
        pass
    if os.getuid() == 0:
        os.seteuid(0)
    assert (powerless / "x").read_bytes() == (powerless / "artefact" / "x").read_bytes() == b"old"
    assert leftovers(powerless) == []


@pytest.mark.parametrize("what", ["atomic_file", "atomic_folder"])
def test_killed_in_the_middle_leaves_the_old_artefact(tmp_path: Path, what: str) -> None:
    target, started = tmp_path / "artefact", tmp_path / "started"
    part = target / "part" if what == "atomic_folder" else target
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"old")
    code = (
        "import pathlib, sys, time; from landmark import storage\n"
        f"with storage.{what}(pathlib.Path(sys.argv[1])) as new:\n"
        "    (new / 'part' if new.is_dir() else new).write_bytes(b'half'); open(sys.argv[2], 'w').close(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(target), str(started)], cwd=ROOT)
    try:
        for _ in range(600):
            if started.exists():
                break
            time.sleep(0.05)
        assert started.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert part.read_bytes() == b"old"


@pytest.mark.parametrize("exchange", [True, False])
def test_folder_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:  # a system without renameat2

        def no_library(*_: object, **__: object) -> None:
            raise OSError(errno.ENOENT, "no libc")

        monkeypatch.setattr("ctypes.CDLL", no_library)
    target = tmp_path / "recognizer"
    for content in ("old", "new"):
        with storage.atomic_folder(target) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / content).write_text(content)
    assert [path.name for path in (target / "deep").iterdir()] == ["new"]
    assert leftovers(tmp_path) == []

    def fail() -> None:
        with storage.atomic_folder(target) as temporary:
            (temporary / "half").write_text("half")
            raise ValueError("training failed")

    with pytest.raises(ValueError, match="training failed"):
        fail()
    assert [path.name for path in target.iterdir()] == ["deep"]
    assert leftovers(tmp_path) == []


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(LandmarkError, match="a file is in the way"), storage.atomic_folder(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_text() == "mine"


def test_list_files_is_sorted_recursive_and_filters(tmp_path: Path) -> None:
    for name in ("b/x.JPG", "a.jpg", "a/z.jpg", "a/y.png", "a-b.jpg"):
        storage.write_bytes(tmp_path / name, b"")
    found = list(storage.list_files(tmp_path))
    assert found == sorted(str(tmp_path / name) for name in ("b/x.JPG", "a.jpg", "a/z.jpg", "a/y.png", "a-b.jpg"))
    assert [Path(file).name for file in storage.list_files(tmp_path, [".jpg"])] == ["a-b.jpg", "a.jpg", "z.jpg", "x.JPG"]


def test_list_files_stays_in_the_folder(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    storage.write_bytes(outside / "secret.jpg", b"")
    storage.write_bytes(inside / "a.jpg", b"")
    (inside / "loop").symlink_to(inside)
    (inside / "self").symlink_to("self")
    (inside / "out").symlink_to(outside)
    (inside / "out.jpg").symlink_to(outside / "secret.jpg")
    (inside / "alias.jpg").symlink_to("a.jpg")
    assert [Path(file).name for file in storage.list_files(inside)] == ["a.jpg", "alias.jpg"]
    (tmp_path / "link").symlink_to(inside)
    assert [Path(file).name for file in storage.list_files(tmp_path / "link")] == ["a.jpg", "alias.jpg"]


def test_list_files_of_no_folder() -> None:
    with pytest.raises(LandmarkError, match="no such folder"):
        storage.list_files("/nowhere/at/all")


def test_json_is_sorted_and_knows_numpy(tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    storage.write_json(file, {"b": np.float32(0.5), "a": np.arange(2), "p": Path("x"), "ü": None})
    assert file.read_text(encoding="utf-8").index('"a"') < file.read_text(encoding="utf-8").index('"b"')
    assert storage.read_json(file) == {"a": [0, 1], "b": 0.5, "p": "x", "ü": None}


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match="NaN"):
        storage.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()
    (tmp_path / "cut.json").write_text('{"a": ')
    with pytest.raises(LandmarkError, match=r"cut\.json: not valid JSON"):
        storage.read_json(tmp_path / "cut.json")


def test_local_folder_and_copy(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "a" / "b" / "x", b"1")
    with storage.local_folder(tmp_path / "a") as folder:
        assert folder == tmp_path / "a"
    storage.upload_folder(tmp_path / "a", str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "b" / "x").read_bytes() == b"1"
    with pytest.raises(LandmarkError, match="no such folder"), storage.local_folder(tmp_path / "none"):
        pass


def test_digest_helpers_agree(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    storage.write_bytes(tmp_path / "x", data)
    assert storage.sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()
