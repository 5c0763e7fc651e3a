"""Pruning: the share rises as the paper says, what is 0 stays 0, a network without its channels answers the same."""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from keras import layers, ops

from zoo.data import Arrays, Images
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.models import bigmodel, cnn, mlp, resnet, textcnn
from zoo.models.transformer import transformer_classifier
from zoo.prune import prune, recipe_for
from zoo.tasks import Classification
from zoo.training import Optimizer, Prune, Recipe, Run
from zoo.training.channels import without_zeros
from zoo.training.masks import Smallest, TwoOfFour, WholeChannels, adaptive, kernels_of
from zoo.training.prune import Schedule

pytestmark = pytest.mark.usefixtures("unshown")

SMALL = partial(bigmodel, (8, 8, 1), 3, filters=(4, 8), units=8, batch_normalization=True)


def numbers(model: keras.Model) -> dict[str, np.ndarray]:
    return {kernel.path: ops.convert_to_numpy(kernel) for _, kernel in kernels_of(model)}


def inputs_of(model: keras.Model, count: int = 4) -> np.ndarray:
    random, shape = np.random.default_rng(0), [side or 7 for side in model.input_shape[1:]]
    if model.input.dtype == "int32":
        return random.integers(1, 20, (count, *shape), "int32")
    return random.uniform(0, 255 if len(shape) == 3 else 1, (count, *shape)).astype("float32")


class Holder(keras.Layer):
    """Holds variables, as an optimizer does."""

    def add_variable(self, shape, initializer, dtype, name):
        return self.add_weight(shape, initializer, dtype, trainable=False, name=name)


def updated(masks, *shares: float):
    """The masks after these shares, one after the other, as in a training."""
    masks.create(Holder())
    for share in shares:
        masks.update(ops.convert_to_tensor(share))
        for weight, left in masks.pairs():
            weight.assign(ops.where(left, weight, 0.0))
    return masks


def test_the_share_rises_as_a_cubic():
    schedule = Schedule(share=0.8, begin=10, every=5, times=4)
    due = [step for step in range(60) if schedule.due(ops.convert_to_tensor(step))]
    assert due == [15, 20, 25, 30]
    expected = [0.8 + (0 - 0.8) * (1 - (step - 10) / 20) ** 3 for step in due]  # equation 1
    np.testing.assert_allclose([schedule.at(ops.convert_to_tensor(step)) for step in due], expected, rtol=1e-6)


def test_adaptive_magnitudes():
    """Against equation 1 of Lee 2021, word for word."""
    weights = np.random.default_rng(0).normal(size=50).astype("float32")
    left = np.arange(50) % 5 > 0
    sizes = np.where(left, np.abs(weights), 0)
    expected = [sizes[u] ** 2 / sum(sizes[v] ** 2 for v in range(50) if sizes[v] >= sizes[u]) for u in range(50)]
    scores = adaptive(ops.convert_to_tensor(weights), ops.convert_to_tensor(left))
    np.testing.assert_allclose(scores, np.where(left, expected, -1), rtol=1e-5)


