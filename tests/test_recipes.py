"""Every recipe's whole path on tiny data: fit, resume, evaluate, predict."""

import dataclasses
import json
from functools import partial

import keras
import pytest

from zoo.data import Augment, Images
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.models.inception import tower
from zoo.models.resnet import VARIANTS as RESNETS
from zoo.models.vit import VARIANTS as VITS
from zoo.opened import kinds
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.training import Optimizer, devices
from zoo.training.loop import build
from zoo.training.recipe import plain, revive


def small(recipe, tiny, data_directory, **changes):
    """The recipe on the tiny pictures, everything else as it is."""
    size = recipe.data.size or (32, 32)
    data = dataclasses.replace(recipe.data, name="digits", folder=tiny, directory=data_directory, size=size, batch=16)
    return dataclasses.replace(recipe, data=data, epochs=2, **changes)


# The same seed gives the same bits: each kind of layer, and auxiliary heads.
REPEATED = ("cnn", "googlenet", "resnet20", "vit-cifar10")


FEWER = {
    "bigmodel": {"filters": (4, 8), "units": 16},
    "alexnet": {"units": 16},
    "vgg11": {"units": 16},
    "xception": {"middle": 1},
}


@pytest.fixture
def little(request, monkeypatch):
    """Makes networks with a few narrow layers; whole ones are built, run and taught in test_models.py."""
    if request.getfixturevalue("name") not in REPEATED:  # the pictures after an epoch are the same for all
        request.getfixturevalue("unshown")
    monkeypatch.setitem(RESNETS, "resnet20", RESNETS["resnet20"]._replace(blocks=(1, 1, 1)))
    monkeypatch.setitem(RESNETS, "resnet50", RESNETS["resnet50"]._replace(blocks=(1, 1, 1, 1)))
    monkeypatch.setitem(VITS, "micro", VITS["micro"]._replace(width=16, depth=1, heads=2))
    monkeypatch.setattr(
        "zoo.models.inception.MODULES", dict.fromkeys(("3a", "4a", "4d", "5a"), (32, 16, 32, 16, 32, 32))
    )
    monkeypatch.setattr("zoo.models.inception.tower", lambda x, name, steps: tower(x, name, steps[-1:]))

    def narrow(wide, channels, *args, **options):
        return wide(max(1, channels // 16), *args, **options)

    if request.getfixturevalue("name").startswith(("googlenet", "inception", "resnet50", "vgg", "xception")):
        for kind in ("Conv2D", "SeparableConv2D"):
            monkeypatch.setattr(keras.layers, kind, partial(narrow, getattr(keras.layers, kind)))


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Images)])
def test_whole_path(name, tiny, data_directory, tmp_path, capsys):
    """All that a recipe says of task, method, optimizer, precision and augmentation, with a network of its kind."""
    recipe = small(RECIPES[name], tiny, data_directory)
    recipe = dataclasses.replace(recipe, model=partial(recipe.model, **FEWER.get(name.removesuffix("-cifar10"), {})))
    run = fit(recipe, logs=tmp_path)
    assert [epoch["epoch"] for epoch in run.history] == [1, 2]
    assert run.summary["epochs"] == 2
    if "-" not in name:  # the others are networks of these, which answer in no other way
        report = evaluate(run)
        assert report["examples"] == 6
        assert 0 <= report["accuracy_low"] <= report["accuracy"] <= report["accuracy_high"] <= 1
        (answer,) = predict(run, [tiny / "class0" / "0.png"], top=3)
        assert sum(seen["probability"] for seen in answer["top"]) == pytest.approx(1)
        assert {seen["label"] for seen in answer["top"]} == {"class0", "class1", "class2"}
    assert fit(recipe, logs=tmp_path) == run
    assert "finished already" in capsys.readouterr().out
    if name in REPEATED:
        beside = fit(recipe, logs=tmp_path, fresh=True)
        assert beside.path.name == f"{run.path.name}-2"
        assert beside.history == run.history


@pytest.mark.parametrize("name", ["gpt", "rnn"])
def test_preparing_the_data_changes_no_weight(name, tmp_path):
    """To prepare them draws numbers, which the second fit of a person does not do."""
    weights = []
    for _ in range(2):
        devices.configure(seed=0, precision="float32")
        recipe = RECIPES[name]
        weights.append(build(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, directory=tmp_path))))
    first, second = (model.get_weights() for model in weights)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(first, second, strict=True))


def test_cnn_fashion_is_as_small_as_it_says():
    assert RECIPES["cnn-fashion"].model((28, 28, 1), 10).count_params() == 96_154


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_written_and_read_back(name):
    recipe = RECIPES[name]
    record = json.loads(json.dumps(recipe.record()))
    assert revive(kinds()["source"][record["data"]["is"]], record["data"]) == recipe.data
    assert revive(kinds()["task"][record["task"]["is"]], record["task"]) == recipe.task
    assert revive(Optimizer, record["optimizer"]) == recipe.optimizer
    assert record["model"] == plain(recipe.model)


def test_id_changes_with_every_leaf_that_decides(data_directory):
    recipe = RECIPES["cnn"]
    changes = [
        {"seed": 1},
        {"epochs": 3},
        {"data": dataclasses.replace(recipe.data, augment=Augment(flip=True))},
    ]
    ids = {dataclasses.replace(recipe, **change).id() for change in changes} | {recipe.id()}
    assert len(ids) == 4
    elsewhere = dataclasses.replace(recipe.data, directory=data_directory)
    assert dataclasses.replace(recipe, data=elsewhere).id() == recipe.id()
