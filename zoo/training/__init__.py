"""Training of any keras.Model on any tf.data.Dataset: recipes, methods, optimizers, runs, exact resume."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.training.distill import Distill
from zoo.training.lora import Lora
from zoo.training.method import Method, Whole
from zoo.training.optimizer import Optimizer
from zoo.training.prune import Prune
from zoo.training.recipe import Recipe
from zoo.training.runs import Run
from zoo.training.thaw import Thaw

# By their names in `finetune --method`.
METHODS = {"whole": Whole, "thaw": Thaw, "lora": Lora, "prune": Prune, "distill": Distill}

__all__ = ["METHODS", "Distill", "Lora", "Method", "Optimizer", "Prune", "Recipe", "Run", "Thaw", "Whole"]
