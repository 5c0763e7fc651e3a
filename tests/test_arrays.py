"""Arrays and datasets in memory, and Keras' losses, metrics and optimizers, go through fit, evaluate and predict."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, assert_complaint

from zoo.data import Arrays
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.predict import predict
from zoo.tasks import Classification
from zoo.training import Recipe

RANDOM = np.random.default_rng(0)
Y = np.arange(150) % 3
X = (RANDOM.normal(size=(150, 4)) + 3 * np.eye(4)[Y]).astype("float32")


def sequential(input_shape, classes, *, units: int = 8):
    """A Sequential network, as many write it."""
    layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(classes, name="logits")]
    return keras.Sequential([keras.Input(input_shape), *layers])


RECIPE = Recipe(
    name="own",
    model=sequential,
    data=Arrays(X, Y, names=("a", "b", "c"), batch=16),
    task=Classification(),
    epochs=4,
    loss=keras.losses.CategoricalFocalCrossentropy(from_logits=True),
    metrics=(keras.metrics.TopKCategoricalAccuracy(2, name="top_2"),),
    optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    seen = []
    say = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_top_2"]))
    made = fit(RECIPE, logs=tmp_path_factory.mktemp("logs"), callbacks=[say])
    assert len(seen) == 4
    return made


def test_goes_through_all_verbs(run, zoo_here, tmp_path):
    assert evaluate(run, source=RECIPE.data)["accuracy"] > 0.9
    answers = list(predict(run, X[:3], top=2))
    assert [answer["top"][0]["label"] for answer in answers] == ["a", "b", "c"]
    assert [answer["example"] for answer in answers] == [0, 1, 2]
    np.save(tmp_path / "one.npy", X[1])
    np.save(tmp_path / "two.npy", X)
    done = zoo_here("predict", run.path, tmp_path / "one.npy", tmp_path / "two.npy")
    assert done.stdout.splitlines()[0].startswith(f"{tmp_path / 'one.npy'}\tb ")
    assert "came as float32 (150, 4)" in done.stdout
    assert_complaint(zoo_here("evaluate", run.path), "a run keeps no arrays", "source=Arrays")
    with pytest.raises(UserError, match="have changed"):
        evaluate(run, source=Arrays(X + 1, Y, names=("a", "b", "c")))


def test_a_stopped_run_goes_on_in_python(run, zoo_here, tmp_path):
    stopped = shutil.copytree(run.path, tmp_path / "stopped")
    (stopped / "summary.json").unlink()
    assert_complaint(zoo_here("fit", stopped), "a run keeps no arrays: go on in Python")


def test_the_page_does_what_it_says(tmp_path, monkeypatch, capsys):
    """The example of docs/extend.md, as it stands there."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8").split("\n## Arrays\n")[1]
    exec(text.split("```python\n")[1].split("```")[0], {"__name__": "page"})
    accuracy, answers = capsys.readouterr().out.splitlines()[-2:]
    assert float(accuracy) > 0.8
    assert answers.count("label") == 3


def test_what_the_record_says(run):
    recipe = run.record["recipe"]
    assert recipe["loss"] == {"is": "keras.CategoricalFocalCrossentropy"} | recipe["loss"]
    assert recipe["optimizer"]["learning_rate"]["config"]["initial_learning_rate"] == 0.05
    assert recipe["data"]["x"]["shape"] == [150, 4]
    assert len(json.dumps(recipe)) < 4000
    assert "x is float32 (150, 4)" in "\n".join(run.record["understood"])
    assert fit(RECIPE, logs=run.path.parent) == run


def test_the_id_follows_from_all_of_it():
    again = replace(
        RECIPE,
        loss=keras.losses.CategoricalFocalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)),
    )
    assert again.id() == RECIPE.id()
    others = [
        replace(RECIPE, loss=None),
        replace(RECIPE, loss=keras.losses.CategoricalFocalCrossentropy(gamma=3.0, from_logits=True)),
        replace(RECIPE, optimizer=keras.optimizers.Adam(0.05)),
        replace(RECIPE, metrics=()),
        replace(RECIPE, data=Arrays(X + 1, Y, names=("a", "b", "c"), batch=16)),
        replace(RECIPE, data=Arrays(X, Y, X_Y, X_Y, names=("a", "b", "c"), batch=16)),
    ]
    assert len({recipe.id() for recipe in (RECIPE, *others)}) == 7


