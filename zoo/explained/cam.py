"""Grad-CAM and guided Grad-CAM: where in a picture a layer of feature maps sees what speaks for a class
(Selvaraju 2017, arXiv:1610.02391).

The maps are coarse, as the layer is, and say only where something speaks for the number, not against it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import UserError, nearest
from zoo.explained.question import Attribution, Question, Settings

# What keeps or thins out the features that another layer has found.
PASSIVE = (
    *(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.ZeroPadding2D, keras.layers.Cropping2D),
    *(keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.Rescaling, keras.layers.Normalization),
    *(keras.layers.InputLayer, keras.layers.Resizing, keras.layers.GlobalMaxPooling2D, keras.layers.Reshape),
)


def with_maps(model: keras.Model) -> list[str]:
    """The names of the layers whose outputs are feature maps (H, W, C), from a network's input on."""
    found, begun = [], False
    for layer in model.layers:
        begun |= isinstance(layer, keras.layers.Conv2D | keras.layers.SeparableConv2D | keras.Model)
        if begun and not isinstance(layer, PASSIVE) and len(getattr(outputs_of(layer), "shape", ())) == 4:
            found.append(layer.name)
    return found


def outputs_of(layer: keras.Layer):
    """The output of a layer; None if it is used several times."""
    try:
        return layer.output
    except (AttributeError, ValueError):
        return None


def grad_cam(question: Question, settings: Settings) -> Attribution:
    """ReLU of the sum of a layer's feature maps, each times the mean of its gradient (equations 1 and 2), enlarged to
    the input's size.

    Raises:
        UserError: the network has no such layer.
    """
    name, known = settings.layer, with_maps(question.model)
    if name is not None and name not in known:
        raise UserError(
            f"--layer came as {name!r}, which is no layer of {question.model.name} with feature maps"
            f"{nearest(name, known)}"
        )
    name = name or known[-1]
    inside = keras.Model(question.model.inputs, [question.model.get_layer(name).output, question.model.output])
    image = tf.constant(question.input[None])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(image)
        features, outputs = inside(image, training=False)
        number = question.of(outputs)
    found = tape.gradient(number, features)
    coarse = weighted(np.float32(features[0]), np.float32(found[0]))
    groups = question.features.groups
    fine = tf.image.resize(coarse[..., None], groups.shape[:2]).numpy()[..., 0]
    fine = np.broadcast_to(fine.reshape(*fine.shape, *[1] * (groups.ndim - 2)), groups.shape)
    values = question.summed(fine) / np.bincount(groups.reshape(-1))
    said = f"the {coarse.shape[0]}x{coarse.shape[1]} features of the layer {name}, enlarged"
    return Attribution(values, "mean gradient x feature", (said,))


def weighted(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """ReLU of the sum over channels of features (H, W, C) times the means of their gradients: (H, W)."""
    return np.maximum((features * gradients.mean((0, 1))).sum(-1), 0)


def guided_grad_cam(question: Question, settings: Settings) -> Attribution:
    """Grad-CAM times guided backpropagation (section 3.3)."""
    coarse = grad_cam(question, settings)
    with guided(question.model):
        (found,) = next(question.gradients(question.point[None]))
    said = (*coarse.said, "times guided backpropagation, which alone shows edges whatever the class")
    return Attribution(coarse.values * question.summed(found), "guided gradient x Grad-CAM", said)


@tf.custom_gradient
def guided_relu(x):
    """ReLU through which only positive gradients go back (Springenberg 2014, arXiv:1412.6806, section 3.4)."""
    y = tf.nn.relu(x)
    return y, lambda upstream: upstream * tf.cast((upstream > 0) & (x > 0), upstream.dtype)


def rectified(model: keras.Model) -> list[keras.Layer]:
    """The layers that apply ReLU."""

    def plain(layer: keras.layers.ReLU) -> bool:
        return layer.max_value is None and not layer.negative_slope and not layer.threshold

    relu = keras.activations.relu
    return [
        layer
        for layer in model._flatten_layers()
        if (plain(layer) if isinstance(layer, keras.layers.ReLU) else getattr(layer, "activation", None) is relu)
    ]


@contextlib.contextmanager
def guided(model: keras.Model) -> Iterator[None]:
    """The network with `guided_relu` for each ReLU, inside the block."""
    layers = rectified(model)
    try:
        for layer in layers:
            if isinstance(layer, keras.layers.ReLU):
                layer.call = guided_relu  # hides the method of the class
            else:
                layer.activation = guided_relu
        yield
    finally:
        for layer in layers:
            if isinstance(layer, keras.layers.ReLU):
                del layer.call
            else:
                layer.activation = keras.activations.relu
