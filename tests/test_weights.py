"""Published weights: the file format, the mapping, and what is said when they do not fit."""

import shutil
import socket
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import assert_complaint
from keras import applications
from keras.src.applications import resnet as theirs_of_resnets
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image

from zoo.data.network import silence_of
from zoo.errors import UserError
from zoo.models.resnet import VARIANTS
from zoo.pretrained.applications import (
    PUBLISHED,
    labels_of_imagenet,
    load_reference,
    pretrained,
    was_fetched,
)
from zoo.pretrained.graphs import move_weights, zip_layers

SIDES = {published.side for published in PUBLISHED.values()}


@pytest.fixture(scope="module", autouse=True)
def little():
    """A ResNet-50 with few of its blocks, but of each kind, and both it and VGG-16 on small pictures, ours and theirs.

    The whole ones, of which VGG-16 has half a gigabyte, are compared in references/test_keras_applications.py.
    """
    blocks = {64: 2, 128: 1, 256: 1, 512: 1}

    def stack(x, filters, count, **options):
        return whole(x, filters, blocks[filters], **options)

    whole = theirs_of_resnets.stack_residual_blocks_v1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs_of_resnets, "stack_residual_blocks_v1", stack)
        patch.setitem(VARIANTS, "resnet50", VARIANTS["resnet50"]._replace(blocks=tuple(blocks.values())))
        patch.setitem(PUBLISHED, "resnet50", PUBLISHED["resnet50"]._replace(side=64))
        small = partial(applications.VGG16, input_shape=(32, 32, 3))
        patch.setitem(PUBLISHED, "vgg16", PUBLISHED["vgg16"]._replace(theirs=small, side=32))
        yield


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Random weights of theirs in the format in which they are published, and the network that has them."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    theirs = applications.ResNet50(weights=None, classifier_activation=None, input_shape=(64, 64, 3))
    path = tmp_path_factory.mktemp("weights") / "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    return path, theirs


