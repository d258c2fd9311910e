import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from landmark.evaluation.embedding_map import embedding_map
from landmark.evaluation.explanations import Explainer, Explanation, embedding_svg, explanation_figure, landmark_names
from landmark.evaluation.nearest import Neighbour, PhotoGallery
from landmark.photos.catalog import Catalog
from landmark.photos.decode import UnreadablePhoto, decode
from landmark.recognition.recognizer import Recognizer
from tests.evaluation.painted import recognizer_of


@pytest.fixture(scope="module")
def recognizer(painted: Catalog) -> Recognizer:
    return recognizer_of(painted)


@pytest.fixture(scope="module")
def photo(painted: Catalog) -> str:
    return str(painted.table["photo"][painted.table["landmark"] == "bell"].iloc[0])


def titles(explanation: Explanation, names: dict[str, str]) -> str:
    figure = explanation_figure(explanation, names)
    texts = [text.get_text() for part in figure.subfigs for text in part.texts]
    for axes in figure.axes:
        texts += [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]
    return "\n".join(texts)


def test_it_says_what_the_recognizer_says(recognizer: Recognizer, photo: str) -> None:
    found = Explainer(recognizer, neighbours=3).explain(photo)
    said = recognizer.recognize([photo]).iloc[0]
    assert found.accepted == (said["landmark"] != "")
    assert found.explained.photo == photo
    assert found.explained.landmark == said["candidates"][0]["landmark"]
    assert found.reason == said["reason"]
    assert found.confidence == pytest.approx(said["confidence"], abs=1e-4)
    # The similarity of the best candidate is that to its nearest centroid, whatever way it is found.
    assert found.explained.similarity == pytest.approx(said["similarity"], abs=1e-4)
    assert [landmark for landmark, _ in found.candidates] == [item["landmark"] for item in said["candidates"]]
    centroids = recognizer.centroids
    row = int(np.flatnonzero(centroids.medoid == found.medoid)[0])
    assert (centroids.landmark[row], centroids.support[row]) == (found.explained.landmark, found.support)
    assert centroids.vectors[row] @ found.vector == pytest.approx(said["similarity"], abs=1e-4)


def test_neighbours_are_the_gallery_photos_but_not_the_photo(recognizer: Recognizer, photo: str) -> None:
    found = Explainer(recognizer, neighbours=3).explain(photo)
    near = recognizer.nearest_photos(found.vector[None], 4)[0]
    assert near[0][0] == photo
    assert [(item.photo, item.similarity) for item in found.neighbours] == near[1:]
    assert {item.landmark for item in found.neighbours} == {None}


def test_another_gallery_gives_labels(recognizer: Recognizer, painted: Catalog, photo: str) -> None:
    vector = Explainer(recognizer).explain(photo).vector
    gallery = PhotoGallery.exact(np.stack([vector, vector]), ["/x/1.jpg", "/x/2.jpg"], ["bell", ""])
    found = Explainer(recognizer, gallery, 5).explain(photo)
    assert {(item.photo, item.landmark) for item in found.neighbours} == {("/x/1.jpg", "bell"), ("/x/2.jpg", "")}
    assert "no landmark" in titles(found, landmark_names(recognizer))


def test_without_a_gallery_there_are_no_neighbours(painted: Catalog, photo: str) -> None:
    found = Explainer(recognizer_of(painted, gallery=False)).explain(photo)
    assert found.neighbours == []
    assert len(explanation_figure(found, {}).axes) == 4


def test_what_no_position_allows_is_explained_by_the_most_similar(recognizer: Recognizer, photo: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {1: "S", 2: (40.0, 0.0, 0.0), 3: "W", 4: (100.0, 0.0, 0.0)}
    buffer = io.BytesIO()
    decode(photo).image.save(buffer, "PNG", exif=exif)
    found = Explainer(recognizer).explain(buffer.getvalue(), "far.png")
    assert not found.accepted
    assert found.confidence == 0
    assert found.reason.startswith("no landmark near the photo's GPS position")
    assert found.explained.landmark == found.candidates[0][0]
    assert found.explained.photo == "far.png"


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe0 cut off"])
def test_what_cannot_be_read_is_said(recognizer: Recognizer, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadablePhoto):
        Explainer(recognizer).explain(str(tmp_path / "a.jpg"))


def test_the_sheet_names_and_numbers_everything(recognizer: Recognizer, photo: str) -> None:
    found = Explainer(recognizer).explain(photo)
    near = [Neighbour("/gone.jpg", 0.5, "bell"), Neighbour(photo, 0.25)]
    explained = replace(found.explained, landmark="bell", similarity=0.625, photo="/x/y/z\n.jpg")
    listed = [("bell", 0.625), ("arch", 0.375), ("crown", 0.125)]
    shown = replace(
        found, explained=explained, accepted=True, confidence=0.75, reason="R", candidates=listed, support=1, neighbours=near
    )
    names = landmark_names(recognizer)
    assert names == {"arch": "The <b>Arch</b>", "bell": "The Bell", "crown": "crown", "dome": "Dome $1$"}
    text = titles(shown, names)
    for words in (
        "The Bell",
        "confidence 0.75; R",
        "y/z\\n.jpg",
        "of 1 photo:",
        "similarity 0.625",
        "The <b>Arch</b>",
        "0.375",
    ):
        assert words in text
    assert "No landmark" not in text
    refused = titles(replace(shown, accepted=False, support=1234), names)
    for words in ("No landmark", "most like The Bell, confidence 0.75; R", "of 1,234 photos:"):
        assert words in refused


def test_the_map_stands_by_itself(recognizer: Recognizer) -> None:
    vectors = np.eye(9, dtype=np.float32)
    points = embedding_map(vectors, np.array(["<script>"] * 9), vectors[:1], np.array(["<script>"]), method="pca")
    tree = ET.fromstring(embedding_svg(points, {"<script>": "$a$ & <script>"}))
    assert "background:white" in tree.attrib["style"]
    assert "$a$ & <script>" in "".join(tree.itertext())
    assert not [element for element in tree.iter() if element.tag.endswith("}script")]
