"""Losses, metrics and optimizers of Keras that a recipe is given as they are: written down, and made again."""

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.errors import UserError


def config_of(thing: keras.Loss | keras.Metric | keras.Optimizer) -> dict:
    """What makes an equal one. A name that Keras made up, auc_1 for the second of a process, is that of the first."""
    config = thing.get_config()
    made_up = re.fullmatch(r"(.+)_\d+", config.get("name") or "")
    if made_up and made_up[1].replace("_", "") == type(thing).__name__.lower():
        config["name"] = made_up[1]
    return config


def again(thing: keras.Loss | keras.Metric | keras.Optimizer | Callable) -> Any:
    """An equal one without the state of an earlier training; a function itself."""
    return thing if inspect.isfunction(thing) else type(thing).from_config(config_of(thing))


def as_plain(thing: keras.Loss | keras.Metric | keras.Optimizer) -> dict:
    """Its configuration as JSON can store it."""
    return json.loads(json.dumps(config_of(thing), default=plain_of_keras))


def plain_of_keras(value: Any) -> Any:
    """What a Keras configuration holds besides JSON, such as a schedule of the rate or a number of NumPy."""
    return value.item() if isinstance(value, np.generic) else keras.saving.serialize_keras_object(value)


def check_takes_logits(thing: Any) -> None:
    """Raises UserError for a loss or metric that takes probabilities: of logits its value would be wrong in silence."""
    if not isinstance(thing, keras.Loss | keras.Metric):
        return
    config, kind = thing.get_config(), type(thing).__name__
    if config.get("from_logits") is False:
        raise UserError(f"{kind} takes probabilities, but networks here give logits: {kind}(..., from_logits=True)")
    if "thresholds" in config and "from_logits" not in config and config.get("top_k") is None:
        raise UserError(f"{kind} compares probabilities with a threshold, but networks here give logits: top_k=1")