def test_the_smallest_weights():
    model = SMALL()
    before = numbers(model)
    updated(Smallest(model), 0.3, 0.7)
    after = numbers(model)
    total = sum(array.size for array in after.values())
    assert sum(np.count_nonzero(array == 0) for array in after.values()) == round(0.7 * total)
    for path, array in after.items():
        gone, left = np.abs(before[path][array == 0]), np.abs(array[array != 0])
        assert gone.max(initial=0) <= left.min()  # within a kernel it is plain magnitude
    updated(Smallest(model), 1.0 - 1.0 / total)
    assert sum(np.count_nonzero(array) for array in numbers(model).values()) == 1


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_two_of_four(share):
    pixels = keras.Input((8, 8, 6))
    x = layers.Conv2D(8, 3, name="six")(pixels)
    x = layers.Conv2D(4, 3, name="eight")(x)
    x = layers.EinsumDense("abce,ced->abd", (4, 8), name="two")(layers.Reshape((4, 8, 2))(x))
    x = layers.EinsumDense("abc,dc->abd", (4, 4), name="einsum")(x)
    x = layers.LSTM(4, name="lstm")(x)
    model = keras.Model(pixels, layers.Dense(3, name="logits")(x))
    masks = updated(TwoOfFour(model), share / 2, share)
    assert masks.whole == ["six", "two"]
    kernels, cell = numbers(model), "lstm/lstm_cell"
    for name, axis in {
        "eight/kernel": 2,
        "einsum/kernel": 1,
        f"{cell}/kernel": 0,
        f"{cell}/recurrent_kernel": 0,
    }.items():
        array = np.moveaxis(kernels[name], axis, -1)
        assert ((array.reshape(-1, 4) == 0).sum(-1) == 4 * share).all()
    assert (kernels["six/kernel"] != 0).all()
    with pytest.raises(ValueError, match=r"no kernel has inputs in groups of four \(dense"):
        TwoOfFour(mlp((5,), 3, units=(6,)))


def every_way(input_shape=(12, 12, 3), classes: int = 3) -> keras.Model:
    """Everything through which channels can be followed, and some through which they cannot."""
    pixels = keras.Input(input_shape)
    x = layers.Conv2D(8, 3, padding="same", name="first")(pixels)
    x = layers.LeakyReLU()(layers.ZeroPadding2D(1)(x))
    each = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="each")(x)
    x = layers.SeparableConv2D(6, 3, use_bias=False, activation="gelu", name="separable")(each)
    plain = layers.BatchNormalization(scale=False)(layers.Conv2D(4, 3, use_bias=False, name="unscaled")(each))
    x = layers.MaxPooling2D(2)(layers.SpatialDropout2D(0.1)(layers.Concatenate()([x, plain])))
    x = layers.Conv2D(8, 1, activation="sigmoid", name="sigmoid")(x)  # which makes 0.5 of 0
    x = layers.Conv2D(8, 1, activation="relu", name="twice")(x)
    shared = layers.Conv2D(8, 1, activation="relu", name="shared")
    x = layers.Conv2D(8, 1, groups=2, name="grouped")(shared(shared(x)))
    x = layers.Conv2D(8, 1, name="summed")(layers.ReLU()(x)) + x
    x = layers.Flatten()(layers.Conv2D(5, 1, activation="relu", name="flat")(x))
    x = layers.LayerNormalization()(layers.Dense(4, name="normalised")(layers.Dense(6, name="linear")(x)))
    return keras.Model(pixels, layers.Dense(classes, name="logits")(x))


NETWORKS = {
    "every way": (every_way, ["first", "separable", "unscaled", "flat", "linear"]),
    "cnn": (partial(cnn, (28, 28, 1), 10, filters=(4, 8), units=8), ["stage1_conv", "stage2_conv", "features"]),
    "resnet20": (
        partial(resnet, (8, 8, 1), 4),
        [f"stage{stage}_block{block}_conv1" for stage in (1, 2, 3) for block in (1, 2, 3)],
    ),
    "textcnn": (partial(textcnn, 20, 3, width=8, filters=6), ["window3", "window4", "window5"]),
}


@pytest.mark.parametrize(("build", "names"), NETWORKS.values(), ids=NETWORKS)
def test_a_network_without_its_channels_answers_the_same(build, names, tmp_path):
    model, random = build(), np.random.default_rng(1)
    for weight in model.weights:  # no moving mean or bias of 0
        signs = 1 if "variance" in weight.name else random.choice([-1, 1], weight.shape)
        weight.assign(signs * random.uniform(0.05, 0.15, weight.shape))
    masks = updated(WholeChannels(model), 0.3, 0.5)
    assert sorted(masks.names) == sorted(names)
    assert "logits" in masks.whole
    x, smaller = inputs_of(model), without_zeros(model)
    np.testing.assert_allclose(smaller(x), model(x), rtol=1e-5, atol=1e-6)
    assert np.ptp(smaller(x), 0).max() > 0
    sizes = {name: (model.get_layer(name).output.shape[-1], smaller.get_layer(name).output.shape[-1]) for name in names}
    assert all(after == before - math.floor(before / 2) for before, after in sizes.values()), sizes
    kept = without_zeros(smaller)
    assert kept is smaller
    smaller.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), smaller(x))


