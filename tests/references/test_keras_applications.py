"""VGG, ResNet, Inception v3 and Xception beside keras.applications, with the mapping that loads published weights."""

from functools import partial

import keras
import numpy as np
import pytest
from compare import pixels, randomize, relative

from zoo.models import inception_v3, resnet, vgg, xception
from zoo.pretrained.applications import PUBLISHED, move_weights

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
    """Theirs with random weights, and ours with the same ones moved in; on small pictures, so that it is quick."""
    keras.config.set_dtype_policy("float32")
    name = request.param
    shape = (32, 32, 3) if name.startswith("vgg") else (75, 80, 3)
    theirs = PUBLISHED[name].theirs(weights=None, classes=CLASSES, input_shape=shape, classifier_activation=None)
    randomize(theirs)
    ours = partial(PUBLISHED[name].ours, **({} if name.startswith("resnet") else {"dropout": 0.0}))(shape, CLASSES)
    move_weights(theirs, ours)
    return name, theirs, ours, shape


def test_same_outputs(pair):
    name, theirs, ours, shape = pair
    prepared = PREPROCESS[name].preprocess_input(pixels(shape))
    assert relative(ours(pixels(shape)), theirs(prepared)) < 1e-4


def test_and_the_way_back(pair):
    name, theirs, ours, shape = pair
    again = PUBLISHED[name].theirs(weights=None, classes=CLASSES, input_shape=shape, classifier_activation=None)
    move_weights(ours, again)
    for weight, other in zip(theirs.weights, again.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_same_moving_statistics_after_a_step(pair):
    name, theirs, ours, shape = pair
    ours(pixels(shape), training=True)
    theirs(PREPROCESS[name].preprocess_input(pixels(shape)), training=True)
    other = keras.models.clone_model(ours)
    move_weights(theirs, other)
    moved = [(a, b) for a, b in zip(ours.weights, other.weights, strict=True) if "moving" in a.path]
    assert bool(moved) == (not name.startswith("vgg"))
    for mine, reference in moved:
        # A hundred layers of batch statistics magnify rounding; a wrong momentum or epsilon would show in full.
        assert relative(mine, reference) < 1e-3, mine.path


@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        (partial(vgg, variant="vgg16"), applications.VGG16, (224, 224, 3)),
        (partial(vgg, variant="vgg19"), applications.VGG19, (224, 224, 3)),
        (partial(resnet, variant="resnet50"), applications.ResNet50, (224, 224, 3)),
        (partial(resnet, variant="resnet101"), applications.ResNet101, (224, 224, 3)),
        (partial(resnet, variant="resnet152"), applications.ResNet152, (224, 224, 3)),
        (inception_v3, applications.InceptionV3, (299, 299, 3)),
        (xception, applications.Xception, (299, 299, 3)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_same_number_of_weights(ours, theirs, shape):
    assert ours(shape, 1000).count_params() == theirs(weights=None).count_params()
