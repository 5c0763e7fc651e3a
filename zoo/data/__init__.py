"""Sources of real data over tensorflow-datasets, and the one pipeline that feeds them to a network."""

from zoo.data.augment import Augment
from zoo.data.images import Images
from zoo.data.pairs import Pairs
from zoo.data.pictures import find_pictures, read_picture
from zoo.data.text import TOKENIZER, Text
from zoo.data.tokens import encode, foreign, read_tokenizer

__all__ = [
    "SOURCES",
    "TOKENIZER",
    "Augment",
    "Images",
    "Pairs",
    "Text",
    "encode",
    "find_pictures",
    "foreign",
    "read_picture",
    "read_tokenizer",
]

# By the name that a run writes down, so that a later verb finds the data again.
SOURCES = {source.__name__: source for source in (Images, Text, Pairs)}
