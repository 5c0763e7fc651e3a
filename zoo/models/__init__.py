"""Network builders: plain functions that draw one network and return it uncompiled."""

from zoo.models.bigmodel import bigmodel
from zoo.models.cnn import cnn
from zoo.models.resnet import resnet
from zoo.models.vgg import vgg
from zoo.models.vit import vit

__all__ = ["bigmodel", "cnn", "resnet", "vgg", "vit"]
