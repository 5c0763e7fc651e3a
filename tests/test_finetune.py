"""Fine-tuning: what is frozen stays, what is thawed learns, and a run comes out."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from PIL import Image

from zoo.data import Images
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import finetune, recipe_for, transferred
from zoo.fit import fit
from zoo.models import bigmodel, resnet
from zoo.predict import predict
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe, Run, Thaw

pytestmark = pytest.mark.usefixtures("unshown")


@pytest.fixture(scope="module")
def base(data_directory, tmp_path_factory) -> Run:
    """A network with batch normalisation, and the classes 0 to 4."""
    data = Images(directory=data_directory, only=tuple("01234"), size=(8, 8))
    model = partial(bigmodel, filters=(16, 32), units=64, batch_normalization=True)
    recipe = Recipe("base", model, data, Classification(), epochs=2)
    return fit(recipe, logs=tmp_path_factory.mktemp("base"))


@pytest.fixture
def data(data_directory) -> Images:
    return Images(directory=data_directory, only=tuple("567"), size=(8, 8), limit=30, batch=16)


def tune(base: Run, data: Images, logs: Path, **settings) -> Run:
    return fit(replace(recipe_for(base), data=data, **settings), logs=logs)


class Watch(keras.callbacks.Callback):
    """Keeps all weights as they are after each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_train_begin(self, logs=None):
        self.on_epoch_end(-1)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append({layer.name: layer.get_weights() for layer in self.model.layers if layer.weights})


def moved(before: dict, after: dict) -> set[str]:
    """The layers any of whose weights, moving statistics too, are no longer the same."""
    same = {n for n in before if all(np.array_equal(a, b) for a, b in zip(before[n], after[n], strict=True))}
    return set(before) - same


