"""Published weights of keras.applications in our networks, downloaded or from a file."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
from keras import applications

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import Images
from zoo.data.network import silence_of
from zoo.errors import UserError, nearest
from zoo.models import inception_v3, resnet, vgg, xception
from zoo.pretrained.graphs import in_words, move_weights

READS = Images
CLASSES = 1000  # of ImageNet
SERVER = "https://storage.googleapis.com"  # from which keras.applications downloads
PATIENCE = 20  # timeout in seconds of the download


class Published(NamedTuple):
    """A network whose weights keras.applications publishes."""

    ours: partial  # our builder, with the scaling of pixels that was used in training
    theirs: Callable  # the builder of keras.applications
    side: int  # side in pixels of the pictures in training


PUBLISHED = {
    "vgg16": Published(partial(vgg, variant="vgg16", scaling="caffe"), applications.VGG16, 224),
    "vgg19": Published(partial(vgg, variant="vgg19", scaling="caffe"), applications.VGG19, 224),
    "resnet50": Published(partial(resnet, variant="resnet50", scaling="caffe"), applications.ResNet50, 224),
    "resnet101": Published(partial(resnet, variant="resnet101", scaling="caffe"), applications.ResNet101, 224),
    "resnet152": Published(partial(resnet, variant="resnet152", scaling="caffe"), applications.ResNet152, 224),
    "resnet50v2": Published(partial(resnet, variant="resnet50v2", scaling="symmetric"), applications.ResNet50V2, 224),
    "resnet101v2": Published(
        partial(resnet, variant="resnet101v2", scaling="symmetric"), applications.ResNet101V2, 224
    ),
    "resnet152v2": Published(
        partial(resnet, variant="resnet152v2", scaling="symmetric"), applications.ResNet152V2, 224
    ),
    "inception_v3": Published(partial(inception_v3, scaling="symmetric"), applications.InceptionV3, 299),
    "xception": Published(partial(xception, scaling="symmetric"), applications.Xception, 299),
}


@dataclass(frozen=True)
class ImageNet(Images):
    """Pictures of ImageNet's 1000 classes."""

    @cached_property
    def labels(self) -> list[str]:
        """See `labels_of_imagenet`."""
        return labels_of_imagenet()


def spec_of(name: str) -> dict:
    """The input shape and the number of classes of a published network.

    Raises:
        UserError: there is no such network.
    """
    if name not in PUBLISHED:
        raise UserError(f"there are no published weights of {name!r}{nearest(name, list(PUBLISHED))}")
    side = PUBLISHED[name].side
    return {"input_shape": (side, side, 3), "classes": CLASSES}


def base(name: str, weights: str | Path, size: tuple[int, int] | None = None) -> tuple[keras.Model, Images]:
    """A network for `finetune`, and what it reads: pictures; arguments and errors as of `pretrained`."""
    return pretrained(name, weights=weights, input_shape=size and (*size, 3), new_head=True), Images()


def pretrained(
    name: str,
    *,
    weights: str | Path = "imagenet",
    input_shape: tuple[int, int, int] | None = None,
    classes: int = CLASSES,
    new_head: bool = False,
) -> keras.Model:
    """Our network with published weights; it takes pixels in 0..255 and scales them as those weights require.

    Args:
        name: a key of PUBLISHED, such as resnet50.
        weights: "imagenet" for the weights of keras.applications, downloaded once to ~/.keras/models; or a file
            in that format.
        input_shape: (height, width, 3) in pixels; by default the size of the training pictures, which is the only
            possible one for VGG, because its dense layers depend on it.
        classes: number of classes; must be 1000 unless `new_head` is set.
        new_head: replace the last layer by a randomly initialised one for `classes` classes.

    Returns:
        An uncompiled model: (batch, height, width, 3) pixels to (batch, classes) float32 logits.

    Raises:
        UserError: there is no such network, the size or the number of classes does not fit, or the weights cannot be
            downloaded, are damaged or are those of another network.
    """
    spec = spec_of(name)
    if classes != CLASSES and not new_head:
        raise UserError(
            f"the published {name} has {CLASSES} classes, but {classes} were wanted: ask for a new head "
            "(new_head=True, or `python -m zoo.finetune`)"
        )
    check_is_at_hand(name, weights)  # before networks are built, which takes seconds to minutes
    published = PUBLISHED[name]
    shape = input_shape or spec["input_shape"]
    if shape[-1] != 3:
        raise UserError(f"the published {name} sees 3 channels, but the pictures have {shape[-1]}: bring them to 3")
    try:
        model = published.ours(shape, classes)
    except ValueError as error:
        raise UserError(f"{name} cannot be built: {error}") from error
    reference = load_reference(name, weights, headless=new_head)
    move_weights(reference, model, skip_head=new_head)
    return model


def check_is_at_hand(name: str, weights: str | Path) -> None:
    """Raises UserError if the weights are not such a file, or would have to be downloaded and the server is silent."""
    path = Path(weights)
    if weights == "imagenet":
        problem = silence_of(SERVER) if not was_fetched(f"{name}_weights_tf_dim_ordering_tf_kernels.h5") else None
        if problem:
            raise UserError(unreachable(name, f"{SERVER} cannot be reached: {problem}"))
    elif not os.path.isfile(path):
        raise UserError(f"--weights came as {path}, but there is no such file: wanted imagenet or a .h5 file")
    elif path.suffix not in (".h5", ".hdf5") or path.name.endswith(".weights.h5"):  # Keras goes by the file name
        raise UserError(f"--weights came as {path}, but must be called something.h5, and not something.weights.h5")


