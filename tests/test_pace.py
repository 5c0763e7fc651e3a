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
    assert 1 < planned <= 6  # 0.5 s each and more
    assert len(run.history) == planned
    assert f"0.05 minutes are about {planned * 10} steps: {planned} epochs" in capsys.readouterr().out
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


def test_what_is_said_of_a_long_training(monkeypatch, capsys):
    clock = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    left = Left(steps=100, epochs=40)
    left.set_params({"steps": 100})
    for epoch in range(3):
        left.on_epoch_begin(epoch)
        for batch in range(100):
            clock[0] += 20 if epoch == batch == 0 else 0.2  # the first step compiles
            left.on_train_batch_end(batch)
    assert [line for line in capsys.readouterr().out.splitlines() if line] == [
        "about 13 min left, and a little more for validation",
        "epoch 2 of 40: about 13 min left",
    ]


def test_short_epochs(monkeypatch, capsys):
    """An epoch that ends before its steps were timed long enough is timed as a whole."""
    clock = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    left = Left(steps=10, epochs=200)
    left.set_params({"steps": 10})
    for epoch in range(100):
        left.on_epoch_begin(epoch)
        for batch in range(10):
            clock[0] += 0.1
            left.on_train_batch_end(batch)
    said = [line for line in capsys.readouterr().out.splitlines() if line]
    assert said[0] == "epoch 2 of 200: about 3 min left"
    assert len(said) == 2  # after a minute once more


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