def test_thaws_from_the_head_down(base, data, tmp_path):
    watch, method = Watch(), Thaw(frozen=2, groups=2)
    recipe = replace(recipe_for(base), data=data, epochs=4, method=method, optimizer=Optimizer(schedule="constant"))
    fit(recipe, logs=tmp_path, callbacks=[watch])
    begun, *after = watch.epochs
    trained = {layer.name: layer.get_weights() for layer in base.model().layers if layer.weights}
    assert moved({n: w for n, w in begun.items() if n != "logits"}, trained) == set()
    assert moved(begun, after[0]) == {"logits"}
    assert moved(after[0], after[1]) == {"logits"}
    body = [layer.name for layer in base.model().layers if layer.weights and layer.name != "logits"]
    assert moved(after[1], after[2]) == {"logits", *body[len(body) // 2 :]}
    assert moved(after[2], after[3]) == {"logits", *body}


def test_lower_parts_learn_slower():
    """One step of plain descent: the rate of a layer is its step over its gradient."""
    model = bigmodel((8, 8, 1), 3, filters=(2, 2), units=4)
    chosen = Optimizer("sgd", rate=1.0, schedule="constant")
    optimizer = Thaw(groups=3, decay=0.5).optimizer(chosen, model, steps=10, epochs=1)
    before = [v.numpy() for v in model.trainable_variables]
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(1000)  # long after all had thawed
    optimizer.apply([keras.ops.ones_like(v) for v in model.trainable_variables], model.trainable_variables)
    steps = {v.path: float((old - v.numpy()).mean()) for v, old in zip(model.trainable_variables, before, strict=True)}
    expected = {"logits": 1.0, "dense": 0.5, "stage2_conv": 0.25, "stage1_conv": 0.125}
    for path, step in steps.items():
        assert step == pytest.approx(expected[path.split("/")[0]], rel=1e-3), path


def test_a_thawed_part_begins_gently():
    """Adam's correction for its young moments counts all steps; right after a thaw it must not make large ones."""
    model = bigmodel((8, 8, 1), 3, filters=(2, 2), units=4)
    chosen = Optimizer("adamw", rate=1e-2, schedule="constant", weight_decay=0.5)
    optimizer = Thaw(frozen=3, groups=1, decay=0.5).optimizer(chosen, model, steps=100, epochs=1)
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(300)
    body = [v for v in model.trainable_variables if "logits" not in v.path]
    before = [v.numpy() for v in body]
    for step in range(1, 4):
        optimizer.apply([keras.ops.ones_like(v) for v in body], body)
        moved = max(float(np.abs(v.numpy() - old).max()) for v, old in zip(body, before, strict=True))
        assert moved < step * 1e-2 * 0.5  # no more than the rate of the part allows, and no decay


def test_a_run_like_any_other(base, data, tmp_path, capsys):
    settings = {"epochs": 8, "method": Thaw(frozen=1), "optimizer": Optimizer("adamw", rate=5e-3, warmup=0.1)}
    run = tune(base, data, tmp_path, **settings)
    assert run.path.name.startswith("finetuned-base-")
    assert run.record["labels"] == ["5", "6", "7"]
    assert evaluate(run)["accuracy"] > 0.5
    assert tune(base, data, tmp_path, **settings) == run
    assert "finished already" in capsys.readouterr().out
    again = tune(run, data, tmp_path, epochs=1, method=Thaw(frozen=1, groups=2))  # and it can be tuned further
    assert again.path.name.startswith("finetuned-finetuned-base-")


def test_colour_for_a_grey_base_and_the_other_way(base, data_directory, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            shade = (40 * (name == "b") + number, 200, 30)
            Image.new("RGB", (8, 8), shade).save(tmp_path / "pictures" / name / f"{number}.png")
    data = Images(folder=tmp_path / "pictures", directory=data_directory, size=(8, 8), batch=4)
    run = tune(base, data, tmp_path / "logs", epochs=1)
    assert run.record["spec"]["input_shape"] == [8, 8, 3]
    grey = Images(directory=data_directory, only=tuple("567"), size=(8, 8), limit=30)
    back = tune(run, grey, tmp_path / "logs", epochs=1)
    assert back.record["spec"]["input_shape"] == [8, 8, 1]
    (answer,) = predict(back, [tmp_path / "pictures" / "a" / "1.png"])
    assert answer["top"][0]["label"] in ("5", "6", "7")


def test_published_network_of_another_scaling():
    """Caffe's order of channels is an operation, not a layer: it stays in front of the body."""
    trained = resnet((32, 32, 3), 4, variant="resnet18", scaling="caffe")
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype("float32")
    body = keras.Model(trained.input, trained.get_layer("logits").input)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.transfer.load", lambda base, weights, size: trained)
        tuned = transferred((32, 32, 1), 3, base="resnet18")
    inside = keras.Model(tuned.input, tuned.get_layer("logits").input)
    np.testing.assert_allclose(inside(x), body(np.repeat(x, 3, -1)), rtol=1e-5, atol=1e-5)


def test_precision_is_that_of_the_recipe(base, data, tmp_path):
    run = tune(base, data, tmp_path, epochs=1, precision="mixed_bfloat16")
    assert run.model().get_layer("stage1_conv").compute_dtype == "bfloat16"


def test_what_cannot_be_tuned(base, data, data_directory, tmp_path):
    with pytest.raises(UserError, match=r"pictures are 9x8 pixels, but .* was trained on 8x8: give --data.size 8 8"):
        finetune(base, Images(directory=data_directory, size=(9, 8)), logs=tmp_path)
    with pytest.raises(UserError, match="no run at nowhere"):
        finetune("nowhere", data, logs=tmp_path)
    with pytest.raises(UserError, match=r"resnet50 is a published network and not a run: .* --weights imagenet"):
        finetune("resnet50", data, logs=tmp_path)
    with pytest.raises(ValueError, match=r"--method\.frozen came as -1"):
        Thaw(frozen=-1)
    with pytest.raises(ValueError, match=r"--method\.decay came as 2"):
        Thaw(decay=2)


def test_changed_base(base, data, tmp_path):
    copy = Run(shutil.copytree(base.path, tmp_path / "copy"))
    run = tune(copy, data, tmp_path / "logs", epochs=1)
    before, kept = replace(recipe_for(copy), data=data), recipe_for(copy).id()
    model = copy.model()
    model.get_layer("logits").bias.assign_add([1.0] * 5)
    model.save(copy.path / "model.keras")
    assert recipe_for(copy).id() == kept  # the head is made anew
    kernel = next(layer for layer in model.layers if layer.weights).kernel
    kernel.assign(2 * kernel)
    model.save(copy.path / "model.keras")
    again = tune(copy, data, tmp_path / "logs", epochs=1)
    assert again.path != run.path  # other weights are another recipe
    with pytest.raises(UserError, match="has changed since this run was started: type the command again"):
        fit(before, logs=tmp_path / "more")  # such as that of a base which is still being trained


def test_command(base, tmp_path, zoo_command, zoo_here):
    words = ("--data.only", "8", "9", "--data.limit", "20", "--epochs", "2", "--method.frozen", "1", "--logs", tmp_path)
    done = zoo_command("finetune", base.path, *words)
    assert done.returncode == 0, done.stderr
    assert "retracing" not in done.stderr
    run = Run(next(path for path in tmp_path.iterdir() if path.is_dir()))
    assert run.record["command"].startswith("python -m zoo.finetune ")
    assert zoo_here("evaluate", run.path).returncode == 0
    for same in (f"{base.path}/", base.path):
        done = zoo_here("finetune", same, *words)
        assert "finished already" in done.stdout, done.stdout
    assert_complaint(zoo_here("finetune", base.path), "without data to learn: give --data.name or --data.folder")
    assert_complaint(zoo_here("finetune", base.path, "--data.only", "8"), "two or more different ones")
    assert_complaint(zoo_here("finetune", "--epochs", "2"), "--epochs came before a run")
    assert_complaint(zoo_here("finetune", base.path, "--data.only", "8", "x"), "--data.only came as 8 x", "0, 1, 2")
    assert zoo_here("finetune").returncode == 2
