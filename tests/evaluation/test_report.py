import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landmark.errors import LandmarkError
from landmark.evaluation.embedding_map import embedding_map
from landmark.evaluation.explain import Explained
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.reliability import reliability
from landmark.evaluation.report import ReportContent, render_report, versions, write_report
from landmark.recognition.centroids import Centroids
from tests.evaluation.samples import directions, open_set

HOSTILE = "<script>alert('x')</script>\"' onerror=alert(1) {{ 7 * 7 }}"
VOID = {"meta", "img", "br", "link", "input", "hr", "image", "path", "use", "rect"}


class Page(HTMLParser):
    """Reads a page strictly enough to see that tags are closed in order, and collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or tag in ("path", "use", "rect", "image"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(20):
        pixels = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
        path = folder / f"{number}.jpg"
        Image.fromarray(pixels).save(path)
        paths.append(str(path))
    return paths


@pytest.fixture(scope="module")
def content(photos: list[str]) -> ReportContent:
    test = open_set()
    vectors = directions(4)
    centroids = Centroids(
        vectors=vectors,
        landmark=np.array(["colosseum", "colosseum", "eiffel_tower", "rialto_bridge"], object),
        support=np.array([7, 30, 20, 1]),
        medoid=np.array(photos[:4], object),
    )
    baselines = pd.DataFrame({"method": ["one mean per landmark"], "vectors": [3], "sensitivity": [0.75]})
    left_out = pd.DataFrame({"network": ["frozen", "trained"], "sensitivity": [0.6, 0.7]})
    return ReportContent(
        title="A run",
        description="some backbone, input 128 × 128 pixels",
        open_set=test,
        photos=[photos[row % len(photos)] for row in range(len(test))],
        threshold=0.4,
        names={"eiffel_tower": "Eiffel Tower", "colosseum": HOSTILE},
        metrics={"sensitivity": 0.0, "centroids_per_landmark": 4 / 3, "photos_per_second": 61.2, "frozen_sensitivity": 0.54321},
        centroids=centroids,
        nearest=np.array([{"colosseum": 1, "eiffel_tower": 2, "rialto_bridge": 3}[name] for name in test.predicted]),
        compared={"frozen network": open_set(seed=2)},
        baselines=baselines,
        left_out=left_out,
        points=embedding_map(vectors, centroids.landmark.astype(str), method="pca"),
        explained=[Explained(photos[0], "colosseum", 0.8, np.zeros((20, 30, 3), np.uint8), np.ones((2, 3), np.float32), 128)],
        curves=[{"step": step, "stage": HOSTILE, "epoch": 0, "loss": 1.0} for step in range(3)],
        settings={"network": {"dim": 256, "backbone": HOSTILE}},
        data={"photos": {"test": 300}, "sha256": "ab" * 32},
    )


@pytest.fixture(scope="module")
def page(content: ReportContent) -> str:
    return render_report(content)


def test_the_page_is_well_formed_and_has_every_section(page: str) -> None:
    read = Page(page)
    sections = {attributes.get("id") for attributes in read.all("section")}
    assert {"compared", "landmarks", "mistakes", "centroids", "embeddings", "attention", "training", "run"} <= sections
    targets = {attributes["href"] for attributes in read.all("a")}
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(target).removeprefix("#") for target in targets} <= set(ids)
    labelled = {attributes["aria-labelledby"] for attributes in read.all("section")}
    assert labelled <= set(ids)


def test_confidence_has_its_section(content: ReportContent) -> None:
    test = content.open_set
    confidence = 1 / (1 + np.exp(-20 * (test.score - 0.5)))
    found = reliability(test, confidence, test.accepted(0.4))
    read = Page(render_report(dataclasses.replace(content, reliability=found, metrics={**content.metrics, **found.figures})))
    assert "confidence" in {attributes.get("id") for attributes in read.all("section")}
    text = " ".join(read.text)
    for name in ("ece", "ece_tagged_as_tested"):
        assert f"{found.figures[name]:.4g}" in text
    assert "Right when sure" in text
    assert "Reliability" in {attributes.get("aria-label") for attributes in read.all("svg")}


def test_nothing_is_fetched(page: str) -> None:
    read = Page(page)
    for tag, attributes in read.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name)
    assert not re.search(r"@import|url\((?!#|data:)", page)
    policy = [attributes["content"] for attributes in read.all("meta") if "http-equiv" in attributes]
    assert policy
    assert "default-src 'none'" in str(policy[0])


def test_hostile_names_are_text(page: str) -> None:
    read = Page(page)
    assert len(read.all("script")) == 1  # the page's own, for sorting
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert any(HOSTILE in text for text in read.text)
    assert any(HOSTILE in str(attributes.get("alt")) for attributes in read.all("img"))


def test_figures_are_those_of_the_open_set(content: ReportContent, page: str) -> None:
    text = " ".join(Page(page).text)
    figures = content.open_set.figures(0.4)
    for name in ("sensitivity", "specificity", "gap", "top1", "macro_sensitivity", "unknown_specificity"):
        assert f"{100 * figures[name]:.1f} %" in text
    low, high = 100 * figures["sensitivity_low"], 100 * figures["sensitivity_high"]
    assert f"95 % interval: {low:.1f} % to {high:.1f} %" in text
    outcome = content.open_set.outcome(0.4).tolist()
    assert f"{outcome.count('right')} got the right one, {outcome.count('wrong')} a wrong one" in text
    assert "61.2" in text
    assert "network.dim" in text
    assert "frozen_sensitivity 0.54321" in " ".join(text.split())


def test_every_picture_has_a_text_and_headings_are_in_order(page: str) -> None:
    read = Page(page)
    assert len(read.all("img")) > 30
    assert all(attributes.get("alt") for attributes in read.all("img"))
    assert all(attributes.get("aria-label") for attributes in read.all("svg") if attributes.get("class") == "figure")
    assert len(read.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(button.get("type") == "button" for button in read.all("button"))


def test_the_file_is_written_whole_and_stays_small(content: ReportContent, page: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_report(file, content)
    assert file.read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    tight = render_report(dataclasses.replace(content, picture_bytes=50_000))
    pictures = sum(len(str(attributes["src"])) for attributes in Page(tight).all("img"))
    assert pictures <= 50_000 < sum(len(str(attributes["src"])) for attributes in Page(page).all("img"))
    assert "pictures were left out" in tight
    assert "pictures were left out" not in page


def test_the_least_content_is_enough(photos: list[str]) -> None:
    test = OpenSet(np.array([0.9, 0.1]), np.array(["a", "a"]), np.array(["a", ""]))
    read = Page(render_report(ReportContent("Least", test, photos[:2], 0.5)))
    sections = {attributes.get("id") for attributes in read.all("section")}
    assert {"landmarks", "mistakes"} <= sections
    assert not {"compared", "centroids", "embeddings", "attention", "training"} & sections
    assert not read.all("img")


def test_photos_that_are_gone_leave_a_blank(content: ReportContent) -> None:
    gone = dataclasses.replace(content, photos=["/nowhere/gone.jpg"] * len(content.photos))
    assert "no picture" in " ".join(Page(render_report(gone)).text)


def test_thousands_of_landmarks_make_a_page_of_bounded_size() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([f"landmark_{number}" for number in rng.integers(0, 3000, 12000)] + [""] * 1000)
    test = OpenSet(rng.random(13000), np.where(truth == "", "landmark_1", truth), truth)
    page = render_report(ReportContent("Large", test, ["/nowhere"] * 13000, 0.5))
    assert len(page) < 1_000_000
    assert re.search(r"The 2,\d{3} landmarks with the highest sensitivity are not shown", page)


def test_content_that_does_not_fit_together_is_refused(content: ReportContent) -> None:
    with pytest.raises(ValueError, match="a row a test photo"):
        dataclasses.replace(content, photos=content.photos[:-1])
    with pytest.raises(ValueError, match="nearest needs centroids"):
        dataclasses.replace(content, centroids=None)


def test_nothing_to_measure_on_is_said() -> None:
    with pytest.raises(LandmarkError, match="non-landmark photos"):
        render_report(ReportContent("One-sided", OpenSet(np.ones(1), np.array(["a"]), np.array(["a"])), ["p"], 0.5))


def test_a_folder_that_cannot_be_written_to_is_said(content: ReportContent, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LandmarkError, match="report"):
        write_report(tmp_path / "file" / "report.html", content)


def test_versions_are_those_installed() -> None:
    assert versions()["numpy"] == np.__version__
    assert "python" in versions()
