"""Exact resume: a training killed at any moment ends with the bits of one that never was."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, environment
from scipy.io import wavfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_sounds import tone

from zoo.command import parse
from zoo.fit import Options, fit
from zoo.models.gpt import VARIANTS, Variant
from zoo.training import Run

KILLS = int(os.environ.get("ZOO_KILLS", "2"))  # of each training; ZOO_KILLS=20 for the long form

# Everything that has a memory is on: dropout, augmentation, averaged weights, patience, a falling rate.
CNN = (
    "cnn --epochs 6 --data.batch 16 --data.limit 60 --model.filters 8 8 --model.units 16 --model.dropout 0.5 "
    "--patience 5 --data.augment.shift 0.1 --data.augment.mixup 0.2 --optimizer.ema 0.9"
)
# gpt is compiled by XLA, as its recipe is, in which one block takes long enough; lstm has its layers in one loop.
GPT = "gpt --epochs 4 --data.context 8 --data.windows 640 --model.dropout 0.1"
NANO = Variant(width=16, depth=1, heads=2)
PROGRAM = f"""
import sys
from zoo.command import main
from zoo.fit import run_command
from zoo.models.gpt import VARIANTS, Variant
VARIANTS["nano"] = {NANO}
sys.exit(main(run_command))
"""
LSTM = "lstm --epochs 4 --data.steps 10 --data.batch 2 --data.vary.shift 0.1 --model.units 8 8 --model.dense 8"


def outcome(logs: Path) -> dict:
    """All that a run of these logs left which must not depend on how often it was stopped."""
    (run,) = (path for path in logs.iterdir() if path.is_dir())
    with np.load(run / "state.npz") as file:
        arrays = {name: file[name] for name in file if name != "state"}
        state = json.loads(file["state"].tobytes())
    events = {}
    for part in (".", "validation"):  # curves of the training split are in the run's folder itself
        reader = EventAccumulator(str(run / part), size_guidance={"tensors": 0})
        reader.Reload()
        for tag in reader.Tags()["tensors"]:
            # The settings as text hold where the data are, which these tests say in several ways.
            if not tag.startswith("speed/") and tag != "recipe":
                events[part, tag] = [(e.step, e.tensor_proto.SerializeToString()) for e in reader.Tensors(tag)]
    arrays |= {f"model {at}": keras.ops.convert_to_numpy(v) for at, v in enumerate(Run(run).model().weights)}
    return {
        "arrays": arrays,
        "history": json.loads((run / "history.json").read_text()),
        "callbacks": state["callbacks"],
        "best": json.loads((run / "summary.json").read_text())["best"],
        "events": events,
    }


def assert_equal(ours: dict, theirs: dict) -> None:
    """Equal to the bit."""
    assert ours["arrays"].keys() == theirs["arrays"].keys()
    for name, array in ours["arrays"].items():
        assert array.tobytes() == theirs["arrays"][name].tobytes(), name
    for part in ("history", "callbacks", "best"):
        assert ours[part] == theirs[part]
    assert ours["events"].keys() == theirs["events"].keys()
    for tag, values in ours["events"].items():
        assert values == theirs["events"][tag], tag


def start(logs: Path, data_directory: Path, training: str = CNN) -> subprocess.Popen:
    program = ("-c", PROGRAM) if training.startswith("gpt") else ("-m", "zoo.fit")
    command = [sys.executable, *program, *shlex.split(training), "--logs", str(logs)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(data_directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen, word: str) -> bool:
    """Reads what the process says up to a line that begins with the word; False if it ended before."""
    return any(line.startswith(word) for line in process.stdout)


def finished(logs: Path, data_directory: Path, training: str = CNN) -> dict:
    """The outcome after the same command in this process, which goes on where another stopped."""
    recipe, _ = parse("fit", shlex.split(training), Options)
    fit(replace(recipe, data=replace(recipe.data, directory=data_directory)), logs=logs)
    return outcome(logs)


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory, data_directory) -> dict:
    """The outcome of a training that nothing stopped."""
    return finished(tmp_path_factory.mktemp("unstopped"), data_directory)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "my.txt"
    path.write_text("the cat sat on the mat and the dog sat on the log\n" * 40)
    return path


def killed_and_finished(training: str, expected: dict, kills: int, logs: Path, data_directory: Path) -> None:
    """Kills the training at random moments, then lets it end, and compares."""
    moments, killed = random.Random(os.environ.get("ZOO_SEED", "kills")), 0
    while killed < kills:
        process = start(logs, data_directory, training)
        if not wait_for(process, "Epoch"):  # it ended before it could be killed: begin anew
            process.communicate()
            assert_equal(finished(logs, data_directory, training), expected)
            shutil.rmtree(next(path for path in logs.iterdir() if path.is_dir()))
            continue
        time.sleep(moments.uniform(0, 4))
        if process.poll() is not None:
            continue  # it ended first; the next one finds the run finished
        process.kill()
        process.communicate()
        killed += 1
    assert_equal(finished(logs, data_directory, training), expected)


def test_killed_at_random_moments(unstopped, tmp_path, data_directory):
    killed_and_finished(CNN, unstopped, KILLS, tmp_path, data_directory)


@pytest.mark.parametrize("training", [GPT, LSTM], ids=["gpt", "lstm"])
def test_sequences_killed_at_random_moments(training, file, tmp_path, data_directory, monkeypatch):
    monkeypatch.setitem(VARIANTS, "nano", NANO)
    for label, hertz in (("low", 300), ("high", 2000)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for number in range(10):
            wavfile.write(tmp_path / "sounds" / label / f"{number}.wav", 8000, np.float32(tone(hertz + number)))
    training += f" --data.file {file}" if training == GPT else f" --data.folder {tmp_path / 'sounds'}"
    expected = finished(tmp_path / "unstopped", data_directory, training)
    killed_and_finished(training, expected, (KILLS + 1) // 2, tmp_path / "killed", data_directory)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to another process")
def test_asked_to_stop(unstopped, tmp_path, data_directory):
    """By Ctrl-C; then, having gone on, by SIGTERM."""
    for number, code, begun, epoch in ((signal.SIGINT, 130, "training", 2), (signal.SIGTERM, 143, "resuming", 4)):
        process = start(tmp_path, data_directory)
        assert wait_for(process, begun), process.stderr.read()
        assert wait_for(process, f"Epoch {epoch}/"), process.stderr.read()
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
        assert process.returncode == code, out + error
        assert "the state is saved: type the same command to go on" in error
        assert "Traceback" not in error
    assert_equal(finished(tmp_path, data_directory), unstopped)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to another process")
def test_asked_to_stop_at_once(unstopped, tmp_path, data_directory):
    """A second signal does not wait for a save."""
    process = start(tmp_path, data_directory)
    assert wait_for(process, "Epoch 2/"), process.stderr.read()
    os.kill(process.pid, signal.SIGSTOP)  # so that both are there when it looks
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert error.count("stopped at once; the last saved state is intact") == 1
    assert "Traceback" not in error
    assert_equal(finished(tmp_path, data_directory), unstopped)
