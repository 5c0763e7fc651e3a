"""Training of any keras.Model on any tf.data.Dataset: recipes, tasks, optimizers, runs, exact resume."""

from zoo.training.forecast import Forecast
from zoo.training.language import LanguageModel
from zoo.training.optimizer import Optimizer
from zoo.training.recipe import Recipe
from zoo.training.runs import Run
from zoo.training.tasks import Classification
from zoo.training.translation import Translation

__all__ = ["TASKS", "Classification", "Forecast", "LanguageModel", "Optimizer", "Recipe", "Run", "Translation"]

# By the name that a run writes down, so that a later verb finds the task again.
TASKS = {task.__name__: task for task in (Classification, LanguageModel, Forecast, Translation)}
