"""Sources of real data over tensorflow-datasets, and the one pipeline that feeds them to a network."""

from zoo.data.augment import Augment
from zoo.data.images import Images
from zoo.data.pairs import Pairs
from zoo.data.pictures import find_pictures, read_picture
from zoo.data.series import Series
from zoo.data.speech import Speech
from zoo.data.text import TOKENIZER, Text
from zoo.data.tokens import checked_tokenizer, encode, foreign, read_tokenizer
from zoo.data.vary import Vary

__all__ = [
    "SOURCES",
    "TOKENIZER",
    "Augment",
    "Images",
    "Pairs",
    "Series",
    "Speech",
    "Text",
    "Vary",
    "checked_tokenizer",
    "encode",
    "find_pictures",
    "foreign",
    "read_picture",
    "read_tokenizer",
]

# By the name that a run writes down, so that a later verb finds the data again.
SOURCES = {source.__name__: source for source in (Images, Speech, Text, Series, Pairs)}
