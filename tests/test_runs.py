"""Runs that are damaged, hostile, held by another process, or have no place to be written."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, assert_complaint, environment
from PIL import Image

from zoo.data import Images
from zoo.errors import UserError
from zoo.fit import fit
from zoo.opened import opened
from zoo.recipes import RECIPES
from zoo.training import devices, files, runs
from zoo.training.resume import read_state, write_state
from zoo.training.runs import Run

ROOTLESS = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run to damage."""
    return shutil.copytree(run[0], tmp_path / "run")


def test_folder_removed_while_it_is_written(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(UserError, match="run was removed or moved meanwhile: move it back and type"):  # noqa: SIM117
        with files.replacing(folder / "state.npz") as part:
            folder.rmdir()
            part.write_text("state")


def test_damaged_runs(copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"format": 99}))
    assert_complaint(zoo_here("evaluate", copy), "another version of zoo")
    (copy / "run.json").write_text("{ half")
    assert_complaint(zoo_here("evaluate", copy), "run.json is missing or damaged")
    strange = record | {"recipe": record["recipe"] | {"data": record["recipe"]["data"] | {"unheard": 1}}}
    (copy / "run.json").write_text(json.dumps(strange))
    assert_complaint(zoo_here("evaluate", copy), "another version of zoo")
    for name, value in (("batch", "64"), ("augment", []), ("size", [28, "x"])):
        strange["recipe"]["data"] = record["recipe"]["data"] | {name: value}
        (copy / "run.json").write_text(json.dumps(strange))
        with pytest.raises(UserError, match=rf"another version of zoo \({name}: "):
            opened(copy)
    strange["recipe"]["data"] = record["recipe"]["data"] | {"folder": "a\0b"}
    (copy / "run.json").write_text(json.dumps(strange))
    with pytest.raises(UserError, match="is no path"):
        opened(copy)
    other = {"recipe": record["recipe"] | {"task": {"is": "Forecast"}}}
    (copy / "run.json").write_text(json.dumps(record | other))
    with pytest.raises(UserError, match=r"Forecast wants series, starts, .* of its data, which Images lacks"):
        opened(copy)
    elsewhere = {"recipe": record["recipe"] | {"name": "../elsewhere"}}
    for part in (
        {"recipe": None},
        {"labels": [1, 2]},
        {"data": {}},
        {"spec": []},
        {"command": 1},
        {"machine": None},
        {"versions": []},
        elsewhere,
    ):
        (copy / "run.json").write_text(json.dumps(record | part))
        with pytest.raises(UserError, match="is damaged: its recipe, data, files or labels are not what fit writes"):
            runs.open_for_reading(copy)


def test_damaged_model(run, copy, zoo_here):
    whole = (copy / "model.keras").read_bytes()
    (copy / "model.keras").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (9, 9)).save(copy / "x.png")
    assert_complaint(zoo_here("predict", copy, copy / "x.png"), "model.keras is damaged", "type `python -m")
    pixels, wide = keras.Input((28, 28, 1)), keras.Input((28, 28, 3))
    fewer, other = (
        keras.Model(x, keras.layers.Dense(outputs)(keras.layers.Flatten()(x)))
        for x, outputs in ((pixels, 3), (wide, 10))
    )
    row = keras.Sequential([keras.layers.Dense(10)])
    row.build((None, 784))
    named = keras.Model(pixels, keras.layers.Dense(10)(keras.layers.Flatten()(pixels)), name="\x1b[2J")
    nan = Run(Path(run[0])).model()
    nan.get_layer("features").bias.assign([np.nan] * 128)
    wrong = {
        r"outputs are \[3\], but the data have 10 classes": fewer,
        r"inputs are \[\[28, 28, 3\]\]": other,
        "features/bias contains NaN or infinity": nan,
        "is not a functional network": row,
        r"'\\x1b\[2J' is no name that TensorFlow takes": named,
    }
    for words, model in wrong.items():
        model.save(copy / "model.keras")
        with pytest.raises(UserError, match=words):
            _ = opened(copy).model


