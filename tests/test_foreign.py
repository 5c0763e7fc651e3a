"""What others send, and networks and settings that do not fit: nothing is written elsewhere, nothing surprises late."""

import importlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_complaint, environment

from zoo.data import Images
from zoo.data.digits import Digits
from zoo.data.prepare import at_home, builder_of, examples, known_builder
from zoo.errors import UserError, all_printable, printable
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.opened import opened
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.training import Recipe, files, runs


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run to be changed."""
    return Path(shutil.copytree(run[0], tmp_path / Path(run[0]).name))


@pytest.fixture
def recipe(data_directory) -> Recipe:
    return replace(RECIPES["cnn"], name="mine", data=Images(directory=data_directory, limit=3), epochs=1)


def test_a_link_leads_nowhere(copy, tmp_path, zoo_here):
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    for name in (".part-test.json", ".part-test.png", "test.json"):
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(victim)
    assert zoo_here("evaluate", copy).returncode == 0
    assert victim.read_text() == "precious"
    assert not (copy / "test.json").is_symlink()
    (copy / ".part-x").symlink_to(victim)
    with files.replacing(copy / "x") as part:
        part.write_text("new")
    assert (victim.read_text(), (copy / "x").read_text()) == ("precious", "new")


def test_a_training_does_not_go_on_where_there_are_links(copy, tmp_path, zoo_here):
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    (copy / "summary.json").unlink()  # as if it had not ended
    (copy / "x.tfevents.1").symlink_to(victim)
    done = zoo_here("fit", "cnn", "--epochs", 3, "--logs", tmp_path)
    assert_complaint(done, "x.tfevents.1 is a link, and what it leads to would be written: remove it")
    assert victim.read_text() == "precious"


def test_names_of_others_do_not_move_the_cursor(copy, zoo_here):
    assert printable("a\x1b[31m\nb\tc") == "a\\x1b[31m\\nb\tc"
    assert printable("\u202etxt.exe\u2028") == "\\u202etxt.exe\\u2028"
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937"  # which these languages write
    assert printable(joined) == joined
    assert all_printable({"a\n": ["b\r", 1]}) == {"a\\n": ["b\\r", 1]}
    record = json.loads((copy / "run.json").read_text())
    record["labels"] = [f"\x1b[2J{label}\n" for label in record["labels"]]
    (copy / "run.json").write_text(json.dumps(record))
    done = zoo_here("predict", copy, copy / "features" / "sprites.png")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 1
    done = zoo_here("evaluate", copy)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_a_classifier_without_labels(copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"labels": []}))
    assert_complaint(zoo_here("predict", copy, copy / "features" / "sprites.png"), "there are 0 labels, but 10 classes")


@pytest.mark.parametrize("spec", [{}, {"classes": 10}, {"input_shape": None, "classes": 10}, {"input_shape": "x"}])
def test_a_record_that_does_not_go_with_its_network(spec, copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"spec": spec}))
    assert_complaint(zoo_here("predict", copy, copy / "test.png", copy / "run.json"), "does not go with its run.json")


@pytest.mark.parametrize("files", [None, ["x"], {"../x": "0"}, {"a\\b": "0"}, {"..": "0"}, {"": "0"}, {"x": 7}])
def test_names_of_files_that_are_none(files, copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"files": files}))
    with pytest.raises(UserError, match="is damaged: its recipe, data, files or labels are not what fit writes"):
        opened(copy)


def test_a_file_that_is_missing_or_of_another_time(copy):
    record = json.loads((copy / "run.json").read_text())
    for name, words in (("my words.txt", "my words.txt is missing or is no text"), ("run.json", "is not the one that")):
        (copy / "run.json").write_text(json.dumps(record | {"files": {name: "0" * 12}}))
        with pytest.raises(UserError, match=words):
            opened(copy)
    del record["files"]  # as a run of an earlier version
    (copy / "run.json").write_text(json.dumps(record))
    assert opened(copy).source.labels == record["labels"]


def test_parts_of_a_record_of_the_wrong_type(copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"spec": {"input_shape": [8, True, 1], "classes": 10}}))
    assert_complaint(zoo_here("evaluate", copy), "is damaged")
    lacking = {name: value for name, value in record.items() if name != "summary"}
    (copy / "run.json").write_text(json.dumps(lacking | {"title": -1}))
    assert zoo_here("runs", "--logs", copy.parent).returncode == 0


def test_what_is_passed_from_python(run):
    picture = f"{run[0]}/features/sprites.png"
    (one,), (same,) = predict(run[0], picture), predict(run[0], [Path(picture)])
    assert one == same
    for wrong, words in (([None], "a file came as None"), ([""], "a file came as ''")):
        with pytest.raises(UserError, match=words):
            predict(run[0], wrong)
    for field in ({"top": 0}, {"top": 1.5}, {"top": "3"}, {"beam": 3}):
        with pytest.raises(UserError, match="cannot be asked that"):
            predict(run[0], [picture], **field)
    with pytest.raises(UserError, match="no run at nowhere"):
        predict("nowhere", [picture])  # at once, and not when the first answer is wanted


def built(build, recipe: Recipe, tmp_path):
    def mine(input_shape, classes):
        """Of the test."""
        return build(input_shape, classes)

    return fit(replace(recipe, model=mine), logs=tmp_path)


def test_a_sequential_network(recipe, tmp_path):
    def build(input_shape, classes):
        layers = [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes, name="logits")]
        return keras.Sequential(layers)

    run = built(build, recipe, tmp_path)
    assert evaluate(run)["examples"] == 360
    assert np.isfinite(opened(run).model.get_weights()[0]).all()


class Own(keras.Model):
    """A network whose graph nobody can see."""


def flat(input_shape):
    inputs = keras.Input(input_shape)
    return inputs, keras.layers.Flatten()(inputs)


def coded(input_shape, classes):
    inputs, x = flat(input_shape)
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Lambda(lambda x: 2 * x)(x)))


def named(input_shape, classes):
    inputs, x = flat(input_shape)
    return keras.Model(inputs, {"a": keras.layers.Dense(classes)(x)})


def uneven(input_shape, classes):
    inputs, x = flat(input_shape)
    return keras.Model(inputs, [keras.layers.Dense(classes)(x), keras.layers.Dense(3)(x)])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda *spec: None, "its builder returned NoneType: wanted a functional keras.Model"),
        (lambda *spec: Own(), "its builder returned Own"),
        (lambda *spec: keras.Sequential([keras.layers.Dense(3)]), "its builder returned Sequential"),
        (coded, "is a Lambda layer, whose code is never loaded from a file"),
        (named, "wanted one, or auxiliary heads of the same shape"),
        (uneven, "wanted one, or auxiliary heads of the same shape"),
    ],
)
def test_networks_that_cannot_be_trained_here(build, words, recipe, tmp_path):
    with pytest.raises(UserError, match=f"mine cannot be built: .*{words}"):
        built(build, recipe, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_arguments_that_a_builder_lacks(recipe, tmp_path):
    def other(shape, labels):
        """Of other names."""

    with pytest.raises(UserError, match="it has no argument classes, input_shape: the data give input_shape, classes"):
        fit(replace(recipe, model=other), logs=tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"epochs": "3"}, "epochs came as '3', a str"),
        ({"epochs": 1.5}, "epochs came as 1.5, a float"),
        ({"xla": "maybe"}, "xla came as 'maybe'"),
        ({"name": 3}, "name came as 3, a int"),
        ({"optimizer": "adam"}, "optimizer came as 'adam'"),
        ({"precision": "float8"}, "precision came as 'float8'"),
    ],
)
def test_settings_of_wrong_types(field, words, recipe):
    with pytest.raises(UserError, match=words):
        replace(recipe, **field)


def test_callbacks_of_wrong_types(recipe, tmp_path):
    with pytest.raises(UserError, match=r"is not a keras\.callbacks\.Callback"):
        fit(recipe, logs=tmp_path / "logs", callbacks=[keras.callbacks.Callback])
    assert not (tmp_path / "logs").exists()


def test_memory_that_runs_out_is_no_damage(run, monkeypatch):
    def full(*given, **named):
        raise MemoryError

    monkeypatch.setattr(keras.saving, "load_model", full)
    with pytest.raises(MemoryError):
        runs.Run(Path(run[0])).model()


STRANGE = "nobodys_module.Feature"  # a class that does not exist


@pytest.fixture
def imported(monkeypatch) -> list[str]:
    """The names of all modules that were asked for meanwhile."""
    names, load = [], importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *more: names.append(name) or load(name, *more))
    return names


@pytest.mark.parametrize("name", ["mnist", "mnist:9.9.9", "mnist:3.0.1", "py_docs"])
def test_no_description_on_disk_decides_what_is_imported(name, tmp_path, imported):
    folder = tmp_path / name.partition(":")[0] / (name.partition(":")[2] or "3.0.1")
    folder.mkdir(parents=True)
    info = {"name": folder.parent.name, "version": folder.name, "features": {"pythonClassName": STRANGE}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text(json.dumps({"pythonClassName": STRANGE}))
    with pytest.raises(UserError, match=rf"names the class '{STRANGE}'.*it is not read"):
        known_builder(name, tmp_path, "digits")
    assert not [module for module in imported if module.startswith("nobodys_module")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("huggingface:mnist", "no data set is called"),
        ("kaggle:mnist", "no data set is called"),
        ("mnist/data_dir=elsewhere", "no data set is called"),
        ("mnist/x/data_dir=elsewhere", "no data set is called"),
        ("mnist/../emnist", "no data set is called"),
        ("mnist\n", "no data set is called"),
        ("Mnist", "no data set is called"),
        ("mnist:9.9.9", "TFDS refuses: .*9.9.9"),
        ("emnist/none", "TFDS refuses: .*none"),
        ("mnist:experimental_latest", "no data set is called"),
        ("cifar10_n", "is not read here"),
    ],
)
def test_names_of_sets_that_are_not_in_the_code(name, words, tmp_path):
    with pytest.raises(UserError, match=words):
        known_builder(name, tmp_path, "digits")
    assert not list(tmp_path.iterdir())


def inner(described: dict, *path: str) -> dict:
    """A part of a description."""
    for key in path:
        described = described[key]
    return described


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("features.json", lambda d: d.update(pythonClassName=STRANGE), f"names the class '{STRANGE}'"),
        ("features.json", lambda d: d["featuresDict"]["features"].pop("label"), "other features than the code"),
        ("features.json", lambda d: d["featuresDict"].update(features=[]), "is damaged|other features"),
        (
            "features.json",
            lambda d: inner(d, "featuresDict", "features", "image", "image").update(dtype="float32"),
            "other features than the code",
        ),
        ("dataset_info.json", lambda d: d.update(name="other"), "is of 'other'"),
        ("dataset_info.json", lambda d: d.update(fileFormat="array_record"), "as files of .*ARRAY_RECORD"),
        (
            "dataset_info.json",
            lambda d: d["splits"][0].update(filepathTemplate="../{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"),
            "has its examples elsewhere",
        ),
    ],
)
def test_a_prepared_set_that_is_not_as_the_code_would_have_prepared_it(file, change, words, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "digits")
    (path,) = (tmp_path / "digits").rglob(file)
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))
    with pytest.raises(UserError, match=words):
        builder_of(Digits, tmp_path)


@pytest.fixture
def prepared(data_directory) -> Path:
    """The folder in which digits are."""
    assert Images(directory=data_directory).count("train")
    return data_directory / "digits"


@pytest.mark.parametrize("claimed", [10, 1_000_000])
def test_a_prepared_set_that_claims_another_number_of_examples(claimed, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "digits")
    (path,) = (tmp_path / "digits").rglob("dataset_info.json")
    info = json.loads(path.read_text())
    info["splits"][0]["shardLengths"] = [str(claimed)]
    path.write_text(json.dumps(info))
    builder = builder_of(Digits, tmp_path)
    with pytest.raises(UserError, match="is damaged: delete it"):
        list(examples(builder, info["splits"][0]["name"], "label", batch=7))


def test_a_run_does_not_say_where_folders_are_made(copy, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared.parent))
    record = json.loads((copy / "run.json").read_text())
    record["recipe"]["data"]["directory"] = str(tmp_path / "made")
    (copy / "run.json").write_text(json.dumps(record))
    assert evaluate(copy)["examples"] == 360
    assert not (tmp_path / "made").exists()
    there = Images(directory=prepared.parent)
    assert at_home(there) is there


def test_modules_in_the_current_folder_are_not_imported(tmp_path, data_directory):
    (tmp_path / "difflib.py").write_text("raise SystemExit('not ours')")
    done = subprocess.run(
        [sys.executable, "-m", "zoo"], check=False, cwd=tmp_path, env=environment(data_directory), capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