def test_the_channels_with_the_smallest_kernels_go():
    model = SMALL()
    kernel = model.get_layer("stage1_conv").kernel
    sizes = np.abs(ops.convert_to_numpy(kernel)).sum((0, 1, 2))
    updated(WholeChannels(model), 0.5)
    gone = ~ops.convert_to_numpy(kernel).any((0, 1, 2))
    assert set(np.flatnonzero(gone)) == set(np.argsort(sizes)[:2])
    updated(WholeChannels(model), 0.99)  # one is left in each layer
    assert [layer.filters for layer in without_zeros(model).layers if isinstance(layer, layers.Conv2D)] == [1, 1]


AVERAGED = Optimizer("adam", rate=0.01, ema=0.9, clip=1.0)
PLAIN = Optimizer("sgd", rate=0.1, momentum=0.9)
CASES = {
    "weights, averaged": ("weights", AVERAGED, "mixed_float16", False),
    "weights, compiled": ("weights", PLAIN, "float32", True),
    "2:4": ("2:4", Optimizer("muon", rate=0.01, weight_decay=0.1), "mixed_bfloat16", False),
    "channels, averaged": ("channels", AVERAGED, "mixed_float16", False),
}


@pytest.mark.parametrize(("kind", "optimizer", "precision", "xla"), CASES.values(), ids=CASES)
def test_what_is_0_stays_0(kind, optimizer, precision, xla):
    keras.config.set_dtype_policy(precision)
    model, seen = SMALL(), []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(np.concatenate([array.ravel() == 0 for array in numbers(self.model).values()]))

    model.compile(
        Prune(kind=kind, end=0.25).optimizer(optimizer, model, steps=4, epochs=4),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=xla,
    )
    x, y = inputs_of(model, 16), np.eye(3)[np.arange(16) % 3]
    model.fit(x, y, epochs=4, batch_size=4, verbose=0, callbacks=[Watch()])
    assert all((before <= after).all() for before, after in pairwise(seen))
    assert seen[0].mean() < seen[-2].mean() == seen[-1].mean()  # the first step of float16 overflows
    if kind == "weights":
        assert seen[-1].sum() == round(0.8 * seen[-1].size)
    if optimizer.ema:
        averages = model.optimizer.inner_optimizer._model_variables_moving_average
        for weight, average in zip(model.trainable_variables, averages, strict=True):
            if weight.name == "kernel":
                zero = ops.convert_to_numpy(weight) == 0
                assert (ops.convert_to_numpy(average)[zero] == 0).all()


@pytest.fixture(scope="module")
def base(data_directory, tmp_path_factory) -> Run:
    data = Images(directory=data_directory, only=tuple("0123"), size=(8, 8), limit=60)
    model = partial(bigmodel, filters=(8, 16), units=16, batch_normalization=True)
    optimizer = Optimizer("adamw", rate=3e-3, schedule="plateau")
    recipe = Recipe("base", model, data, Classification(), optimizer=optimizer, epochs=3, patience=3)
    return fit(recipe, logs=tmp_path_factory.mktemp("base"))


def test_a_run_like_any_other(base, tmp_path, capsys):
    run = prune(base, Prune(kind="channels"), logs=tmp_path)
    said = capsys.readouterr().out
    assert "pruning, between 0% and 50% of the training: 50 % of the channels of stage1_conv, " in said
    assert "channels removed: stage1_conv 50.0%, stage2_conv 50.0%, " in said
    assert run.path.name.startswith("pruned-base-")
    reached = run.summary["reached"]
    assert reached["channels removed"] == {"stage1_conv": 0.5, "stage2_conv": 0.5, "dense": 0.5}
    assert run.summary["weights"] == run.model().count_params() < base.summary["weights"] / 2
    assert run.history[-1]["sparsity"] > run.history[0]["sparsity"] > 0
    assert evaluate(run)["accuracy"] > 0.4
    again = prune(run, Prune(sparsity=0.5), logs=tmp_path)  # and what was cut can be pruned
    assert again.path.name.startswith("pruned-base-")
    shares = again.summary["reached"]["sparsity"]
    assert shares["all kernels"] == pytest.approx(0.5, abs=1e-3)
    assert set(shares) == {"all kernels", "stage1_conv", "stage2_conv", "dense", "logits"}
    assert fit(again.path).path == again.path


