"""Pictures that the review server makes: previews, and activation maps when asked."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.gallery import write_gallery
from landmark.tagging.review import Review
from tests.tagging.conftest import Tag, write_photo, write_photos
from tests.tagging.gallery_sample import row, shown_rows, write_tags
from tests.tagging.test_review import client, client_of, opened, out, say, sha256

__all__ = ["client", "out", "sha256"]


def test_previews_are_of_1600_pixels_upright_and_without_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"
    rows = []
    for number, name in enumerate(("a.jpg", "b.tiff", "c.heic")):
        photo = tmp_path / name
        image = Image.new("RGB", (2400, 1200), (200, 30 * number, 30))
        image.save(photo, exif=exif) if number == 0 else image.save(photo)
        rows.append(row(photo, hashlib.sha256(photo.read_bytes()).hexdigest(), "arch", width=2400, height=1200))
    rows[0] |= {"width": 1200, "height": 2400}
    out = write_tags(tmp_path / "out", rows)
    write_gallery(out, None, progress=False)
    with client_of(Review(out)) as client:
        opened(client)
        for each, size in zip(rows, [(800, 1600), (1600, 800), (1600, 800)], strict=True):
            answer = client.get(f"/photo/{each['sha256']}")
            assert answer.headers["content-type"] == "image/webp"
            assert b"Secret" not in answer.content
            with Image.open(io.BytesIO(answer.content)) as image:
                assert (image.size, dict(image.getexif())) == (size, {})


def test_of_copies_the_one_that_is_there_is_shown(client: TestClient, out: Path, sha256: dict[str, str]) -> None:
    photos = out.parent / "photos"
    (photos / "a.png").unlink()
    assert client.get(f"/photo/{sha256['copy']}").status_code == 200
    (photos / "copy.png").unlink()
    answer = client.get(f"/photo/{sha256['copy']}")
    assert answer.status_code == 404
    assert "No such file" in answer.json()["detail"]
    assert client.get("/photo/" + "0" * 64).status_code == 404


def test_a_photo_that_changed_since_it_was_tagged_is_not_shown_for_it(
    client: TestClient, out: Path, sha256: dict[str, str]
) -> None:
    photos = out.parent / "photos"
    before = client.get(f"/photo/{sha256['a']}").content
    write_photo(photos / "a.png", 2, 77)
    # Its copy is still the one that was tagged.
    assert client.get(f"/photo/{sha256['a']}").content == before
    write_photo(photos / "copy.png", 2, 77)
    answer = client.get(f"/photo/{sha256['a']}")
    assert answer.status_code == 404
    assert "a.png: changed since it was tagged; run `landmark tag` again" in answer.json()["detail"]


# ---- activation maps


def test_activation_maps_are_drawn_when_asked_for(real: tuple[Recognizer, Path], tagged: Tag, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 4)
    tagged()
    out, loaded = tmp_path / "out", []
    write_gallery(out, None, progress=False)

    def load() -> Recognizer:
        loaded.append(1)
        return real[0]

    with client_of(Review(out, load)) as client:
        opened(client)
        row = next(row for row in shown_rows(out) if row["l"])
        assert loaded == []
        answers: list[Any] = [None] * 4
        others = [row["l"], *(landmark for landmark, _ in row["o"])]

        def ask(place: int) -> None:
            answers[place] = client.get(f"/api/why/{row['s']}", params={"landmark": others[place % len(others)]})

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 4
        assert loaded == [1]
        with Image.open(io.BytesIO(answers[0].content)) as picture:
            assert (picture.format, picture.size) == ("WEBP", (48, 48))
        assert int(answers[0].headers["x-landmark-nearest"]) >= 0
        unknown = client.get(f"/api/why/{row['s']}", params={"landmark": "</script>"})
        assert (unknown.status_code, "does not know" in unknown.json()["detail"]) == (404, True)
        # For none named: the one that it was given.
        assert client.get(f"/api/why/{row['s']}").content == answers[0].content
        assert client.get("/api/why/" + "0" * 64).status_code == 404
    # Of another picture at the same place nothing is drawn.
    write_photo(Path(row["p"]), 3, 99)
    with client_of(Review(out, load)) as client:
        changed = opened(client).get(f"/api/why/{row['s']}")
        assert (changed.status_code, "changed since it was tagged" in changed.json()["detail"]) == (404, True)


def test_without_a_recognizer_there_are_no_maps(client: TestClient, sha256: dict[str, str]) -> None:
    answer = client.get(f"/api/why/{sha256['a']}")
    assert (answer.status_code, "--model" in answer.json()["detail"]) == (404, True)


def test_a_recognizer_that_cannot_be_loaded_is_named_and_the_rest_goes_on(out: Path, sha256: dict[str, str]) -> None:
    def load() -> Recognizer:
        return Recognizer.load(out / "nothing")

    with client_of(Review(out, load)) as client:
        opened(client)
        answer = client.get(f"/api/why/{sha256['a']}")
        assert answer.status_code == 500
        assert "nothing" in answer.json()["detail"]
        assert say(client, sha256["a"], "reject").status_code == 200