def test_model_that_asks_to_run_code_is_refused(copy, zoo_here):
    inputs = keras.Input((28, 28, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: 1 / 0 if x is None else x)(inputs)).save(copy / "model.keras")
    assert_complaint(zoo_here("evaluate", copy), "refused", "would execute code")


def test_damaged_state(run, zoo_here, tmp_path):
    shutil.copytree(run[0], tmp_path / os.path.basename(run[0]))
    path = tmp_path / os.path.basename(run[0])
    (path / "summary.json").unlink()  # as if the training had not ended
    whole = (path / "state.npz").read_bytes()
    (path / "state.npz").write_bytes(whole[:1000])
    done = zoo_here("fit", "cnn", "--epochs", 3, "--logs", tmp_path)
    assert_complaint(done, "state.npz is damaged", "--fresh")
    with zipfile.ZipFile(path / "state.npz", "w") as file:  # pickled arrays are never unpickled
        np.lib.format.write_array(file.open("state.npy", "w"), np.array([object()], object), allow_pickle=True)
    assert_complaint(zoo_here("fit", "cnn", "--epochs", 3, "--logs", tmp_path), "state.npz is damaged")


def test_state_of_another_network_changes_nothing(run, zoo_here, tmp_path):
    path = Path(shutil.copytree(run[0], tmp_path / os.path.basename(run[0])))
    (path / "summary.json").unlink()
    arrays, state = read_state(path / "state.npz")
    events = {file: file.stat().st_size for file in path.rglob("*tfevents*")}
    assert events
    first = next(name for name, array in arrays.items() if array.dtype == "float32")
    unwatched = [{key: value for key, value in epoch.items() if key != "val_loss"} for epoch in state["history"]]
    for wrong, words in (
        (({"v00000": np.zeros(3)}, state), "does not hold the state of this network"),
        ((arrays | {first: arrays[first].astype("int32")}, state), "does not hold the state of this network"),
        ((arrays, state | {"step": 5}), "state.npz is damaged"),
        ((arrays, state | {"history": unwatched}), "not those of this training"),
        ((arrays, state | {"history": state["history"][::-1]}), "not those of this training"),
        ((arrays, state | {"callbacks": {}}), "not those of this training"),
    ):
        write_state(path / "state.npz", wrong[0], wrong[1] | {"events": {}})
        assert_complaint(zoo_here("fit", "cnn", "--epochs", 3, "--logs", tmp_path), words)
        assert {file: file.stat().st_size for file in path.rglob("*tfevents*")} == events


def test_a_finished_training_that_lost_its_network(copy, zoo_here):
    (copy / "summary.json").unlink()
    (copy / "model.keras").unlink()
    assert_complaint(zoo_here("evaluate", copy), "has lost its model.keras", "--fresh")
    (copy / "history.json").unlink()
    assert_complaint(zoo_here("evaluate", copy), "has no model.keras yet")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", [("zoo.evaluate", "RUN", "--json"), ("zoo",)], ids=["evaluate", "overview"])
