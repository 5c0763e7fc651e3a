"""Explaining: which parts of an input a network's answer comes from, by several methods, and how far to trust them."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.explained.drawing import drawn
from zoo.explained.explanation import Explanation, Found, explained
from zoo.explained.methods import METHODS, check
from zoo.explained.question import Settings

__all__ = ["METHODS", "Explanation", "Found", "Settings", "check", "drawn", "explained"]
