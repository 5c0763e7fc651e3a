"""Network builders: plain functions that draw one network and return it uncompiled."""

from zoo.models.bigmodel import bigmodel
from zoo.models.cnn import cnn

__all__ = ["bigmodel", "cnn"]