def test_output_that_cannot_be_written(words, run, data_directory):
    command = [sys.executable, "-m", *(run[0] if word == "RUN" else word for word in words)]
    given = environment(data_directory)
    for other in ("PYTHONUNBUFFERED", "TF_CPP_MIN_LOG_LEVEL"):  # JAX, where it was imported, has set the last
        given.pop(other, None)
    options = {"cwd": ROOT, "env": given, "stderr": subprocess.PIPE, "text": True}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, check=False, stdout=full, **options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "the disk is full" in done.stderr
    if len(words) > 1:
        return  # what differs is the number alone, so the quick one is enough
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, check=False, stdout=writing, **options)
    os.close(writing)
    assert (done.returncode, done.stderr.count("\n")) == (141, 1), done.stderr
    assert "the output was closed" in done.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("summary.json", '{"epochs": 2, "steps": 1, "seconds": 1, "best": {}}'),
        ("summary.json", '{"epochs": 2, "steps": 1, "seconds": 1, "best": {"epoch": 1}, "baselines": 1}'),
        ("summary.json", '{"epochs": 2, "steps": 1, "seconds": 1, "best": {"epoch": 1}, "baselines": [{"name": 1}]}'),
        ("summary.json", '{"epochs": "x", "steps": 1, "seconds": 1, "best": {"epoch": 1}}'),
        ("run.json", "{}"),
        ("history.json", "null"),
        ("history.json", "[1, 2]"),
    ],
)
def test_damaged_end_of_a_run(file, text, copy):
    (copy / file).write_text(text)
    with pytest.raises(UserError, match=r"damaged|another version of zoo"):
        _ = runs.open_for_reading(copy).summary, Run(copy).history


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "x"},
        {"step": -5},
        {"history": 5},
        {"history": [1]},
        {"events": {"a": -5}},
        {"callbacks": {"EarlyStopping": 5}},
        {"callbacks": {"EarlyStopping": {"best": 0.5, "wait": "2", "best_epoch": 0, "stopped_epoch": 0}}},
        {"callbacks": {"EarlyStopping": {"best": 0.5, "wait": None, "best_epoch": 0, "stopped_epoch": 0}}},
        {"callbacks": {"EarlyStopping": {"best": 0.5, "wait": -2, "best_epoch": 0, "stopped_epoch": 0}}},
        {"callbacks": {"SwapEMAWeights": {"_ema_weights_in_model": 1}}},
        {"history": [{"epoch": 1, "loss": float("nan")}]},
        {"seconds": float("nan")},
    ],
    ids=str,
)
def test_state_that_no_training_saves(wrong, run, tmp_path):
    arrays, state = read_state(Path(run[0]) / "state.npz")
    write_state(tmp_path / "state.npz", arrays, state | wrong)
    with pytest.raises(UserError, match=rf"its {next(iter(wrong))} is not what a training saves"):
        read_state(tmp_path / "state.npz")
    write_state(tmp_path / "state.npz", arrays | {"v00000": np.full((2, 2), np.nan)}, state)
    with pytest.raises(UserError, match="v00000 is not what a training saves"):
        read_state(tmp_path / "state.npz")


def test_state_that_would_fill_the_memory(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "state.npz", "w", zipfile.ZIP_DEFLATED) as file:
        np.lib.format.write_array(file.open("v00000.npy", "w"), np.zeros(10**6))
    with pytest.raises(UserError, match="it is compressed, as no archive of a run is"):
        read_state(tmp_path / "state.npz")


def read(path: Path, name: str) -> None:
    """Reads a file of a run as a verb does."""
    if name == "state.npz":
        read_state(path / name)
    _ = Run(path).summary, Run(path).history, opened(path).model


@pytest.mark.parametrize("name", ["run.json", "model.keras", "state.npz", "history.json", "summary.json"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(name, copy, monkeypatch):
    def closed(path, mode):
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode)

    monkeypatch.setattr(files, "open", closed, raising=False)  # the administrator may read anything
    with pytest.raises(UserError, match=rf"{name} cannot be read \(Permission denied\), though it may be") as told:
        read(copy, name)
    assert "--fresh" not in str(told.value)
    monkeypatch.undo()
    (copy / name).unlink()
    (copy / name).mkdir()  # or a pipe, which would be waited for
    with pytest.raises(UserError, match=rf"{name} is no file"):
        read(copy, name)


def test_what_was_measured_is_printed_where_it_cannot_be_kept(copy, zoo_here, monkeypatch):
    def closed(path, value):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "write_json", closed)
    done = zoo_here("evaluate", copy)
    assert_complaint(done, "could not be kept: Permission denied", "test.json")
    assert "accuracy" in done.stdout
    assert "picture:" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes links for administrators only")
@pytest.mark.parametrize("name", ["results.jsonl", ".results.jsonl.lock"])
def test_results_are_not_written_through_a_link(name, copy, zoo_here, tmp_path):
    (tmp_path / "precious.txt").write_text("precious")
    (copy.parent / name).symlink_to(tmp_path / "precious.txt")
    done = zoo_here("evaluate", copy, "--record", "--json")
    assert_complaint(done, f"{name} is a link or no file, so nothing is written to it")
    assert json.loads(done.stdout)["examples"] == 360
    assert (tmp_path / "precious.txt").read_text() == "precious"


