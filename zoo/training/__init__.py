"""Training of any keras.Model on any tf.data.Dataset: recipes, methods, optimizers, runs, exact resume."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.training.method import Method, Whole
from zoo.training.optimizer import Optimizer
from zoo.training.recipe import Recipe
from zoo.training.runs import Run
from zoo.training.thaw import Thaw

__all__ = ["Method", "Optimizer", "Recipe", "Run", "Thaw", "Whole"]
