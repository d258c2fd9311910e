import math

import pandas as pd

from landmark.evaluation.tables import data_table, landmark_table, percent, shown_number


def test_percent_never_rounds_to_a_certainty() -> None:
    assert percent(0.99951) == "99.95 %"
    assert percent(0.9996) == "99.96 %"
    assert percent(0.0004) == "0.04 %"
    assert percent(0.5) == "50.0 %"
    assert percent(0.0) == "0.0 %"
    assert percent(math.nan) == "–"


def test_numbers() -> None:
    assert shown_number(1581470) == "1,581,470"
    assert shown_number(3.6) == "3.6"
    assert shown_number(math.inf) == "∞"
    assert shown_number(math.nan) == "–"


def test_any_table() -> None:
    frame = pd.DataFrame(
        {
            "method": ["Mean", "all"],
            "rescored": [True, False],
            "vectors": [20, 1234],
            "sensitivity": [0.5, math.nan],
            "sensitivity_low": [0.4, math.nan],
            "sensitivity_high": [0.6, math.nan],
        }
    )
    table = data_table(frame)
    assert table.columns == ["method", "rescored", "vectors", "sensitivity"]
    assert [[cell.text for cell in row] for row in table.rows] == [["Mean", "yes", "20", "50.0 %"], ["all", "no", "1,234", "–"]]
    assert table.rows[0][3].bar == (0.4, 0.5, 0.6)
    assert table.rows[1][3].bar is None
    assert [row[2].sort for row in table.rows] == ["20.0", "1234.0"]
    assert data_table(None).rows == data_table(frame.head(0)).rows == []


def test_the_weakest_landmarks_come_first_and_stay() -> None:
    columns = ["landmark", "photos", "sensitivity", "low", "high", "wrong", "missed", "false_tags"]
    rows = [("a", 5, 1.0, 0.6, 1.0, 0, 0, 0), ("b", 4, 0.25, 0.1, 0.7, 1, 2, 0), ("c", 0, math.nan, 0.0, 1.0, 0, 0, 3)]
    frame = pd.DataFrame(rows, columns=columns)
    table = landmark_table(frame, str.upper, None, limit=2)
    assert [row[0].text for row in table.rows] == ["B", "A"]
    assert table.left_out == 1
    everything = landmark_table(frame, str.upper, None, limit=9)
    assert everything.rows[2][2].text == "–"
    assert everything.rows[2][2].bar is None
    assert everything.left_out == 0
