import csv
import errno
import hashlib
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from landmark.config import WorldConfig
from landmark.errors import LandmarkError, UsageError
from landmark.photos.decode import decode
from landmark.photos.world import contact_sheet, write_world
from landmark.photos.world.exterior import exterior
from landmark.photos.world.geometry import Model
from landmark.photos.world.look import REGIONS, draw_look
from landmark.photos.world.others import PAINTERS, other_photo
from landmark.photos.world.painter import Camera, Light, paint, part_order
from landmark.photos.world.places import ASPECTS, KINDS, aspects_of, draw_places, draw_subject, landmark_photo, slug

SMALL = WorldConfig(landmarks=5, photos=6, others=14, size=64, seed=3)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small") / "world"
    write_world(out, SMALL, processes=1)
    return out


def test_a_world_is_byte_identical_whatever_number_of_processes_draw_it(small: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "again", SMALL, processes=3)
    assert digests(tmp_path / "again") == digests(small)


def test_layout(small: Path) -> None:
    rows = list(csv.DictReader((small / "landmarks.csv").open(encoding="utf-8")))
    assert list(rows[0]) == ["landmark", "name", "city", "country", "region", "lat", "lon"]
    ids = [row["landmark"] for row in rows]
    assert ids == sorted(path.name for path in (small / "landmarks").iterdir())
    assert len(ids) == 5
    assert {row["region"] for row in rows} == set(REGIONS)
    assert all(slug(row["name"]) == row["landmark"] for row in rows)
    assert all(-90 <= float(row["lat"]) <= 90 and -180 <= float(row["lon"]) <= 180 for row in rows)
    assert len(list((small / "others").glob("*.jpg"))) == 14
    assert len(list((small / "unknown").glob("*.jpg"))) >= 3
    assert max(len(list(path.iterdir())) for path in (small / "landmarks").iterdir()) == 6
    for path in small.rglob("*.jpg"):
        with Image.open(path) as photo:
            assert (photo.size, photo.mode, photo.format) == ((64, 64), "RGB", "JPEG")


def test_unknown_landmarks_are_not_among_the_known(small: Path) -> None:
    known = {path.name for path in (small / "landmarks").iterdir()}
    names = {path.name for path in (small / "unknown").iterdir()}
    assert not any(name.startswith(f"{landmark}_{aspect}_") for name in names for landmark in known for aspect in ASPECTS)


def test_another_seed_is_another_world(small: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "other", SMALL.model_copy(update={"seed": -7}), processes=1)
    assert not set(digests(tmp_path / "other").values()) & set(digests(small).values())


def test_more_photos_leave_those_that_were_there_as_they_are(small: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "more", SMALL.model_copy(update={"others": 20, "photos": 9}), processes=1)
    more = digests(tmp_path / "more")
    photos = {name: digest for name, digest in digests(small).items() if name.endswith(".jpg")}
    assert {name: more.get(name) for name in photos} == photos


def test_a_second_call_does_nothing_and_a_new_config_replaces_the_world(tmp_path: Path) -> None:
    out = tmp_path / "world"
    first = WorldConfig(landmarks=1, photos=2, others=2, size=32)
    write_world(out, first, processes=1)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    write_world(out, first, processes=1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    write_world(out, first.model_copy(update={"others": 5}), processes=1)
    assert len(list((out / "others").iterdir())) == 5


def test_a_world_that_lost_a_photo_is_drawn_again(tmp_path: Path) -> None:
    config = WorldConfig(landmarks=1, photos=2, others=2, size=32)
    write_world(tmp_path / "world", config, processes=1)
    whole = digests(tmp_path / "world")
    next((tmp_path / "world" / "others").iterdir()).unlink()
    write_world(tmp_path / "world", config, processes=1)
    assert digests(tmp_path / "world") == whole


@pytest.mark.parametrize("name", ["holiday.jpg", ".hidden", "world.json"])
def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="new or empty folder") as caught:
        write_world(out, SMALL, processes=1)
    assert "\n" not in str(caught.value)
    assert (out / name).read_bytes() == b"mine"


