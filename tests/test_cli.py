"""The command: exit status, one line an error, nothing but JSON on stdout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from landmark import console
from landmark.errors import LandmarkError, UsageError
from landmark.summary import print_summary

ROOT = Path(__file__).parents[1]


def landmark(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "landmark.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, **options)


def one_line(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The error of a command that ended with a status; it is all that stands on stderr."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("landmark: ")
    return line


def test_help_needs_nothing_heavy() -> None:
    heavy = ["torch", "timm", "faiss", "onnxruntime", "pandas", "sklearn", "matplotlib", "mlflow", "prefect", "pydantic"]
    code = f"import sys, landmark.cli; print(set({heavy}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_help() -> None:
    done = landmark("--help")
    assert done.returncode == 0
    for command in ("world", "catalog", "retrain", "evaluate", "recognize", "explain", "revisited", "gldv2", "models", "bench"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["retrain"], "Missing argument 'config'"),
        (["retrain", "none.yaml"], "config none.yaml: cannot be read"),
        (["retrain", "{config}", "--nosuch"], "No such option"),
        (["retrain", "{config}", "calibration.specifity=0.9"], "calibration.specifity: unknown key; allowed here: neighbours"),
        (["retrain", "{config}", "data.format=folder", "data.source=nowhere", "--json"], "data.source: "),
        (["world", "x", "--size", "3"], "'--size'"),
        (["catalog", "x", "--format", "gldv2", "--out", "y"], "images (the folder"),
        (["catalog", "x", "--format", "zip", "--out", "y"], "--format: Input should be 'folder'"),
        (["bench", "nosuch"], "bench: no benchmark 'nosuch'"),
    ],
)
def test_what_is_called_wrongly_ends_with_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"name: c\nhome: {tmp_path}/home\ndata: {{format: world}}\ntraining: {{stages: [{{name: all}}]}}\n")
    assert words in one_line(landmark(*(argument.format(config=config) for argument in arguments)), 2)
    assert not (tmp_path / "home" / "prefect").exists()


def test_what_fails_ends_with_1(tmp_path: Path) -> None:
    assert "nowhere" in one_line(landmark("recognize", tmp_path / "nowhere", tmp_path), 1)


def test_debug_shows_where(tmp_path: Path) -> None:
    done = landmark("retrain", "none.yaml", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("landmark: config none.yaml")


def test_world_and_catalog(tmp_path: Path) -> None:
    sizes = ["--landmarks", "3", "--photos", "8", "--others", "30", "--size", "48"]
    made = landmark("world", tmp_path / "w", *sizes, "--json")
    written = json.loads(made.stdout)
    assert (written["folder"], written["landmarks"]) == (str(tmp_path / "w"), 3)
    assert written["photos"]["others"] == 30
    assert 3 <= written["photos"]["landmarks"] <= 24
    folders = [path.name for path in (tmp_path / "w" / "landmarks").iterdir()]
    assert len(folders) == 3
    source, others = tmp_path / "w" / "landmarks", tmp_path / "w" / "others"
    done = landmark("catalog", source, "--others", others, "--out", tmp_path / "c.parquet", "--json")
    result = json.loads(done.stdout)
    assert result["landmarks"] == 3
    assert sum(result["photos"].values()) == written["photos"]["landmarks"] + 30
    assert result["others"] == 30
    assert result["catalog"] == str(tmp_path / "c.parquet")
    shown = landmark("catalog", source, "--others", others, "--out", tmp_path / "c.parquet")
    assert shown.returncode == 0
    assert "calibrate" in shown.stdout


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (LandmarkError("work"), 1, "landmark: work"),
        (UsageError("use\nage"), 2, "landmark: use age"),
        (KeyboardInterrupt(), 130, "landmark: interrupted; the same command goes on from there"),
        (ZeroDivisionError("oh\nno"), 1, "landmark: ZeroDivisionError: oh no (not foreseen; --debug shows where)"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    def command() -> None:
        raise error

    assert console.guard(command, debug=False) == status
    assert capsys.readouterr().err == line + "\n"


INTERRUPTED = """
import signal, sys
from landmark import cli, retrain_command
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests were started in the background
retrain_command.run_flow = lambda *arguments: signal.raise_signal(signal.SIGINT)
sys.argv = ["landmark", "retrain", sys.argv[1], "--json"]
cli.main()
"""


def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("name: c\ndata: {format: world}\ntraining: {stages: [{name: all}]}\n")
    command = [sys.executable, "-c", INTERRUPTED, str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.strip() == "landmark: interrupted; the same command goes on from there"


def test_status_of_what_succeeds() -> None:
    assert console.guard(lambda: None, debug=False) == 0
    assert console.guard(lambda: 3, debug=False) == 3


def test_a_reader_that_stops_reading_is_no_crash() -> None:
    code = "import sys; from landmark.console import guard\n"
    code += "sys.exit(guard(lambda: [print('x' * 100) for _ in range(10**5)] and None, False))"
    command = f'{sys.executable} -c "{code}" | head -1'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "x" * 100 + "\n"
    assert done.stderr == ""


RESULTS = """
import subprocess
from landmark import console
with console.stdout_for_results():
    print("library")
    subprocess.run(["echo", "child"], check=True)
console.show({"a": float("nan"), "b": [1.5, float("inf")]}, True, print)
"""


def test_only_results_reach_stdout() -> None:
    done = subprocess.run([sys.executable, "-c", RESULTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == '{"a": null, "b": [1.5, null]}\n'
    assert set(done.stderr.split()) == {"library", "child"}


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"sensitivity": 0.912, "sensitivity_low": 0.9, "sensitivity_high": 0.93, "specificity": 0.99, "threshold": 0.5}
    metrics |= {"frozen_sensitivity": 0.37, "frozen_specificity": 0.992, "left_out_sensitivity": 0.7}
    metrics |= {"left_out_specificity": 0.99, "left_out_frozen_sensitivity": 0.6, "left_out_frozen_specificity": 0.98}
    result = {"run": "r", "metrics": metrics, "ran": ["train"], "seconds": {"catalog": 1.0, "train": 2.0}, "report": "R.html"}
    print_summary({**result, "registered": {"model": "landmark", "version": "4"}})
    shown = capsys.readouterr().out
    for words in ("0.912", "0.900 to 0.930", "0.370", "0.700", "before", "models:/landmark/4", "R.html"):
        assert words in shown
    print_summary({**result, "ran": []})
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cleaning", "losses", "metrics", "photos", "revisited", "throughput"])
def test_every_benchmark_starts(name: str) -> None:
    done = landmark("bench", name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"landmark bench {name}" in done.stdout
