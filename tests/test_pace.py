"""How long a training takes: said while it runs, and set by --minutes."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

from zoo.data import Arrays
from zoo.errors import UserError
from zoo.fit import fit
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe, Run, pace
from zoo.training.pace import Left


def dropping(input_shape, classes):
    """With dropout, whose seed must not move while steps are timed."""
    x = keras.Input(input_shape)
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, "relu")(x))
    return keras.Model(x, keras.layers.Dense(classes, name="logits")(hidden))


Y = np.arange(100) % 2
RECIPE = Recipe(
    name="timed",
    model=dropping,
    data=Arrays(np.eye(4, dtype="float32")[Y], Y, batch=8),
    task=Classification(),
    optimizer=Optimizer(rate=0.01),
)


@pytest.fixture
def brief(monkeypatch):
    """Steps are timed for a moment only."""
    monkeypatch.setattr(pace, "TIMED", 0.01)


def test_minutes_set_the_epochs_once(tmp_path, brief, capsys):
    recipe = replace(RECIPE, minutes=0.05)
    run = fit(recipe, logs=tmp_path)
    planned = json.loads((run.path / "plan.json").read_text())["epochs"]
    assert 1 <= planned <= 6  # 0.5 s each and more
    assert len(run.history) == planned
    assert f"0.05 minutes are about {planned * 10} steps: {planned} epoch" in capsys.readouterr().out
    # From then on it is the training of so many epochs, bit for bit.
    plain = fit(replace(RECIPE, epochs=planned), logs=tmp_path)
    assert plain.history == run.history
    assert replace(RECIPE, epochs=10).id() == RECIPE.id() != recipe.id()


def test_a_resumed_run_has_as_many(tmp_path, brief):
    model, run = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), Run(tmp_path)
    (tmp_path / "plan.json").write_text('{"epochs": 7}')
    assert pace.epochs_of(model, run, 0.1, train=None, validation=None, steps=3) == 7
    (tmp_path / "plan.json").write_text('{"epochs": "7"}')
    with pytest.raises(UserError, match=r"plan.json is damaged"):
        pace.epochs_of(model, run, 0.1, train=None, validation=None, steps=3)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_minutes_that_are_none(minutes):
    with pytest.raises(ValueError, match="--minutes came as"):
        replace(RECIPE, minutes=minutes)


MORE = "; `--minutes {0}` trains for about {0} minutes"


@pytest.mark.parametrize(
    ("steps", "epochs", "lines"),
    [
        (100, 40, [f"about 13 min left, and a little more for validation{MORE.format(6)}",
                   "epoch 2 of 40: about 13 min left"]),
        # An epoch that ends before its steps were timed long enough is timed as a whole; after a minute once more.
        (10, 100, ["epoch 2 of 100: about 3 min left", "epoch 32 of 100: about 2 min left"]),
        (10, 450, [f"epoch 2 of 450: about 13 min left{MORE.format(6)}", "epoch 32 of 450: about 14 min left"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_long_training(steps, epochs, lines, monkeypatch, capsys):
    clock = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    left = Left(steps, replace(RECIPE, epochs=epochs))
    left.set_params({"steps": steps})
    for epoch in range(50 if steps < 100 else 3):
        left.on_epoch_begin(epoch)
        for batch in range(steps):
            clock[0] += 20 if epoch == batch == 0 else 0.2  # the first step compiles
            left.on_train_batch_end(batch)
    assert [line for line in capsys.readouterr().out.splitlines() if line] == lines


def test_what_would_be_shorter():
    vit = RECIPES["vit"]
    assert pace.shorter(vit, 299) == ""
    assert pace.shorter(vit, 3600) == f"{MORE.format(10)}, and a smaller `--model.variant` is quicker"
    assert pace.shorter(RECIPE, 3600) == MORE.format(10)  # it has no variants
    assert pace.shorter(replace(vit, minutes=20.0), 3600) == ""


def test_a_resumed_training_is_not_advised(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    left = Left(10, replace(RECIPE, epochs=450), fresh=False)
    left.set_params({"steps": 10})
    for epoch in range(2):
        left.on_epoch_begin(epoch)
        for batch in range(10):
            clock[0] += 0.2
            left.on_train_batch_end(batch)
    assert capsys.readouterr().out == "epoch 2 of 450: about 13 min left\n"


@pytest.mark.parametrize(
    ("losses", "patience", "stopped"),
    [
        ([3, 2, 1, *[4] * 9], 3, 6),
        ([5, 4, 6, 6, 6, 3, *[4] * 14], 5, 11),  # three would have stopped too soon
        ([3, 2, 1, 4, 4], None, None),  # it would have spared nothing
        ([*range(12, 0, -1)], None, None),
    ],
)
def test_epochs_that_patience_would_have_spared(losses, patience, stopped):
    said = pace.spared(RECIPE, [{"val_loss": float(loss)} for loss in losses])
    accuracy = pace.spared(replace(RECIPE, monitor="val_accuracy"), [{"val_accuracy": -loss} for loss in losses])
    assert (said is None) == (accuracy is None) == (patience is None)
    if patience is not None:
        assert f"`--patience {patience}` would have stopped after epoch {stopped} with the same weights" in said
        # Keras' own early stopping agrees.
        stopping = keras.callbacks.EarlyStopping(patience=patience)
        stopping.set_model(keras.Sequential())
        stopping.model.stop_training = False
        stopping.on_train_begin()
        for epoch, loss in enumerate(losses, 1):
            stopping.on_epoch_end(epoch - 1, {"val_loss": loss})
            if stopping.model.stop_training:
                break
        assert (epoch, stopping.best) == (stopped, min(losses))
    assert pace.spared(replace(RECIPE, patience=3), [{"val_loss": float(loss)} for loss in losses]) is None


def test_nothing_is_said_of_a_short_one(tmp_path, capsys):
    fit(replace(RECIPE, epochs=2), logs=tmp_path)
    assert " left" not in capsys.readouterr().out


def test_a_notebook_shows_a_run(tmp_path):
    run = fit(replace(RECIPE, epochs=2, name="shown"), logs=tmp_path)
    shown = run._repr_html_()
    table, picture = shown.split("</table>")
    assert "<th>epochs</th><td>2</td>" in table
    assert len(ElementTree.fromstring(picture.split("</svg>")[0] + "</svg>")) == 2
    record = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(record | {"title": "<script>alert(1)</script>"}))
    again = Run(run.path)
    assert "<script>" not in again._repr_html_()
    (run.path / "run.json").write_text("{}")
    assert Run(run.path)._repr_html_() is None