def test_a_world_to_which_somebody_added_a_file_is_refused(tmp_path: Path) -> None:
    config = WorldConfig(landmarks=1, photos=1, others=1, size=32)
    write_world(tmp_path / "world", config, processes=1)
    (tmp_path / "world" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        write_world(tmp_path / "world", config.model_copy(update={"seed": 1}), processes=1)
    assert (tmp_path / "world" / "notes.txt").read_text() == "mine"


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world").write_bytes(b"mine")
    with pytest.raises(UsageError, match="is a file"):
        write_world(tmp_path / "world", SMALL, processes=1)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write_world(tmp_path, WorldConfig(landmarks=1, photos=1, others=1, size=32), processes=1)
    assert (tmp_path / "landmarks.csv").is_file()


def test_a_full_disk_leaves_the_old_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "world"
    config = WorldConfig(landmarks=1, photos=2, others=2, size=32)
    write_world(out, config, processes=1)
    before = digests(out)
    real, written = Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LandmarkError, match="No space left"):
        write_world(out, config.model_copy(update={"seed": 1}), processes=1)
    monkeypatch.undo()
    assert digests(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_importing_the_generator_loads_nothing_heavy() -> None:
    code = "import sys, landmark.photos.world; print([m for m in ('torch', 'pandas', 'scipy', 'timm') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_some_photos_say_when_and_where(tmp_path: Path) -> None:
    out = tmp_path / "world"
    write_world(out, WorldConfig(landmarks=4, photos=40, others=40, size=32), processes=1)
    spots = {row["landmark"]: (float(row["lat"]), float(row["lon"])) for row in csv.DictReader((out / "landmarks.csv").open())}
    photos = [(path, decode(path)) for path in sorted((out / "landmarks").rglob("*.jpg"))]
    placed = [(spots[path.parent.name], photo) for path, photo in photos if photo.lat is not None and photo.lon is not None]
    assert 0.15 < len(placed) / len(photos) < 0.45
    for (lat, lon), photo in placed:
        assert photo.lat is not None
        assert photo.lon is not None
        # A degree of latitude is 111.2 km.
        assert math.hypot((photo.lat - lat), (photo.lon - lon) * math.cos(math.radians(lat))) * 111.2 < 1.5
    timed = [(path, photo.taken_at) for path, photo in photos if photo.taken_at is not None]
    assert 0.55 < len(timed) / len(photos) < 0.85
    assert all((taken.hour >= 20) == path.name.startswith("night") for path, taken in timed)


def test_aspects_have_uneven_shares_and_all_occur_in_few_photos() -> None:
    for place in draw_places(range(24), 400, seed=1):
        counts = Counter(aspects_of(place, seed=1))
        assert counts.most_common(1)[0][0] == "front"
        assert min(counts[aspect] for aspect in ASPECTS) > 0.09 * place.photos
    for place in draw_places(range(12), 40, seed=0):
        assert len(set(aspects_of(place, seed=0))) == 4


def test_photos_a_landmark_vary_and_none_is_without() -> None:
    counts = [place.photos for place in draw_places(range(12), 40, seed=0)]
    assert max(counts) == 40
    assert min(counts) == 8
    assert sum(counts) == 358
    assert min(place.photos for place in draw_places(range(12), 1, seed=0)) == 1


@given(seed=st.integers(0, 2**62), count=st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_ids_are_unique_and_safe_file_names(seed: int, count: int) -> None:
    ids = [place.landmark for place in draw_places(range(count), 40, seed)]
    assert len(set(ids)) == count
    assert all(name and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in ids)


def test_thousands_of_landmarks_still_have_names_of_their_own() -> None:
    ids = [place.landmark for place in draw_places(range(9000), 1, seed=0)]
    assert len(set(ids)) == 9000


def test_a_mean_of_all_aspects_is_far_from_each_but_aspects_hold_together() -> None:
    # What several centroids are for, on the plainest features: 8 x 8 thumbnails.
    place = draw_places([2], 40, seed=0)[0]
    aspects = [ASPECTS[i % 4] for i in range(40)]
    thumbs = []
    for number, aspect in enumerate(aspects):
        image = landmark_photo(place, aspect, 0, np.random.default_rng([1, number]), 48)
        thumbs.append(np.asarray(image.resize((8, 8)), dtype=np.float64).ravel())
    vectors = np.array(thumbs)
    label = np.array(aspects)
    right = 0
    for i in range(40):
        rest = np.arange(40) != i
        means = [vectors[rest & (label == aspect)].mean(axis=0) for aspect in ASPECTS]
        right += ASPECTS[int(np.argmin([np.linalg.norm(vectors[i] - mean) for mean in means]))] == label[i]
    # By chance: 10 of 40.
    assert right >= 24


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("grand", [True, False])
def test_every_kind_of_monument_can_be_seen_from_every_side(region: str, number: int, grand: bool) -> None:
    rng = np.random.default_rng([number, grand])
    subject = draw_subject(rng, region, KINDS[region][number], draw_look(region, rng), grand)
    assert np.isfinite(subject.solids.points).all()
    assert subject.solids.points[:, 2].min() >= -1e-9
    for aspect in ("front", "side", "night"):
        image = exterior(subject, aspect, rng, 40)
        assert image.size == (40, 40)
        assert np.asarray(image).std() > 8


@pytest.mark.parametrize("what", sorted(PAINTERS))
def test_every_other_thing_can_be_drawn(what: str) -> None:
    for number in range(3):
        image = PAINTERS[what][0](np.random.default_rng([number]), 40)
        assert (image.size, image.mode) == ((40, 40), "RGB")
        assert np.asarray(image).std() > 3


def test_others_are_mostly_other_than_small_copies_of_landmarks() -> None:
    assert sum(weight for _, weight in PAINTERS.values()) == pytest.approx(1.0, abs=0.05)
    assert other_photo(np.random.default_rng(0), 32)[0] in PAINTERS


def test_a_point_lands_where_the_pinhole_equation_says() -> None:
    # From 10 m in front, with a focal length of 100 px: a point 1 m to the right and 2 m up is 10 px right, 20 px up.
    camera = Camera.looking(np.array([0.0, -10.0, 0.0]), np.zeros(3), 200, 100.0)
    assert camera.project(np.array([[1.0, 0.0, 2.0]]))[0] == pytest.approx([110.0, 80.0])
    assert camera.horizon == pytest.approx(100.0)


@given(
    fill=st.floats(0.3, 1.6),
    angle=st.floats(0, 6.28),
    away=st.floats(40, 300),
    roll=st.floats(-5, 5),
)
def test_framing_fills_the_asked_share_of_the_picture(fill: float, angle: float, away: float, roll: float) -> None:
    corners = np.array([[x, y, z] for x in (-9.0, 9.0) for y in (-7.0, 7.0) for z in (0.0, 25.0)])
    position = np.array([away * math.sin(angle), -away * math.cos(angle), 1.7])
    camera = Camera.framing(position, np.array([0.0, 0.0, 10.0]), corners, 300, fill, (0.0, 0.0), roll)
    seen = camera.project(corners)
    low, high = seen.min(axis=0), seen.max(axis=0)
    assert max(high - low) == pytest.approx(fill * 300, rel=1e-6)
    assert (low + high) / 2 == pytest.approx([150.0, 150.0], abs=1e-6)


def test_normals_point_outwards() -> None:
    model = Model()
    model.box((-1, 1), (-2, 2), (0, 3), (1, 1, 1))
    model.frustum((5, 9, 5, 9), (6, 8, 6, 8), (0, 4), (1, 1, 1))
    model.revolve((20, 0), [(3, 0), (4, 2), (0.5, 6)], (1, 1, 1))
    model.gable((30, 34), (0, 6), (0, 3), "x", (1, 1, 1), (1, 1, 1))
    model.extrude([(40, 0), (44, 0), (44, 3), (40, 3)], "y", (0, 2), (1, 1, 1))
    model.extrude([(0, 0), (4, 0), (4, 3), (0, 3)], "x", (50, 52), (1, 1, 1))
    solids = model.solids()
    middles = solids.boxes.mean(axis=1)[solids.part]
    outward = np.einsum("ij,ij->i", solids.normals, solids.centres - middles)
    assert (outward > 0).all()
    assert np.linalg.norm(solids.normals, axis=1) == pytest.approx(np.ones(len(outward)))


def test_parts_are_painted_from_back_to_front_whatever_their_size() -> None:
    # A wide wall in front of a small box: its centre is farther from the eye than the box's, and yet it comes last.
    wall = [[-100.0, 0.0, 0.0], [2.0, 1.0, 5.0]]
    box = [[0.0, 2.0, 0.0], [1.0, 3.0, 5.0]]
    eye = np.array([0.5, -10.0, 1.0])
    assert part_order(np.array([wall, box]), eye) == [1, 0]
    assert part_order(np.array([box, wall]), eye) == [0, 1]
    assert part_order(np.array([box, wall]), np.array([0.5, 20.0, 1.0])) == [1, 0]


def test_the_nearer_wall_is_seen() -> None:
    model = Model()
    model.box((-5, 5), (10, 12), (0, 10), (1.0, 0.0, 0.0))
    model.box((-5, 5), (0, 2), (0, 10), (0.0, 1.0, 0.0))
    image = Image.new("RGB", (50, 50))
    camera = Camera.looking(np.array([0.0, -30.0, 5.0]), np.array([0.0, 0.0, 5.0]), 50, 100.0)
    white = np.ones(3)
    light = Light(sun=np.array([0.0, -1.0, 0.0]), sun_colour=white * 0.5, sky=white * 0.3, bounce=white * 0.3, haze=white)
    paint(image, model.solids(), camera, light, np.random.default_rng(0))
    red, green, blue = image.getpixel((25, 25))  # type: ignore[misc]
    assert red == 0
    assert blue == 0
    # albedo * (0.62 sky + 0.38 bounce + sun) = 0.3 + 0.5 = 0.8
    assert green == pytest.approx(0.8 * 255, abs=1)


def test_contact_sheet(small: Path, tmp_path: Path) -> None:
    sheet = contact_sheet(small, landmarks=2, width=400)
    assert sheet.width == 400
    assert np.asarray(sheet).std() > 30
    with pytest.raises(UsageError, match="write a world there first"):
        contact_sheet(tmp_path)