def test_another_number_of_threads(copy):
    record = json.loads((copy / "run.json").read_text())
    now = record["machine"]["threads"]
    assert now >= 1
    words = rf"was started with {now} threads, but here there are {now + 1}: .*TF_NUM_INTRAOP_THREADS={now}.*--fresh"
    other = record | {"machine": record["machine"] | {"threads": now + 1}}
    with pytest.raises(UserError, match=words):
        runs.write_down(Run(copy), other, {})
    del record["machine"]["threads"]  # as earlier versions left it
    (copy / "run.json").write_text(json.dumps(record))
    runs.write_down(Run(copy), other, {})


def test_the_threads_of_this_process(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    counted = devices.threads()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert devices.threads() == 7
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "many")
    assert devices.threads() == counted
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 4}, raising=False)
    assert devices.threads() == 3


@pytest.mark.parametrize("command", ["python -m zoo.fit cnn; touch x", "", None])
def test_no_command_of_others_is_shown_to_be_typed(command, copy):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"command": command}))
    ours = f"type `python -m zoo.fit {shlex.quote(str(copy))}`"
    assert Run(copy).how_to_go_on() == ("train it again" if command is None else ours)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no folder whose files are open")
def test_a_run_that_was_removed_does_not_go_on(data_directory, tmp_path, monkeypatch):
    """TensorFlow makes the folder of its event files anew, so that every later file would find its place."""
    recipe = replace(RECIPES["cnn"], epochs=1, data=Images(directory=data_directory))

    def removed(*given):
        shutil.rmtree(folder)
        (folder / "train").mkdir(parents=True)
        return {}

    folder = tmp_path / f"cnn-{recipe.id()}"
    monkeypatch.setattr("zoo.tasks.classification.Classification.look", removed)
    with pytest.raises(UserError, match="was removed or moved meanwhile"):
        fit(recipe, logs=tmp_path)


def test_a_line_is_added_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    files.append_line(path, "first")

    class Full(io.FileIO):
        def write(self, text):
            return super().write(text[:3])

    monkeypatch.setattr("builtins.open", lambda path, mode, buffering: Full(path, mode.replace("b", "")))
    with pytest.raises(UserError, match="the disk is full"):
        files.append_line(path, "second")
    monkeypatch.undo()
    files.append_line(path, "third")
    assert path.read_text() == "first\nthird\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows hands over no such names")
def test_names_that_are_not_utf_8(zoo_here, tmp_path):
    done = zoo_here("fit", "cnn", "--logs", tmp_path / os.fsdecode(b"logs\xff"))
    assert_complaint(done, "has letters that are not UTF-8")
    assert not list(tmp_path.iterdir())


def test_two_processes_on_one_run(zoo_here, data_directory, tmp_path):
    words = ["cnn", "--epochs", "200", "--model.filters", "2", "--model.units", "4", "--logs", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo.fit", *words],
        cwd=ROOT, env=environment(data_directory), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert any(printed.startswith("Epoch") for printed in process.stdout)
        assert_complaint(zoo_here("fit", *words), "another process is training", "--fresh")
    finally:
        process.kill()
        process.communicate()
    (path,) = tmp_path.iterdir()
    with runs.locked(Run(path)):
        pass  # the lock has gone with the process


@ROOTLESS
@pytest.mark.parametrize("flag", ["--logs", "--data.directory"])
def test_folders_that_cannot_be_written(flag, zoo_here, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    done = zoo_here("fit", "cnn", flag, tmp_path / "closed" / "inside")
    assert_complaint(done, "cannot write", flag)


@pytest.mark.parametrize("flag", ["--logs", "--data.directory"])
def test_folder_that_is_a_file(flag, zoo_here, tmp_path):
    (tmp_path / "file").write_text("")
    words = {"--logs": tmp_path / "logs"} | {flag: tmp_path / "file" / "inside"}
    done = zoo_here("fit", "cnn", *(word for pair in words.items() for word in pair))
    assert_complaint(done, "cannot write", flag)
