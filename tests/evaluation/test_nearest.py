from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from landmark.errors import LandmarkError
from landmark.evaluation.nearest import Neighbour, PhotoGallery, caption, nearest_figure
from landmark.evaluation.pictures import FALSE, GREY, TRUE
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.search import SearchIndex


def unit(count: int, seed: int = 0, dim: int = 12) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def paths(count: int) -> list[str]:
    return [f"/photos/{number}.jpg" for number in range(count)]


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 1000))
def test_neighbours_are_those_of_scikit_learn(count: int, k: int, seed: int) -> None:
    vectors, queries = unit(count, seed), unit(5, seed + 1)
    near = PhotoGallery.exact(vectors, paths(count), ["a"] * count).nearest(queries, k)
    distance, rows = NearestNeighbors(n_neighbors=min(k, count), metric="cosine").fit(vectors).kneighbors(queries)
    assert [[item.photo for item in row] for row in near] == [[paths(count)[place] for place in row] for row in rows]
    np.testing.assert_allclose([[item.similarity for item in row] for row in near], 1 - distance, atol=1e-5)


def test_a_photo_is_not_its_own_neighbour() -> None:
    vectors = unit(6)
    gallery = PhotoGallery.exact(vectors, paths(6), ["a"] * 6)
    for number, row in enumerate(gallery.nearest(vectors, 5, queries=paths(6))):
        assert len(row) == 5
        assert f"/photos/{number}.jpg" not in [item.photo for item in row]
    # However its path is written.
    assert gallery.nearest(vectors[:1], 6, queries=["/photos/x/../0.jpg"])[0][0].photo != "/photos/0.jpg"
    # A copy of it elsewhere is one.
    assert gallery.nearest(vectors[:1], 6, queries=["/else/0.jpg"])[0][0] == Neighbour("/photos/0.jpg", pytest.approx(1), "a")


def test_labels_are_known_none_or_unknown() -> None:
    vectors = np.eye(3, dtype=np.float32)
    gallery = PhotoGallery(SearchIndex.exact(vectors), ["/a", "/b", "/c/d/e.jpg"], {"/a": "arch", "/b": ""})
    (near,) = gallery.nearest(np.array([[0.9, 0.4, 0.17]], np.float32) / np.sqrt(0.81 + 0.16 + 0.0289).astype(np.float32), 3)
    assert [item.landmark for item in near] == ["arch", "", None]
    assert [caption(item, {"arch": "The Arch"}) for item in near] == ["The Arch", "no landmark", "d/e.jpg"]


def test_as_many_photos_as_vectors() -> None:
    with pytest.raises(LandmarkError, match="3 vectors but 2 photos"):
        PhotoGallery(SearchIndex.exact(np.eye(3, dtype=np.float32)), ["/a", "/b"])


def test_centroids_are_shown_by_their_medoids() -> None:
    centroids = Centroids(
        np.eye(2, 4, dtype=np.float32), np.array(["arch", "bell"], object), np.array([3, 5]), np.array(["/m1", "/m2"], object)
    )
    (near,) = PhotoGallery.of_centroids(centroids).nearest(np.array([[0.6, 0.8, 0, 0]], np.float32), 2)
    assert [(item.photo, item.landmark) for item in near] == [("/m2", "bell"), ("/m1", "arch")]
    assert [item.similarity for item in near] == pytest.approx([0.8, 0.6])


def test_a_picture_of_neighbours(tmp_path: Path) -> None:
    photo = str(tmp_path / "a.png")
    Image.new("RGB", (60, 40), "red").save(photo)
    near = [
        Neighbour(photo, 0.9, "arch"),
        Neighbour(photo, 0.8, ""),
        Neighbour(photo, 0.7),
        Neighbour("/gone.jpg", 0.6, "bell"),
    ]
    figure = nearest_figure([photo, photo], [near, near[:1]], ["arch", ""], {"arch": "The $Arch$"})
    first, second = np.array(figure.axes).reshape(2, 5)
    assert [axes.get_title(loc="left").split("\n") for axes in first[1:3]] == [
        ["0.900", "The $Arch$"],
        ["0.800", "no landmark"],
    ]
    assert [to_hex(axes.spines["left"].get_edgecolor()) for axes in first[1:]] == [TRUE, FALSE, GREY, FALSE]
    assert to_hex(second[1].spines["left"].get_edgecolor()) == FALSE  # nothing is shown, and it resembles a landmark
    assert [len(axes.images) for axes in first] == [1, 1, 1, 1, 0]
    assert [text.get_text() for text in first[4].texts] == ["no picture"]
    assert [axes.axison for axes in second] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("queries", "neighbours", "truth"),
    [([], [], None), (["/a"], [], None), (["/a"] * 101, [[]] * 101, None), (["/a"], [[]], [])],
)
def test_pictures_of_nothing_or_of_too_much_are_refused(queries: list, neighbours: list, truth: list | None) -> None:
    with pytest.raises(ValueError, match="expected the same number of each, 1 to 100"):
        nearest_figure(queries, neighbours, truth)
