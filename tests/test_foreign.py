"""What others send, and networks and settings that do not fit: nothing is written elsewhere, nothing surprises late."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_complaint

from zoo.data import Images
from zoo.errors import UserError, printable
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
    record = json.loads((copy / "run.json").read_text())
    record["labels"] = [f"\x1b[2J{label}\n" for label in record["labels"]]
    (copy / "run.json").write_text(json.dumps(record))
    done = zoo_here("predict", copy, copy / "features" / "sprites.png")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("spec", [{}, {"classes": 10}, {"input_shape": None, "classes": 10}, {"input_shape": "x"}])
def test_a_record_that_does_not_go_with_its_network(spec, copy, zoo_here):
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"spec": spec}))
    assert_complaint(zoo_here("predict", copy, copy / "test.png", copy / "run.json"), "does not go with its run.json")


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
