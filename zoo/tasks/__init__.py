"""Tasks: what a network is trained to do, how that is measured and shown, and how a trained network is used."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.tasks.classification import Classification
from zoo.tasks.forecast import Forecast
from zoo.tasks.language import LanguageModel
from zoo.tasks.masked import MaskedLanguageModel
from zoo.tasks.prompted import Prompted
from zoo.tasks.rows import RowClassification
from zoo.tasks.tagging import Tagging
from zoo.tasks.task import Panel, Task
from zoo.tasks.translation import Translation
from zoo.tasks.vectors import WordVectors

__all__ = [
    "Classification",
    "Forecast",
    "LanguageModel",
    "MaskedLanguageModel",
    "Panel",
    "Prompted",
    "RowClassification",
    "Tagging",
    "Task",
    "Translation",
    "WordVectors",
]
