"""`python -m zoo.runs`: lists, compares, ranks and deletes runs, and never anything else."""

import json
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from conftest import ROOT, assert_complaint

RECIPE = {
    "name": "cnn",
    "model": {"is": "cnn", "filters": [32, 64]},
    "task": {"is": "Classification"},
    "epochs": 3,
    "monitor": "val_loss",
    "seed": 0,
}


def made(logs: Path, folder: str, *, accuracy: float, ended: bool = True, data: str = "a", **recipe) -> Path:
    """What a fit leaves, as far as it is read here."""
    path = logs / folder
    (path / "validation").mkdir(parents=True)
    record = {"recipe": RECIPE | recipe, "id": folder[-6:], "data": {"validation_digest": data, "validation": 180}}
    record |= {"format": 1, "title": "digits", "versions": {"zoo": "0.5.0"}, "labels": ["0", "1"]}
    epochs = [
        {"epoch": at, "loss": 1.0, "val_loss": 2 - accuracy, "val_accuracy": accuracy, "learning_rate": 0.1}
        for at in (1, 2, 3)
    ]
    (path / "run.json").write_text(json.dumps(record))
    (path / "history.json").write_text(json.dumps(epochs))
    if ended:
        (path / "summary.json").write_text(json.dumps({"epochs": 3, "steps": 60, "seconds": 75.0, "best": epochs[2]}))
    return path


@pytest.fixture
def logs(tmp_path):
    """Three runs, and folders that are none."""
    logs = tmp_path / "logs"
    made(logs, "cnn-aaaaaa", accuracy=0.9)
    made(logs, "cnn-bbbbbb", accuracy=0.8, ended=False, seed=1)
    made(logs, "vgg-cccccc", accuracy=0.7, name="vgg", data="b")
    (logs / "mine").mkdir()
    return logs


def test_list(zoo_here, logs):
    (logs / "cnn-dddddd").mkdir()
    (logs / "cnn-dddddd" / "run.json").write_text('{"recipe": {"name": "\\u001b[2J"}}')
    with filelock.FileLock(logs / "cnn-bbbbbb" / ".lock"):
        done = zoo_here("runs", "--logs", logs)
    assert done.returncode == 0, done.stderr
    rows = {Path(line.split()[0]).name: " ".join(line.split()[1:]) for line in done.stdout.splitlines() if line}
    assert rows["cnn-aaaaaa"].startswith("digits 3 of 3 accuracy 0.9000 finished 1 min 20")
    assert "training" in rows["cnn-bbbbbb"]
    assert "is damaged" in rows["cnn-dddddd"]
    assert "\x1b" not in done.stdout
    assert "3 runs" in done.stdout
    assert "stopped" in zoo_here("runs", "--logs", logs).stdout
    first = json.loads(zoo_here("runs", "--logs", logs, "--json").stdout.splitlines()[0])
    assert first["data"] == "digits"


def test_compare(zoo_here, logs):
    first, second, other = (logs / name for name in ("cnn-aaaaaa", "cnn-bbbbbb", "vgg-cccccc"))
    done = zoo_here("runs", "compare", first, second)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["seed", "0", "1"] in lines
    assert ["validation", "accuracy", "0.9000", "0.8000"] in lines
    assert "filters" not in done.stdout  # which are the same
    assert "cannot be compared" not in done.stdout
    assert "cannot be compared" in zoo_here("runs", "compare", first, other).stdout
    assert_complaint(zoo_here("runs", "compare", first, first), "wanted two or more runs")


def test_best(zoo_here, logs):
    done = zoo_here("runs", "best", "--logs", logs)
    assert [Path(line.split()[0]).name for line in done.stdout.splitlines()[1:]] in (
        ["cnn-aaaaaa", "vgg-cccccc"],
        ["vgg-cccccc", "cnn-aaaaaa"],
    )
    assert "vgg" not in zoo_here("runs", "best", "cnn", "--logs", logs).stdout
    assert_complaint(zoo_here("runs", "best", "vg", "--logs", logs), "no run", "nearest: vgg")


def test_delete(zoo_here, logs, monkeypatch):
    run, kept = logs / "cnn-aaaaaa", logs / "precious.txt"
    kept.write_text("mine")
    (run / "link").symlink_to(kept)
    (run / "all").symlink_to(logs, target_is_directory=True)
    assert_complaint(zoo_here("runs", "delete", run), "would be deleted for ever: add --yes")
    assert run.exists()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert "nothing was deleted" in zoo_here("runs", "delete", run).stdout
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert zoo_here("runs", "delete", run).returncode == 0
    assert not run.exists()
    assert kept.read_text() == "mine"
    assert len(list(logs.glob("*/run.json"))) == 2


def test_what_is_not_deleted(zoo_here, logs, tmp_path, monkeypatch):
    run = logs / "cnn-aaaaaa"
    link = tmp_path / "link"
    link.symlink_to(run, target_is_directory=True)
    made(run, "cnn-eeeeee", accuracy=0.1)
    second = logs / "cnn-bbbbbb"
    for given, said in {
        logs / "mine": "is not a run",
        logs: "is not a run",
        logs / "nothing": "is not a run",
        link: "is a link",
        run: "holds more than one run",
    }.items():
        # None is deleted where one must not be.
        assert_complaint(zoo_here("runs", "delete", second, given, "--yes"), said)
        assert second.exists()
    with filelock.FileLock(second / ".lock"):
        assert_complaint(zoo_here("runs", "delete", second, "--yes"), "another process is training")
    monkeypatch.chdir(second / "validation")
    assert_complaint(zoo_here("runs", "delete", second, "--yes"), "the folder that you are in")
    assert len(list(logs.rglob("run.json"))) == 4


def test_prepared_data(zoo_here, data_directory):
    done = zoo_here("runs", "data", "--directory", data_directory)
    assert done.returncode == 0, done.stderr
    assert "size" in done.stdout
    assert_complaint(zoo_here("runs", "data", "--directory", "nowhere"), "there are no prepared data")


def test_words_that_are_no_verb(zoo_here):
    assert_complaint(zoo_here("runs", "list"), "wanted compare, best, delete, data")
    assert "compare RUN RUN..." in zoo_here("runs", "--help").stdout


def test_answers_at_once(logs):
    """No large library is imported; it takes 0.25 s, so that this fails on a busy machine only if one is."""
    begun = time.monotonic()
    script = f"import sys, zoo.runs as r; r.run_command(['--logs', {str(logs)!r}]); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert time.monotonic() - begun < 5