def test_it_begins_with_what_the_run_knows(base):
    recipe = recipe_for(base)
    model = recipe.model(**recipe.data.spec)
    for ours, theirs in zip(model.get_weights(), base.model().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (recipe.monitor, recipe.patience, recipe.optimizer.schedule) == ("last", 0, "cosine")
    with pytest.raises(UserError, match="has changed since this run was started"):
        partial(recipe.model, digest="0")(**recipe.data.spec)
    with pytest.raises(ValueError, match=r"the data have classes 7, but .* was trained with 4"):
        recipe.model(**recipe.data.spec | {"classes": 7})


def test_what_cannot_be_pruned(base, tmp_path):
    for settings, said in {
        (("sparsity", 1.0),): "--method.sparsity came as 1.0, but must be above 0 and below 1",
        (("sparsity", float("nan")),): "--method.sparsity came as nan",
        (("kind", "2:4"), ("sparsity", 0.8)): "two of every four are 0.5: leave it out",
        (("begin", 0.5), ("end", 0.5)): "--method.begin came as 0.5 and --method.end as 0.5",
    }.items():
        with pytest.raises(ValueError, match=said):
            Prune(**dict(settings))
    with pytest.raises(ValueError, match="--monitor came as val_loss, but Prune is done only in the last epoch"):
        replace(recipe_for(base), monitor="val_loss")
    tokens = transformer_classifier(20, 3, width=8, heads=2, depth=1, hidden=16)
    with pytest.raises(ValueError, match=r"no channel can be left out of it: what mlp_out, .* compute reaches a sum"):
        Prune(kind="channels").wrap(tokens)
    assert len(Smallest(tokens).kernels) == 5
    frozen = mlp((5,), 3)
    frozen.trainable = False
    with pytest.raises(ValueError, match="nothing to prune"):
        Prune().wrap(frozen)


def test_arrays(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    data = Arrays(x, (x[:, 0] > 0).astype(int), names=("a", "b"), batch=20)
    run = fit(Recipe("rows", partial(mlp, units=(8,)), data, Classification(), epochs=1), logs=tmp_path)
    with pytest.raises(UserError, match="prune it in Python, with data="):
        prune(run, logs=tmp_path)
    again = prune(run, data=data, logs=tmp_path)
    assert again.summary["reached"]["sparsity"]["all kernels"] == pytest.approx(0.8, 0.05)


def test_command(base, tmp_path, zoo_here):
    words = ("--epochs", 1, "--logs", tmp_path)
    done = zoo_here("prune", base.path, *words, "--method.kind", "2:4")
    assert done.returncode == 0, done.stderr
    assert "two of every four weights along the inputs of 3 kernels; left whole: stage1_conv" in done.stdout
    assert_complaint(zoo_here("prune", base.path, *words, "--method.sparsity", 1.5), "--method.sparsity came as 1.5")
    assert_complaint(zoo_here("prune", tmp_path / "none"), "no run at")
    assert_complaint(zoo_here("prune", base.path, "--data.size", 9, 9, "--logs", tmp_path), "the data have input_shape")
    others = zoo_here("prune", base.path, "--data.only", 0, 1, 2, 4, "--logs", tmp_path)
    assert_complaint(others, "knows 4 classes (0, 1, 2, 3), but the data have 4 classes (0, 1, 2, 4): prune it on")
    shown = zoo_here("prune", base.path, "--help").stdout
    assert "--method.kind" in shown
    assert "--method.sparsity" in shown
