"""VGG, ResNet, Inception v3 and Xception beside keras.applications, with the mapping that loads published weights."""

from functools import partial

import keras
import numpy as np
import pytest
from compare import pixels, randomize, relative
from test_models import weights_of

from zoo.models import inception_v3, resnet, vgg, xception
from zoo.pretrained.applications import PUBLISHED
from zoo.pretrained.graphs import move_weights

applications = keras.applications
PREPROCESS = {
    "vgg16": applications.vgg16,
    "vgg19": applications.vgg19,
    "resnet50": applications.resnet,
    "resnet101": applications.resnet,
    "resnet152": applications.resnet,
    "resnet50v2": applications.resnet_v2,
    "resnet101v2": applications.resnet_v2,
    "resnet152v2": applications.resnet_v2,
    "inception_v3": applications.inception_v3,
    "xception": applications.xception,
}
CLASSES = 7


@pytest.fixture(scope="module", params=PUBLISHED)
def pair(request):
    """Theirs with random weights, and ours with the same ones moved in; on small images, so that it is quick."""
    keras.config.set_dtype_policy("float32")
    name = request.param
    # Odd sides show where padding goes; the deepest have the blocks of the 50 layers, only more of them.
    shape = (32, 32, 3) if name.startswith(("vgg", "resnet101", "resnet152")) else (75, 80, 3)
    theirs = PUBLISHED[name].theirs(weights=None, classes=CLASSES, input_shape=shape, classifier_activation=None)
    randomize(theirs)
    ours = partial(PUBLISHED[name].ours, **({} if name.startswith("resnet") else {"dropout": 0.0}))(shape, CLASSES)
    move_weights(theirs, ours)
    return name, theirs, ours, pixels(shape)


def test_same_outputs(pair):
    name, theirs, ours, images = pair
    # They change the images in place.
    assert relative(ours(images), theirs(PREPROCESS[name].preprocess_input(images.copy()))) < 1e-4


def test_and_the_way_back(pair):
    _, theirs, ours, _ = pair
    before = [np.array(weight) for weight in theirs.weights]
    for weight in theirs.weights:
        weight.assign(keras.ops.zeros_like(weight))
    move_weights(ours, theirs)
    for weight, other in zip(theirs.weights, before, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_same_moving_statistics_after_a_step(pair):
    """The last of the tests that share a pair, for it changes both."""
    name, theirs, ours, images = pair
    ours(images, training=True)
    theirs(PREPROCESS[name].preprocess_input(images.copy()), training=True)
    moving = [weight for weight in ours.weights if "moving" in weight.path]
    assert bool(moving) == (not name.startswith("vgg"))
    found = [np.array(weight) for weight in moving]
    move_weights(theirs, ours)
    for weight, mine in zip(moving, found, strict=True):
        # A hundred layers of batch statistics magnify rounding; a wrong momentum or epsilon would show in full.
        assert relative(mine, weight) < 5e-3, weight.path


@pytest.mark.parametrize(
    ("ours", "theirs", "side"),
    [
        (partial(vgg, variant="vgg16"), applications.VGG16, 224),
        (partial(vgg, variant="vgg19"), applications.VGG19, 224),
        (partial(resnet, variant="resnet50"), applications.ResNet50, 224),
        (partial(resnet, variant="resnet101"), applications.ResNet101, 224),
        (partial(resnet, variant="resnet152"), applications.ResNet152, 224),
        (inception_v3, applications.InceptionV3, 299),
        (xception, applications.Xception, 299),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_same_number_of_weights(ours, theirs, side):
    assert weights_of(partial(ours, (side, side, 3), 1000)) == weights_of(partial(theirs, weights=None))
