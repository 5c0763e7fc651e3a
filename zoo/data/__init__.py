"""Sources of real data over tensorflow-datasets, and the one pipeline that feeds them to a network."""

from zoo.data.augment import Augment
from zoo.data.images import Images
from zoo.data.pictures import find_pictures, read_picture
from zoo.data.text import Text

__all__ = ["SOURCES", "Augment", "Images", "Text", "find_pictures", "read_picture"]

# By the name that a run writes down, so that a later verb finds the data again.
SOURCES = {source.__name__: source for source in (Images, Text)}