def was_fetched(file: str) -> bool:
    """Whether a file is where Keras stores downloads: in its home directory, or in /tmp if that is not writable."""
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    if not os.access(home, os.W_OK):
        home = os.path.join("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return os.path.isfile(os.path.join(home, "models", file))


def unreachable(name: str, reason: str) -> str:
    """The error message for published weights that cannot be downloaded."""
    return (
        f"the published weights of {name} could not be fetched ({reason}): run this once where there is a network, "
        "copy ~/.keras/models, or give a file with --weights FILE"
    )


def load_reference(name: str, weights: str | Path, *, headless: bool = False) -> keras.Model:
    """The network of keras.applications with those weights.

    Args:
        name: a key of PUBLISHED.
        weights: "imagenet", or a file.
        headless: accept a file that lacks the last layer, which then has random weights.

    Raises:
        UserError: the weights cannot be downloaded, are damaged or are those of another network.
    """
    theirs = PUBLISHED[name].theirs
    if weights != "imagenet":
        return read_weights(theirs(weights=None, classifier_activation=None), name, Path(weights), headless)
    try:
        with impatient():
            return theirs(weights="imagenet", classifier_activation=None)
    except Exception as error:  # no network, a failing server, a truncated file: Keras raises many different errors
        raise UserError(unreachable(name, " ".join(str(error).split())[:200])) from error


def read_weights(reference: keras.Model, name: str, path: Path, headless: bool = False) -> keras.Model:
    """The network after loading the weights of a file in the published format.

    Raises:
        UserError: the file is damaged, of another network, or lacks the head, and that is not accepted.
    """
    try:
        with h5py.File(path) as file:
            names = [str(n, "utf-8") if isinstance(n, bytes) else n for n in file.attrs["layer_names"]]
            stored = [(n, [shape_of_floats(file[n][w]) for w in file[n].attrs["weight_names"]]) for n in names]
    except Exception as error:  # h5py raises many different errors for a corrupt file
        raise UserError(f"{path} is damaged, or not in the format of published weights ({error})") from error
    # Matched by position and shape, as Keras does it: many published names contain automatically assigned numbers.
    found = [(layer, shapes) for layer, shapes in stored if shapes]
    body = keras.Model(reference.input, reference.layers[-2].output)
    whole = shapes_of(reference)
    if [shapes for _, shapes in found] == [shapes for _, shapes in shapes_of(body)]:
        if not headless:
            raise UserError(
                f"{path} holds {name} without a head (include_top=False), so it knows no classes: give the file "
                "without notop in its name, or teach it classes of your own with python -m zoo.finetune"
            )
        fill(body, path)
        return reference
    different = [
        f"{there} has {in_words(have)} where {name}'s {here} takes {in_words(take)}"
        for (there, have), (here, take) in zip(found, whole, strict=False)
        if have != take
    ]
    if not different and len(found) < len(whole):
        lacking = ", ".join(layer for layer, _ in whole[len(found) :][:5])
        raise UserError(f"{path} lacks the layers {lacking} of {name}: give the file without notop in its name")
    if len(found) != len(whole):
        different.append(f"{len(found)} layers with weights there, {len(whole)} in {name}")
    if different:
        more = f", and {len(different) - 3} more differences" if len(different) > 3 else ""
        raise UserError(f"{path} holds the weights of another network than {name}: {'; '.join(different[:3])}{more}")
    fill(reference, path)
    return reference


def fill(model: keras.Model, path: Path) -> None:
    """Loads the weights of a file that fits the network.

    Raises:
        UserError: the file is damaged.
    """
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many different errors for a truncated file
        raise UserError(f"{path} is damaged ({' '.join(str(error).split())[:200]})") from error
    for weight in model.weights:
        numbers = keras.ops.convert_to_numpy(weight)
        if not np.isfinite(numbers).all() or (weight.name == "moving_variance" and numbers.min() < 0):
            raise UserError(f"{path} is damaged: {weight.path} holds numbers that no training leaves")


def shapes_of(model: keras.Model) -> list[tuple[str, list[tuple[int, ...]]]]:
    """The name of each layer with weights, and the shapes of these."""
    return [(layer.name, [tuple(w.shape) for w in layer.weights]) for layer in model.layers if layer.weights]


def shape_of_floats(stored: h5py.Dataset) -> tuple[int, ...]:
    """The shape of an array of floating-point numbers in a file.

    Raises:
        ValueError: the array has another type.
    """
    if stored.dtype.kind != "f":
        raise ValueError(f"{stored.name} is of {stored.dtype}")
    return tuple(stored.shape)


@contextlib.contextmanager
def impatient() -> Iterator[None]:
    """Sets a timeout for downloads, for which Keras has none, and redirects what they print to standard error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def labels_of_imagenet() -> list[str]:
    """The names of the 1000 classes, in the order of the outputs; numbers if the names cannot be downloaded."""
    order = np.arange(CLASSES, 0, -1, dtype="float32")[None]
    try:
        if not was_fetched("imagenet_class_index.json") and silence_of(SERVER):
            raise OSError("nothing answers")
        with impatient():
            return [name for _, name, _ in applications.imagenet_utils.decode_predictions(order, top=CLASSES)[0]]
    except Exception:  # the list is downloaded like the weights, and can fail in as many ways
        print("zoo: the names of the classes could not be fetched: here are their numbers", file=sys.stderr)
        return [f"class {number}" for number in range(CLASSES)]
