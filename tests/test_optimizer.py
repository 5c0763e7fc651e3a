"""Checks optimizers against Keras' own with gradients of whole tables; updates of large ones are compiled."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.training import Optimizer
from zoo.training.optimizer import LARGE

KINDS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "lion": keras.optimizers.Lion,
}
WIDTH = 8


def updated(optimizer: keras.Optimizer, rows: int, *, whole: bool) -> list[np.ndarray]:
    """A table of that many rows, and a bias, after three steps in which some tokens occur several times."""
    random = np.random.default_rng(0)
    table, bias = keras.Variable(random.normal(size=(rows, WIDTH))), keras.Variable(np.ones(3), name="bias")
    optimizer.build([table, bias])

    def step(tokens, gradients):
        given = tf.IndexedSlices(gradients, tokens, table.shape)
        optimizer.apply([tf.convert_to_tensor(given) if whole else given, tf.ones(3)])

    step = tf.function(step)
    for _ in range(3):
        step(tf.constant(random.integers(0, 9, 40)), tf.constant(random.normal(size=(40, WIDTH)), tf.float32))
    return [table.numpy(), bias.numpy()]


@pytest.mark.parametrize(
    ("name", "more"),
    [*((name, {}) for name in KINDS), ("adamw", {"clip": 1.0}), ("rmsprop", {"momentum": 0.9})],
)
@pytest.mark.parametrize("rows", [20, LARGE // WIDTH])
def test_updates_are_those_of_keras_for_the_whole_table(name, more, rows):
    ours = Optimizer(name, rate=0.1, schedule="constant", weight_decay=0.01, **more).build(10)
    theirs = KINDS[name](
        0.1, weight_decay=0.01, **{"global_clipnorm" if key == "clip" else key: value for key, value in more.items()}
    )
    theirs.exclude_from_weight_decay(var_names=["bias"])
    for mine, wanted in zip(updated(ours, rows, whole=False), updated(theirs, rows, whole=True), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_a_frequent_token_moves_as_far_as_a_rare_one(name):
    """Adam's first step is one rate, whatever the gradient (Kingma & Ba 2014, section 2.1); of Keras' it is not."""
    optimizer = Optimizer(name, rate=1.0, schedule="constant").build(10)
    table = keras.Variable(np.zeros(3, np.float32))  # no matrix, so of Muon, too, Adam updates it
    optimizer.build([table])
    optimizer.apply([tf.IndexedSlices(tf.constant([1.0, 1.0, -1.0, 1.0]), tf.constant([0, 0, 0, 1]), (3,))])
    np.testing.assert_allclose(table.numpy(), [-1, -1, 0], atol=1e-4)


def test_half_precision_and_fitting():
    """The scale of the loss is in a branch of the graph, in which the update is compiled too."""
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(LARGE // WIDTH, WIDTH)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.ops.mean(x, 1)))
    model.compile(keras.optimizers.LossScaleOptimizer(Optimizer("adam", rate=0.1).build(30), initial_scale=16), "mse")
    random = np.random.default_rng(0)
    tokens, wanted = random.integers(0, 50, (64, 4)), random.normal(size=(64, 1))
    losses = model.fit(tokens, wanted, batch_size=32, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_only_the_updates_of_large_variables_are_compiled():
    optimizer = Optimizer("adam", schedule="constant").build(10)
    small, large = keras.Variable(np.zeros(9)), keras.Variable(np.zeros(LARGE))
    optimizer.build([small, large])
    step = tf.function(lambda: optimizer.apply([tf.ones(9), tf.ones(LARGE)]))
    optimizer.apply([tf.ones(9), tf.ones(LARGE)])  # at once, without a graph, nothing is compiled
    graph = step.get_concrete_function().graph.as_graph_def()
    assert sum("_XlaMustCompile" in node.attr and node.attr["_XlaMustCompile"].b for node in graph.node) == 1
