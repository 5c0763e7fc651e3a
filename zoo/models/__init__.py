"""Network builders, plain functions that return one uncompiled network, and what writes token by token with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.models.alexnet import alexnet
from zoo.models.bert import bert, bert_masked, bert_tagger, headed
from zoo.models.bigmodel import bigmodel
from zoo.models.cnn import cnn
from zoo.models.gpt import GptWriter, gpt
from zoo.models.inception import googlenet, inception_v3
from zoo.models.lm import LmWriter, lm
from zoo.models.mlp import mlp
from zoo.models.nlinear import nlinear
from zoo.models.resnet import resnet
from zoo.models.rnn import gru, lstm, recurrent, rnn
from zoo.models.seq2seq import Seq2seqWriter, seq2seq
from zoo.models.t5 import T5Writer, t5
from zoo.models.tagger import tagger
from zoo.models.textcnn import textcnn
from zoo.models.transformer import TransformerWriter, transformer, transformer_classifier
from zoo.models.tuning import Tuning
from zoo.models.vgg import vgg
from zoo.models.vit import vit
from zoo.models.word2vec import word2vec
from zoo.models.writer import Writer
from zoo.models.xception import xception

if TYPE_CHECKING:
    import keras

__all__ = [
    "TUNINGS",
    "WRITERS",
    "Tuning",
    "Writer",
    "alexnet",
    "bert",
    "bert_masked",
    "bert_tagger",
    "bigmodel",
    "cnn",
    "googlenet",
    "gpt",
    "gru",
    "inception_v3",
    "lm",
    "lstm",
    "mlp",
    "nlinear",
    "recurrent",
    "resnet",
    "rnn",
    "seq2seq",
    "t5",
    "tagger",
    "textcnn",
    "transformer",
    "transformer_classifier",
    "tuning_of",
    "vgg",
    "vit",
    "word2vec",
    "writer_of",
    "xception",
]

# Both by the part of a network's name before the first "_".
TUNINGS = {"bert": Tuning(headed, whole=True, epochs=4, clip=1.0, overconfident=True)}  # Devlin 2018, section A.3
WRITERS = {
    "gpt": GptWriter,
    "lm": LmWriter,
    "seq2seq": Seq2seqWriter,
    "t5": T5Writer,
    "transformer": TransformerWriter,
}


def writer_of(model: keras.Model) -> Writer:
    """What writes token by token with a network.

    Args:
        model: a network of one of WRITERS, possibly saved and loaded since.

    Raises:
        ValueError: the network cannot write.
    """
    family = family_of(model)
    if family not in WRITERS:
        raise ValueError(f"{model.name} cannot write token by token: the networks that can are {', '.join(WRITERS)}")
    return WRITERS[family](model)


def tuning_of(model: keras.Model) -> Tuning:
    """How a network, possibly saved and loaded since, is fine-tuned."""
    return TUNINGS.get(family_of(model), Tuning())


def family_of(model: keras.Model) -> str:
    """The name of a network's builder, without what tells its variants and heads apart."""
    return model.name.split("_")[0]