X_Y = (X[:30], Y[:30])


@pytest.mark.parametrize(
    "y", [Y, np.array(["a", "b", "c"])[Y], np.eye(3)[Y], np.uint8(Y)], ids=["numbers", "names", "one-hot", "bytes"]
)
def test_forms_of_classes(y):
    source = Arrays(X, y)
    assert source.labels == (["a", "b", "c"] if y.dtype.kind == "U" else ["0", "1", "2"])
    assert {split: source.count(split) for split in source.splits} == {"train": 120, "validation": 15, "test": 15}
    together = np.concatenate([source.arrays(split)[0] for split in source.splits])
    assert {row.tobytes() for row in together} == {row.tobytes() for row in X}
    assert np.bincount(source.arrays("test")[1]).tolist() == [5, 5, 5]
    inputs, targets = next(iter(source.load("test")))
    assert (inputs.shape, targets.shape) == ((15, 4), (15, 3))


def test_given_splits():
    source = Arrays(X, Y, validation=X_Y, test=X_Y)
    assert [source.count(split) for split in source.splits] == [150, 30, 30]
    assert "by chance" not in " ".join(source.understood)
    assert "validation was drawn" in " ".join(Arrays(X, Y, test=X_Y).understood)


def test_datasets():
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    for given in (data, data.batch(16), data.batch(15, drop_remainder=True)):
        read = Arrays.of(given, validation=data.take(30))
        np.testing.assert_array_equal(read.x, X)
        np.testing.assert_array_equal(read.y, Y)
        assert read.count("validation") == 30
    with pytest.raises(UserError, match="endless"):
        Arrays.of(data.repeat())
    named = Arrays.of(tf.data.Dataset.from_tensor_slices((X[:2], ["b", "a"])))
    assert named.labels == ["a", "b"]


def test_what_is_no_data():
    for given, said in {
        "NaN": ((X / 0, Y), "NaN or infinity"),
        "lengths": ((X, Y[:3]), "150 examples, but 3 classes"),
        "numbers": ((X, Y + 0.5), "wanted a whole number"),
        "below 0": ((X, Y - 1), "wanted a whole number"),
        "objects": ((X.astype(object), Y), "wanted numbers"),
        "other shape": ((X, Y, (X[:, :3], Y)), "but those of x"),
    }.values():
        with np.errstate(all="ignore"), pytest.raises(UserError, match=said):
            Arrays(*given)
    with pytest.raises(UserError, match="there are 2 classes"):
        Arrays(X, Y, names=("a", "b")).arrays("train")
    pictures = Arrays(RANDOM.random((20, 8, 8, 1)), np.arange(20) % 2)
    assert "from 0 to 1 look black" in " ".join(pictures.understood)


def test_probabilities_are_refused():
    with pytest.raises(UserError, match="from_logits=True"):
        replace(RECIPE, loss=keras.losses.CategoricalCrossentropy())
    with pytest.raises(UserError, match="top_k=1"):
        replace(RECIPE, metrics=[keras.metrics.Precision()])
    replace(RECIPE, metrics=[keras.metrics.Precision(top_k=1)])

    def probable(input_shape, classes):
        x = keras.Input(input_shape)
        return keras.Model(x, keras.layers.Dense(classes, "softmax")(x))

    with pytest.raises(UserError, match="is a softmax, which the loss does by itself"):
        fit(replace(RECIPE, model=probable), logs="logs")


def test_a_loss_that_takes_other_targets(tmp_path):
    recipe = replace(RECIPE, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(UserError, match="does not take targets like the task's"):
        fit(recipe, logs=tmp_path)
    with pytest.raises(UserError, match="optimizer came as 'adam'"):
        replace(RECIPE, optimizer="adam")
