from dataclasses import replace

import numpy as np

from landmark.evaluation.embedding_map import embedding_map
from landmark.evaluation.explain import Explained
from landmark.evaluation.nearest import Neighbour
from landmark.evaluation.plots import embedding_figure
from landmark.evaluation.report import render_report
from landmark.evaluation.report_content import ReportContent
from tests.evaluation.samples import open_set


def test_nearest_photos_stand_below_an_activation_map() -> None:
    photo = "/photos/0.jpg"
    explained = [Explained(photo, "colosseum", 0.8, np.zeros((20, 30, 3), np.uint8), np.ones((2, 3), np.float32), 128)]
    plain = ReportContent("t", open_set(), [photo] * 300, 0.4, names={"colosseum": "The <i>C</i>"}, explained=explained)
    near = [Neighbour("/gone/1.jpg", 0.625, "colosseum"), Neighbour("/gone/2.jpg", 0.5, ""), Neighbour("/x/<b>.jpg", 0.25)]
    page = render_report(replace(plain, neighbours={photo: near, "/photos/else.jpg": near}))
    for words in ("0.625<br>The &lt;i&gt;C&lt;/i&gt;", "0.500<br>no landmark", "0.250<br>x/&lt;b&gt;.jpg"):
        assert page.count(words) == 1
    assert '"strip near"' not in render_report(plain)


def test_queries_are_stars() -> None:
    vectors = np.eye(9, dtype=np.float32)
    maps = [
        embedding_figure(embedding_map(vectors, np.full(9, "a"), method="pca", queries=queries), {})
        for queries in (None, vectors[:2])
    ]
    assert ["#f0e442" in figure for figure in maps] == [False, True]
