"""The recipes by name, one line each. A recipe's parts are imported only when it is used, since that takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.training import Recipe

__all__ = ["RECIPES", "SUMMARIES", "TABLES"]


def images() -> tuple[Recipe, ...]:
    """The recipes for pictures."""
    from zoo.recipes.images import IMAGES

    return IMAGES


def audio() -> tuple[Recipe, ...]:
    """The recipes for sounds."""
    from zoo.recipes.audio import AUDIO

    return AUDIO


def series() -> tuple[Recipe, ...]:
    """The recipes for time series."""
    from zoo.recipes.series import SERIES

    return SERIES


def rows() -> tuple[Recipe, ...]:
    """The recipes for rows of a table."""
    from zoo.recipes.rows import ROWS

    return ROWS


def text() -> tuple[Recipe, ...]:
    """The recipes for language models."""
    from zoo.recipes.text import TEXT

    return TEXT


def texts() -> tuple[Recipe, ...]:
    """The recipes for texts with one class each."""
    from zoo.recipes.texts import TEXTS

    return TEXTS


def bert() -> tuple[Recipe, ...]:
    """The recipes for BERT."""
    from zoo.recipes.bert import BERT

    return BERT


def tags() -> tuple[Recipe, ...]:
    """The recipes for tags of spans in texts."""
    from zoo.recipes.tags import TAGS

    return TAGS


def translation() -> tuple[Recipe, ...]:
    """The recipes for translation."""
    from zoo.recipes.translation import TRANSLATION

    return TRANSLATION


def words() -> tuple[Recipe, ...]:
    """The recipes for word vectors."""
    from zoo.recipes.words import WORDS

    return WORDS


# For `python -m zoo`: the data of each recipe and what is trained, in the order of the records.
TABLES: dict[Callable[[], tuple[Recipe, ...]], dict[str, str]] = {
    images: {
        "cnn": "digits; the chapters' small convolutional network",
        "bigmodel": "digits; the chapters' larger one",
        "bigmodel-cifar10": "cifar10; the same with batch normalisation",
        "alexnet": "digits; AlexNet (Krizhevsky 2012)",
        "vgg11": "digits; VGG-11 with batch normalisation (Simonyan 2014)",
        "googlenet": "digits; GoogLeNet with its auxiliary heads (Szegedy 2014)",
        "inception_v3": "digits; Inception v3 (Szegedy 2015)",
        "resnet20": "digits; ResNet-20 for small pictures (He 2015)",
        "resnet50": "digits; ResNet-50 (He 2015)",
        "xception": "digits; Xception (Chollet 2017)",
        "vit": "digits; a small Vision Transformer (Dosovitskiy 2020)",
        "cnn-fashion": "fashion_mnist; the small convolutional network",
        "resnet20-fashion": "fashion_mnist; ResNet-20",
        "resnet20-cifar10": "cifar10; ResNet-20",
        "vgg11-cifar10": "cifar10; VGG-11 with batch normalisation",
        "vit-cifar10": "cifar10; a Vision Transformer on convolutions",
    },
    audio: {
        "lstm": "dtmf; three LSTM layers (Hochreiter 1997) tell telephone keys apart",
        "gru": "dtmf; three GRU layers (Cho 2014)",
        "lstm-digits": "spoken_digit; three LSTM layers",
    },
    series: {
        "rnn": "sunspots; a small recurrent network (Elman 1990) forecasts a series",
        "nlinear": "sunspots; a linear network that begins as the naive forecast (Zeng 2022)",
    },
    rows: {
        "mlp": "breast_cancer; dense layers put rows of a table into classes",
    },
    text: {
        "gpt": "pydocs; GPT (Radford 2019) writes characters",
        "gpt-shakespeare": "tiny_shakespeare; the same, in nanoGPT's setting for two cores",
        "lm": "pydocs; a recurrent language model of words (Zaremba 2014)",
        "lm-ptb": "ptb; the same on the Penn Treebank",
    },
    texts: {
        "textcnn": "languages; convolutions over characters (Kim 2014) tell 26 languages apart",
        "encoder": "languages; the encoder of the Transformer (Vaswani 2017) on the same names",
        "textcnn-rotten": "rotten_tomatoes; TextCNN over words: is a sentence of a review positive?",
        "textcnn-imdb": "imdb_reviews; TextCNN on whole reviews",
    },
    bert: {
        "bert": "pydocs; BERT (Devlin 2018) fills in hidden words",
        "bert-imdb": "imdb_reviews; a larger one on film reviews, to be fine-tuned",
        "bert-languages": "languages; the same network tells texts apart from nothing",
    },
    tags: {
        "tagger": "date_parts; LSTM and random field (Lample 2016) find year, month, day and weekday in dates",
        "tagger-wnut17": "wnut17; the same finds names in tweets, reading words by their letters too",
    },
    words: {
        "word2vec": "pydocs; vectors of words (Mikolov 2013), near for words in like places",
        "word2vec-imdb": "imdb_reviews; the same out of film reviews",
    },
    translation: {
        "transformer": "dates; the Transformer (Vaswani 2017) turns dates into ISO 8601",
        "transformer-multi30k": "multi30k; the same translates captions from English to German",
        "seq2seq": "dates; recurrent encoder and decoder with attention (Bahdanau 2014)",
        "seq2seq-multi30k": "multi30k; the same translates captions from English to German",
        "t5": "dates_and_numbers; T5 (Raffel 2019) rewrites dates and number words, told apart by their first word",
        "t5-spans": "pydocs; the same learns what was left out of a text",
    },
}
SUMMARIES = {name: line for lines in TABLES.values() for name, line in lines.items()}


class Recipes(Mapping):
    """The recipes by name; listing the names imports nothing."""

    def __getitem__(self, name: str) -> Recipe:
        for table, lines in TABLES.items():
            if name in lines:
                return next(recipe for recipe in table() if recipe.name == name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)


RECIPES = Recipes()
