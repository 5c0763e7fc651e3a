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
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, environment
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zoo.data import Augment, Images, Text
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import bigmodel, gpt, lm
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe, Run, resume

KILLS = int(os.environ.get("ZOO_KILLS", "4"))  # a test of minutes; ZOO_KILLS=20 for the long form

# Everything that has a memory is on: dropout, augmentation, averaged weights, patience, a falling rate.
CNN = (
    "cnn --epochs 5 --data.batch 16 --model.filters 8 8 --model.units 16 --model.dropout 0.5 --patience 4 "
    "--data.augment.shift 0.1 --data.augment.mixup 0.2 --optimizer.ema 0.9"
)
# gpt is compiled by XLA, as its recipe is; lstm has its layers in one loop.
GPT = "gpt --epochs 3 --data.context 16 --data.windows 960 --model.dropout 0.1"
LSTM = "lstm --epochs 3 --data.steps 20 --data.batch 64 --data.vary.shift 0.1"


def outcome(logs: Path) -> dict:
    """All that a run of these logs left which must not depend on how often it was stopped."""
    (run,) = (path for path in logs.iterdir() if path.is_dir())
    with np.load(run / "state.npz") as file:
        arrays = {name: file[name] for name in file if name != "state"}
        state = json.loads(file["state"].tobytes())
    events = {}
    for part in ("train", "validation"):
        reader = EventAccumulator(str(run / part), size_guidance={"tensors": 0})
        reader.Reload()
        for tag in reader.Tags()["tensors"]:
            if not tag.startswith("speed/"):
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
    command = [sys.executable, "-m", "zoo.fit", *shlex.split(training), "--logs", str(logs)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(data_directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen, word: str) -> bool:
    """Reads what the process says up to a line that begins with the word; False if it ended before."""
    return any(line.startswith(word) for line in process.stdout)


def finished(process: subprocess.Popen, logs: Path) -> dict:
    """The outcome of a training that goes to its end."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    return outcome(logs)


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory, data_directory) -> dict:
    """The outcome of a training that nothing stopped."""
    logs = tmp_path_factory.mktemp("unstopped")
    return finished(start(logs, data_directory), logs)


def killed_and_finished(training: str, expected: dict, kills: int, logs: Path, data_directory: Path) -> None:
    """Kills the training at random moments, then lets it end, and compares."""
    moments, killed = random.Random(os.environ.get("ZOO_SEED", "kills")), 0
    while killed < kills:
        process = start(logs, data_directory, training)
        if not wait_for(process, "Epoch"):  # it ended before it could be killed: begin anew
            assert_equal(finished(process, logs), expected)
            shutil.rmtree(next(path for path in logs.iterdir() if path.is_dir()))
            continue
        time.sleep(moments.uniform(0, 4))
        if process.poll() is not None:
            continue  # it ended first; the next one finds the run finished
        process.kill()
        process.communicate()
        killed += 1
    assert_equal(finished(start(logs, data_directory, training), logs), expected)


def test_killed_at_random_moments(unstopped, tmp_path, data_directory):
    killed_and_finished(CNN, unstopped, KILLS, tmp_path, data_directory)


@pytest.mark.parametrize("training", [GPT, LSTM], ids=["gpt", "lstm"])
def test_sequences_killed_at_random_moments(training, tmp_path, data_directory):
    expected = finished(start(tmp_path / "unstopped", data_directory, training), tmp_path / "unstopped")
    killed_and_finished(training, expected, max(1, KILLS // 4), tmp_path / "killed", data_directory)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals to another process")
def test_asked_to_stop(unstopped, tmp_path, data_directory, number, code):
    process = start(tmp_path, data_directory)
    assert wait_for(process, "Epoch 3/"), process.stderr.read()
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code, out + error
    assert "the state is saved: type the same command to go on" in error
    assert "Traceback" not in error
    process = start(tmp_path, data_directory)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    assert "resuming" in out
    assert_equal(outcome(tmp_path), unstopped)


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
    assert error.count("stopped at once; what was saved before is whole") == 1
    assert "Traceback" not in error
    assert_equal(finished(start(tmp_path, data_directory), tmp_path), unstopped)


class Crash(Exception):
    """The process is gone."""


CASES = {
    "plateau": {"optimizer": Optimizer("sgd", rate=0.5, momentum=0.9, schedule="plateau"), "patience": 2},
    "averaged": {"optimizer": Optimizer("adam", ema=0.9), "precision": "mixed_float16", "epochs": 3},
    "mixed": {"optimizer": Optimizer("rmsprop", schedule="step"), "monitor": "val_accuracy", "epochs": 3},
}


def small(data_directory: Path, **settings) -> Recipe:
    return Recipe(
        name="small",
        model=partial(bigmodel, filters=(2, 4), units=4, batch_normalization=True, dropout=0.3),
        data=Images(directory=data_directory, batch=250, augment=Augment(shift=0.1, cutmix=0.5)),
        task=Classification(label_smoothing=0.1, class_weights="balanced"),
        **{"epochs": 4} | settings,
    )


def crash_at_every_save(train, tmp_path: Path, monkeypatch) -> None:
    """Saves after each execution, and dies right after the n-th save: in the middle of epochs, and between files."""
    train(tmp_path / "unstopped")
    expected = outcome(tmp_path / "unstopped")
    monkeypatch.setattr(resume, "INTERVAL", 0)
    write, left = resume.write_state, 0

    def write_and_crash(path, arrays, state):
        nonlocal left
        write(path, arrays, state)
        left -= 1
        if left < 0:
            raise Crash

    monkeypatch.setattr(resume, "write_state", write_and_crash)
    for crash in range(100):
        left = crash % 3  # so that some sessions get a few steps ahead
        try:
            train(tmp_path / "crashed")
            break
        except Crash:
            continue
    assert crash > 6
    assert_equal(outcome(tmp_path / "crashed"), expected)


@pytest.mark.parametrize("case", CASES)
def test_crash_at_every_save(case, data_directory, tmp_path, monkeypatch):
    recipe = small(data_directory, **CASES[case])
    crash_at_every_save(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


def test_crash_at_every_save_of_a_language_model(tmp_path, monkeypatch):
    text = tmp_path / "my.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log\n" * 40)
    recipe = replace(
        RECIPES["gpt"],
        model=partial(gpt, dropout=0.1),
        data=Text(file=text, context=8, batch=4, windows=28),
        optimizer=Optimizer("muon"),
        epochs=2,
        xla="off",  # which each of the many sessions would wait for
    )
    crash_at_every_save(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


def test_crash_at_every_save_of_what_is_carried(tmp_path, monkeypatch):
    text = tmp_path / "my.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log\n" * 40)
    recipe = replace(
        RECIPES["lm"],
        model=partial(lm, embedding=8, units=(8, 8), dropout=0.1),
        data=Text(file=text, tokens="words", context=4, batch=4, carried=True, windows=28),
        epochs=2,
    )
    crash_at_every_save(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


def test_crash_at_every_save_while_thawing(data_directory, tmp_path, monkeypatch):
    base = fit(small(data_directory, epochs=1), logs=tmp_path / "base")
    data = Images(directory=data_directory, batch=100, only=("7", "8", "9"), size=(28, 28))
    recipe = replace(recipe_for(base), data=data, epochs=6, frozen=2, groups=3)
    crash_at_every_save(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)
