"""Sources of real data, built on tensorflow-datasets, and the one pipeline that feeds them to a network."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.data.arrays import Arrays
from zoo.data.augment import Augment
from zoo.data.images import Images
from zoo.data.masked import Masked
from zoo.data.pairs import Pairs
from zoo.data.pictures import find_pictures, read_picture
from zoo.data.rows import Rows
from zoo.data.series import Series
from zoo.data.source import Source
from zoo.data.spans import Spans
from zoo.data.speech import Speech
from zoo.data.tags import Tags
from zoo.data.text import Text
from zoo.data.texts import Texts
from zoo.data.tokenized import TOKENIZER
from zoo.data.tokens import checked_tokenizer, encode, out_of_vocabulary, read_tokenizer
from zoo.data.vary import Vary
from zoo.data.words import Words

__all__ = [
    "TOKENIZER",
    "Arrays",
    "Augment",
    "Images",
    "Masked",
    "Pairs",
    "Rows",
    "Series",
    "Source",
    "Spans",
    "Speech",
    "Tags",
    "Text",
    "Texts",
    "Vary",
    "Words",
    "checked_tokenizer",
    "encode",
    "find_pictures",
    "out_of_vocabulary",
    "read_picture",
    "read_tokenizer",
]