def pixels(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype("float32")


def test_from_a_published_file(published):
    path, theirs = published
    ours = pretrained("resnet50", weights=path)
    expected = theirs(applications.resnet.preprocess_input(pixels(64)))
    np.testing.assert_allclose(ours(pixels(64)), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["vgg16", "resnet50v2", "inception_v3", "xception"])
def test_each_kind_of_network_from_a_file(name, tmp_path):
    """Place and shape decide: some of the published names are numbers that a program once counted."""
    theirs = PUBLISHED[name].theirs(weights=None, classifier_activation=None)
    keras.utils.set_random_seed(1)
    for weight in theirs.weights:
        weight.assign(np.random.uniform(0.5, 1.5, weight.shape))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    ours = pretrained(name, weights=tmp_path / "weights.h5", input_shape=(75, 75, 3) if name != "vgg16" else None)
    for there, here in zip_layers(theirs, ours):
        for weight, other in zip(there.weights, here.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_networks_that_are_not_the_same_graph():
    def network(name, *widths, **options):
        inputs = x = keras.Input((4,))
        for number, width in enumerate(widths):
            x = keras.layers.Dense(width, name=f"{name}{number}", **options)(x)
        return keras.Model(inputs, x, name=name)

    one = network("one", 3, 2)
    with pytest.raises(UserError, match="two0 has 1 weights, but one0 has 2: these are different networks"):
        move_weights(one, network("two", 3, 2, use_bias=False))
    with pytest.raises(UserError, match="two has 3 layers with weights, one 2: these are different networks"):
        move_weights(one, network("two", 3, 2, 2))
    with pytest.raises(UserError, match="two1 takes 3x5 weights, one1 has 3x2: the pictures must have the size"):
        move_weights(one, network("two", 3, 5))


def test_tuned_on_small_pictures(published, tmp_path, zoo_here):
    """A published network that pools globally takes any size; VGG and its dense layers do not."""
    path, _ = published
    words = ("--data.only", "0", "1", "--data.limit", "8", "--data.size", "32", "32", "--epochs", "1")
    done = zoo_here("finetune", "resnet50", "--weights", path, *words, "--logs", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run: " in done.stdout


def test_new_head_on_the_same_body(published):
    path, theirs = published
    ours = pretrained("resnet50", weights=path, classes=3, input_shape=(32, 32, 3), new_head=True)
    assert ours(pixels(32)).shape == (2, 3)
    np.testing.assert_array_equal(ours.get_layer("stem_conv").kernel, theirs.get_layer("conv1_conv").kernel)
    with pytest.raises(UserError, match="has 1000 classes, but 3 were wanted: ask for a new head"):
        pretrained("resnet50", weights=path, classes=3)


def test_weights_of_another_network(published):
    path, _ = published
    with pytest.raises(
        UserError,
        match=r"another network than vgg16: conv1_conv has 7x7x3x64 \+ 64 where vgg16's block1_conv1 takes 3x3x3x64 "
        r"\+ 64; .* and \d+ more differences",
    ):
        pretrained("vgg16", weights=path)


def without_head(theirs: keras.Model, layers: int, path: Path) -> Path:
    """What include_top=False leaves, in the format in which it is published."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, keras.Model(theirs.input, theirs.layers[-1 - layers].output))
    return path


def test_weights_without_a_head(published, tmp_path, zoo_here):
    """They are all that fine-tuning needs; nothing else can be asked of them."""
    whole, theirs = published
    path = without_head(theirs, 2, tmp_path / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5")
    with pytest.raises(UserError, match=r"resnet50 without a head .* knows no classes: .* python -m zoo\.finetune"):
        pretrained("resnet50", weights=path)
    found, wanted = (pretrained("resnet50", weights=at, classes=3, new_head=True) for at in (path, whole))
    for one, other in zip(found.layers[:-1], wanted.layers[:-1], strict=True):
        for weight, same in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(weight, same)
    words = ("--data.only", "0", "1", "--data.limit", "8", "--data.size", "32", "32", "--epochs", "1")
    done = zoo_here("finetune", "resnet50", "--weights", path, *words, "--logs", tmp_path)
    assert done.returncode == 0, done.stderr
    Image.new("RGB", (64, 64)).save(tmp_path / "cat.png")
    assert_complaint(zoo_here("predict", "resnet50", "--weights", path, tmp_path / "cat.png"), "without a head")


def test_more_than_the_head_is_lacking(tmp_path):
    theirs = PUBLISHED["vgg16"].theirs(weights=None, classifier_activation=None)
    path = without_head(theirs, 4, tmp_path / "vgg16_notop.h5")
    with pytest.raises(UserError, match="lacks the layers fc1, fc2, predictions of vgg16: give the file without notop"):
        pretrained("vgg16", weights=path, new_head=True)


def test_damaged_files(published, tmp_path):
    path, _ = published
    whole = path.read_bytes()
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no weights" * 100}.items():
        broken = tmp_path / f"{name}.h5"
        broken.write_bytes(content)
        with pytest.raises(UserError, match=r"is damaged, or not in the format"):
            pretrained("resnet50", weights=broken)
    with pytest.raises(UserError, match="there is no such file: wanted imagenet or"):
        pretrained("resnet50", weights=tmp_path / "nowhere.h5")
    shutil.copy(path, tmp_path / "kept.weights.h5")
    with pytest.raises(UserError, match=r"must be called something\.h5, and not something\.weights\.h5"):
        pretrained("resnet50", weights=tmp_path / "kept.weights.h5")


def damage(file: h5py.File, how: str) -> None:
    """Of one layer in a file of published weights."""
    group = file["conv1_bn"]
    place = {weight.split("/")[-1].split(":")[0]: weight for weight in group.attrs["weight_names"]}
    if how == "nan":
        file["conv1_conv"][file["conv1_conv"].attrs["weight_names"][0]][0, 0, 0, 0] = np.nan
    elif how == "negative variance":
        group[place["moving_variance"]][0] = -1.0
    elif how == "numbers for names":
        group.attrs["weight_names"] = np.arange(4)
    elif how == "a group for numbers":
        del group[place["gamma"]]
        group.create_group(place["gamma"])
    else:
        del group[place["gamma"]]
        group[place["gamma"]] = np.ones(64, int)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("nan", "conv1_conv/kernel holds numbers that no training leaves"),
        ("negative variance", "conv1_bn/moving_variance holds numbers that no training leaves"),
        ("numbers for names", "or not in the format of published weights"),
        ("a group for numbers", "or not in the format of published weights"),
        ("whole numbers", "is of int64"),
    ],
)
def test_damaged_numbers(how, words, published, tmp_path):
    path, _ = published
    with h5py.File(shutil.copy(path, tmp_path / "damaged.h5"), "r+") as file:
        damage(file, how)
    with pytest.raises(UserError, match=f"is damaged.*{words}"):
        pretrained("resnet50", weights=tmp_path / "damaged.h5")


def test_what_nobody_publishes(published):
    path, _ = published
    with pytest.raises(UserError, match="there are no published weights of 'resnet5'; nearest: resnet50"):
        pretrained("resnet5", weights=path)
    with pytest.raises(UserError, match="sees 3 channels, but the pictures have 1"):
        pretrained("resnet50", weights=path, input_shape=(224, 224, 1))
    with pytest.raises(UserError, match="resnet50 cannot be built: pictures are 16x16 pixels"):
        pretrained("resnet50", weights=path, input_shape=(16, 16, 3))


def test_without_a_network(monkeypatch, tmp_path):
    def unreachable(*all, **named):
        raise OSError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setattr("keras.src.applications.imagenet_utils.CLASS_INDEX", None)
    monkeypatch.setattr("zoo.pretrained.applications.silence_of", lambda address: None)
    with pytest.raises(UserError, match=r"could not be fetched \(.*Name or service not known.*--weights FILE"):
        load_reference("vgg19", "imagenet")
    assert labels_of_imagenet()[:2] == ["class 0", "class 1"]


def test_a_server_that_does_not_answer_is_named_before_anything_is_built(monkeypatch):
    monkeypatch.setattr("zoo.pretrained.applications.silence_of", lambda address: "no answer")
    monkeypatch.setattr("zoo.pretrained.applications.was_fetched", lambda file: False)
    monkeypatch.setitem(PUBLISHED, "vgg19", PUBLISHED["vgg19"]._replace(ours=None, theirs=None))
    with pytest.raises(UserError, match=r"cannot be reached: no answer\): run this once where there is a network"):
        pretrained("vgg19")
    with pytest.raises(UserError, match="there is no such file: wanted imagenet"):
        pretrained("vgg19", weights="imagnet")
    assert labels_of_imagenet()[:2] == ["class 0", "class 1"]
    monkeypatch.setattr("zoo.pretrained.applications.was_fetched", lambda file: True)
    with pytest.raises(TypeError):  # and goes on to build, which is what was taken from it here
        pretrained("vgg19")


def test_a_server_that_answers_and_one_that_does_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert silence_of(address) is None
    assert "refused" in silence_of(address).lower()
    assert silence_of("http://127.0.0.1:99999999")


def test_what_keras_has_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = "invented_weights.h5"
    assert not was_fetched(name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).touch()
    assert was_fetched(name)


def test_predict_with_a_published_file(published, tmp_path, zoo_here):
    path, theirs = published
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "cat.png")
    done = zoo_here("predict", "resnet50", "--weights", path, tmp_path / "cat.png", "--json")
    assert done.returncode == 0, done.stderr
    logits = theirs(applications.resnet.preprocess_input(picture[None].astype("float32")))
    assert f'"label": "{labels_of_imagenet()[int(np.argmax(logits))]}"' in done.stdout
    assert_complaint(zoo_here("predict", "resnet50", tmp_path / "cat.png"), "--weights imagenet")


def test_every_published_network_has_a_builder_and_a_size():
    assert {224, 299} == SIDES
