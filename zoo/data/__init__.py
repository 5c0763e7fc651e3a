"""Sources of real data over tensorflow-datasets, and the one pipeline that feeds them to a network."""

from zoo.data.augment import Augment
from zoo.data.images import Images

__all__ = ["SOURCES", "Augment", "Images"]

# By the name that a run writes down, so that a later verb finds the data again.
SOURCES = {source.__name__: source for source in (Images,)}
