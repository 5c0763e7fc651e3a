"""The commands as a person types them, and what they answer when something is wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from conftest import ROOT, assert_complaint, environment
from PIL import Image

from zoo.__main__ import run as run_verb
from zoo.models import googlenet
from zoo.recipes import RECIPES


def test_fit_ends_with_what_to_do_next(run):
    path, out = run
    assert out.splitlines()[-1] == f"run: {path}"
    assert f"python -m zoo.evaluate {path}" in out
    assert "tensorboard --logdir" in out


def test_same_command_again_says_that_it_is_finished(run, zoo_here):
    logs = os.path.dirname(run[0])
    done = zoo_here("fit", "cnn", "--epochs", 3, "--logs", logs)
    assert done.returncode == 0
    assert "finished already" in done.stdout
    assert done.stdout.splitlines()[-1] == f"run: {run[0]}"


def test_overview(zoo_command):
    done = zoo_command("")
    assert done.returncode == 0
    for word in ("fit RECIPE", "evaluate RUN", "predict RUN INPUT", "bench RECIPE", "cnn", "bigmodel"):
        assert word in done.stdout


def test_words_after_the_overview(zoo_command, monkeypatch, capsys):
    assert_complaint(zoo_command("", "train", "cnn"), "no verb is called 'train'")
    monkeypatch.setattr(sys, "argv", ["zoo", "fit", "cn"])
    monkeypatch.setattr(signal, "signal", lambda *all: None)
    assert run_verb() == 2
    assert "no recipe is called 'cn'; nearest: cnn" in capsys.readouterr().err


def test_backend_that_cannot_be_loaded(data_directory):
    command, words = [sys.executable, "-m", "zoo.fit", "cnn"], environment(data_directory) | {"KERAS_BACKEND": "foo"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=words, capture_output=True, text=True)
    assert_complaint(done, "Keras cannot load its backend", "foo", "unset KERAS_BACKEND")


def test_help_shows_every_leaf(zoo_here):
    done = zoo_here("fit", "cnn", "--help-all")
    assert done.returncode == 0
    for flag in ("--epochs", "--patience", "--seed", "--precision", "--logs", "--data.name", "--data.folder",
                 "--data.batch", "--optimizer.rate", "--model.filters", "--model.dropout", "--profile"):  # fmt: skip
        assert flag in done.stdout
    assert "fraction of units dropped" in done.stdout


FIT = ["data.folder", "data.file", "data.size", "data.batch", "epochs", "minutes", "model.variant", "optimizer.rate"]
BENCH = ["seconds", "json", "data.file", "data.tokens", "data.batch", "epochs", "minutes", "optimizer.rate"]


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("fit", "resnet20", "--help"), [*FIT, "patience", "fresh"]),
        (("fit", "cnn", "--epochs", 3, "-h"), [*(f for f in FIT if f != "model.variant"), "patience", "fresh", "logs"]),
        (("bench", "lm", "--help"), [*BENCH, "patience", "seed"]),
    ],
)
def test_help_shows_the_flags_that_are_used_most(words, flags, zoo_here):
    done = zoo_here(*words)
    assert done.returncode == 0
    assert re.findall(r"^[^\w\n]*--([\w.]+)", done.stdout, re.M) == flags
    assert done.stdout.endswith("`--help-all` shows all.\n")
    assert f"(default: {RECIPES[words[1]].epochs})" in done.stdout
    assert "Passes over the training data." in done.stdout


OWN = """
import keras
from zoo.data import Rows
from zoo.tasks import Classification
from zoo.training import Recipe

def dense(input_shape, classes, *, variant: str = "small"):
    '''Dense layers.

    Args:
        variant: small or large.
    '''

