"""Network builders: plain functions that draw one network and return it uncompiled."""

from zoo.models.alexnet import alexnet
from zoo.models.bigmodel import bigmodel
from zoo.models.cnn import cnn
from zoo.models.gpt import gpt
from zoo.models.inception import googlenet, inception_v3
from zoo.models.resnet import resnet
from zoo.models.rnn import gru, lstm, recurrent, rnn
from zoo.models.transformer import transformer, transformer_classifier
from zoo.models.vgg import vgg
from zoo.models.vit import vit
from zoo.models.xception import xception

__all__ = [
    "alexnet",
    "bigmodel",
    "cnn",
    "googlenet",
    "gpt",
    "gru",
    "inception_v3",
    "lstm",
    "recurrent",
    "resnet",
    "rnn",
    "transformer",
    "transformer_classifier",
    "vgg",
    "vit",
    "xception",
]
