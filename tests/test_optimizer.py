"""Checks that optimizers that compile the updates of large variables make the same updates as Keras' own."""

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


def trained(optimizer: keras.Optimizer, wrapped: bool) -> list[np.ndarray]:
    """The weights after three steps, of a table so large that its update is compiled and of a small matrix."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), dtype="int32")
    table = keras.layers.Embedding(LARGE // 8 + 1, 8)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.ops.mean(table(inputs), 1)))
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer, "mse")
    random = np.random.default_rng(0)
    for _ in range(3):
        model.train_on_batch(random.integers(0, 50, (16, 4)), random.normal(size=(16, 3)).astype("float32"))
    return model.get_weights()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_compiled_updates_are_those_of_keras(name, wrapped):
    settings = Optimizer(name, rate=0.1, schedule="constant", weight_decay=0.01, clip=1.0)
    ours = settings.build(10)
    theirs = KINDS[name](0.1, weight_decay=0.01, global_clipnorm=1.0)
    theirs.exclude_from_weight_decay(var_names=["bias"])
    for mine, wanted in zip(trained(ours, wrapped), trained(theirs, wrapped), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)


def test_only_the_updates_of_large_variables_are_compiled():
    optimizer = Optimizer("adam", schedule="constant").build(10)
    small, large = keras.Variable(np.zeros(9)), keras.Variable(np.zeros(LARGE))
    optimizer.build([small, large])
    step = tf.function(lambda: optimizer.apply([tf.ones(9), tf.ones(LARGE)]))
    graph = step.get_concrete_function().graph.as_graph_def()
    assert sum("_XlaMustCompile" in node.attr and node.attr["_XlaMustCompile"].b for node in graph.node) == 1