mine = Recipe(name="mine", model=dense, data=Rows("breast_cancer"), task=Classification())
"""


def test_help_for_a_recipe_of_ones_own(zoo_here, tmp_path):
    """A flag that its network or its data lack is left out."""
    (tmp_path / "dense.py").write_text(OWN)
    done = zoo_here("fit", f"{tmp_path / 'dense.py'}:mine", "--help")
    assert done.returncode == 0, done.stderr
    assert "--data.size" not in done.stdout
    assert "--model.variant STR" in done.stdout
    assert "small or large. (default: small)" in done.stdout


def test_help_of_a_run_has_no_more(run, zoo_here):
    for word in ("--help", "--help-all"):
        assert "--split" in zoo_here("evaluate", run[0], word).stdout


def test_evaluate(run, zoo_here):
    done = zoo_here("evaluate", run[0])
    assert done.returncode == 0, done.stderr
    assert "95 % interval" in done.stdout
    assert Image.open(f"{run[0]}/test.png").width > 500
    done = zoo_here("evaluate", run[0], "--json", "--record")
    record = json.loads(done.stdout)
    assert record["examples"] == 360
    assert record["accuracy_low"] < record["accuracy"] < record["accuracy_high"]
    (line,) = (Path(run[0]).parent / "results.jsonl").read_text().splitlines()
    result = json.loads(line)
    assert result["metrics"]["accuracy"] == record["accuracy"]
    assert result["data"] | {"train_digest": "", "digest": ""} == {
        "name": "digits", "split": "test", "train_examples": 1257, "train_digest": "", "digest": ""
    }  # fmt: skip
    assert {"recipe", "id", "command", "seed", "seconds", "machine", "versions", "commit"} <= result.keys()


def test_predict(run, zoo_here, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    Image.new("RGBA", (100, 50), "black").save(folder / "wide.png")
    Image.new("CMYK", (5, 5)).save(folder / "tiny.jpg")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    done = zoo_here("predict", run[0], folder, "--top", 3)
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [
        str(folder / n) for n in ("tiny.jpg", "wide.png")
    ]
    done = zoo_here("predict", run[0], folder, tmp_path / "broken.png", tmp_path / "gone.png", "--json")
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in answer for answer in answers] == [False, False, True, True]
    assert "No such file" in answers[3]["error"]
    assert 0 <= answers[0]["top"][0]["probability"] <= 1


def test_bench(zoo_here):
    done = zoo_here("bench", "cnn", "--seconds", 0.1, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["name"] == "cnn"
    assert record["batch"] == 64
    assert record["parameters"] == 225_034
    assert record["flop_per_step"] == 985_399_296  # as PyTorch's counter sees the same network
    assert record["step_ms_min"] <= record["step_ms_median"]
    assert record["examples_per_second"] == pytest.approx(64e3 / record["step_ms_median"], rel=0.01)
    assert record["peak_rss_mb"] > 100


def test_bench_counts_what_is_kept(zoo_here, monkeypatch):
    """Without auxiliary heads; of a GoogLeNet of four narrow modules, and in a few steps."""
    monkeypatch.setattr("zoo.training.speed.EXAMPLES", 8)
    monkeypatch.setattr("zoo.training.speed.MATRIX", 64)
    monkeypatch.setattr("zoo.models.inception.MODULES", dict.fromkeys(("3a", "4a", "4d", "5a"), (2, 2, 2, 2, 2, 2)))
    done = zoo_here("bench", "googlenet", "--seconds", 0.1, "--data.batch", 4, "--json")
    assert done.returncode == 0, done.stderr
    kept = googlenet((32, 32, 1), 10, auxiliary=False).count_params()
    assert json.loads(done.stdout.splitlines()[-1])["parameters"] == kept < googlenet((32, 32, 1), 10).count_params()


MISTAKES = {
    "a network in the place of a run": (["finetune", "resnet50"], ["--weights imagenet"]),
    "unknown variant": (["fit", "resnet20", "--model.variant", "resnet21"], ["the known ones are resnet20, resnet32"]),
    "too small for the depth": (["fit", "vgg11", "--data.size", "16", "16"], ["needs 32x32: take larger pictures"]),
    "a batch that no memory holds": (["bench", "cnn", "--data.batch", f"{10**30}"], ["bench times at most 20000"]),
    "one class": (["fit", "cnn", "--data.only", "3"], ["two or more different ones of: 0, 1"]),
    "no pictures of a class": (["fit", "cnn", "--data.limit", "0"], ["--data.limit came as 0"]),
    "choosing by nothing": (["fit", "cnn", "--monitor", "last", "--patience", "3"], ["need a value to watch"]),
    "weights of nothing": (["finetune", "resnet50", "--weights", "no.h5"], ["there is no such file"]),
    "nothing to carry": (["fit", "gpt", "--data.carried"], ["gpt cannot be built", "leave out --data.carried"]),
    "unknown recipe": (["fit", "cn"], ["no recipe is called 'cn'", "nearest: cnn"]),
    "flag before the recipe": (["fit", "--epochs", "3"], ["--epochs came before a recipe"]),
    "unknown flag": (["fit", "cnn", "--epoch", "3"], ["--epoch", "--epochs"]),
    "wrong type": (["fit", "cnn", "--epochs", "many"], ["--epochs", "many"]),
    "no epochs": (["fit", "cnn", "--epochs", "0"], ["--epochs came as 0, but must be at least 1"]),
    "negative size": (["fit", "cnn", "--data.size", "-3", "5"], ["--data.size came as (-3, 5)"]),
    "negative batch": (["fit", "cnn", "--data.batch", "-1"], ["--data.batch came as -1"]),
    "negative rate": (["fit", "cnn", "--optimizer.rate", "-1"], ["--optimizer.rate came as -1"]),
    "negative filters": (["fit", "cnn", "--model.filters", "-8"], ["cnn cannot be built", "filters"]),
    "dropout above one": (["fit", "cnn", "--model.dropout", "1.5"], ["cnn cannot be built", "1.5"]),
    "too small a picture": (["fit", "cnn", "--data.size", "5", "5"], ["5x5 pixels", "need 10x10"]),
    "unknown data": (["fit", "cnn", "--data.name", "minst"], ["no data set is called 'minst'", "mnist"]),
    "no such folder": (["fit", "cnn", "--data.folder", "nowhere"], ["nowhere", "not a folder"]),
    "unknown monitor": (["fit", "cnn", "--monitor", "val_f1"], ["--monitor came as val_f1", "val_accuracy"]),
    "no such run": (["evaluate", "logs/nothing"], ["no run at logs", "give the folder"]),
    "not a run": (["evaluate", "zoo"], ["zoo is not a run"]),
    "no such split": (["evaluate", "RUN", "--split", "train"], ["--split came as train"]),
    "no pictures": (["predict", "RUN"], ["no pictures were named"]),
    "no such picture": (["predict", "RUN", "nowhere.png"], ["there is no file nowhere.png"]),
    "top zero": (["predict", "RUN", "setup.cfg", "--top", "0"], ["--top came as 0"]),
    "odd profile": (["fit", "cnn", "--profile", "40", "20"], ["--profile came as (40, 20)"]),
    "strong mix": (["fit", "cnn", "--data.augment.cutmix", "1.5"], ["--data.augment.cutmix came as 1.5"]),
    "no number": (["fit", "cnn", "--optimizer.rate", "nan"], ["--optimizer.rate came as nan"]),
    "no such version": (["fit", "cnn", "--data.name", "mnist:9.9.9"], ["mnist:9.9.9", "TFDS refuses"]),
    "no time": (["bench", "cnn", "--seconds", "0"], ["--seconds came as 0"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered(mistake, run, tmp_path, zoo_here):
    words, said = MISTAKES[mistake]
    words = [run[0] if word == "RUN" else word for word in words]
    if words[0] == "fit":
        words += ["--logs", tmp_path / "logs"]
    assert_complaint(zoo_here(*words), *said)
    assert not (tmp_path / "logs").exists()  # nothing half-written


def test_data_out_of_reach_are_said_so_soon(zoo_here, tmp_path, monkeypatch):
    """Wherever the tests run: TFDS is given a set whose server does not exist."""
    file = tfds.download.checksums.UrlInfo(1, "ab", "x.gz")
    monkeypatch.setattr(tfds.builder_cls("mnist"), "url_infos", {"http://nowhere.invalid/x.gz": file})
    begun = time.monotonic()
    words = ("--data.name", "mnist", "--data.directory", tmp_path / "data", "--logs", tmp_path / "logs")
    done = zoo_here("fit", "cnn", *words)
    assert_complaint(done, "mnist is not in", "nowhere.invalid cannot be reached", "--data.name digits")
    assert time.monotonic() - begun < 20  # 10 on a busy machine
    assert not (tmp_path / "logs").exists()
