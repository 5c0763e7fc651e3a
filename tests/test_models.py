"""One test for all builders: declared facts are true, every weight learns, saving changes nothing."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.layers import scaled
from zoo.models import (
    alexnet,
    bert,
    bert_masked,
    bert_tagger,
    bigmodel,
    cnn,
    googlenet,
    gpt,
    gru,
    inception_v3,
    lm,
    lstm,
    nlinear,
    recurrent,
    resnet,
    rnn,
    seq2seq,
    t5,
    tagger,
    transformer,
    transformer_classifier,
    vgg,
    vit,
    xception,
)
from zoo.models.bert import VARIANTS as BERTS
from zoo.models.bert import Variant as Bert
from zoo.models.inception import MODULES, mixed, tower
from zoo.models.resnet import VARIANTS as RESNETS
from zoo.models.resnet import Variant as ResNet
from zoo.models.t5 import VARIANTS as T5S
from zoo.models.t5 import Variant as T5
from zoo.models.transformer import VARIANTS as TRANSFORMERS

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
STEPS, VOCABULARY = (7, 5), 12
SMALL = {"width": 16, "heads": 4, "depth": 2, "hidden": 32}


def pixels(shape: tuple[int, ...], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def sequences(shape: tuple[int, int], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")


def tokens(length: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, (count, length)).astype("int32")


def sentences(count: int, length: int, seed: int = 0) -> np.ndarray:
    """Tokens of sentences of various lengths, with 0 after their ends; 1 and 2 are for what begins and ends one."""
    random = np.random.default_rng(seed)
    text = random.integers(3, VOCABULARY, (count, length))
    return (text * (np.arange(length) < random.integers(2, length + 1, (count, 1)))).astype("int32")


def pairs(count: int) -> list[np.ndarray]:
    return [sentences(count, 7), sentences(count, 5, seed=1)]


def spelled_sentences(count: int) -> list[np.ndarray]:
    """Words, and four letters of each."""
    words = sentences(count, 7)
    letters = np.random.default_rng(0).integers(1, 6, (*words.shape, 4)) * (words > 0)[..., None]
    return [words, letters.astype("int32")]


class Case(NamedTuple):
    """A builder with its positional arguments, a function from a count to as many inputs, and the outputs' shape."""

    build: Callable[[], keras.Model]
    inputs: Callable[[int], np.ndarray | list]
    outputs: tuple[int, ...]


def of_images(build: Callable, shape: tuple[int, int, int], classes: int) -> Case:
    return Case(partial(build, shape, classes), partial(pixels, shape), (classes,))


# Deep networks as shallow ones and wide ones as narrow ones, of the same code: `test_keras_applications.py` and
# `test_torch.py` compare them at their own size.


def short_resnet(input_shape, classes, *, blocks: tuple[int, ...], deep: bool, v2: bool = False, scaling: str = "unit"):
    with patch.dict(RESNETS, short=ResNet(blocks, deep, v2)):
        return resnet(input_shape, classes, variant="short", scaling=scaling)


def narrow_vgg(input_shape, classes, *, scaling: str = "unit", **options):
    with patch.object(sys.modules[vgg.__module__], "CHANNELS", (4, 8, 8, 16, 16)):
        return vgg(input_shape, classes, units=16, scaling=scaling, **options)


def narrow_googlenet(input_shape, classes, *, scaling: str = "unit", **options):
    with patch.dict(MODULES, {name: tuple(max(4, width // 8) for width in widths) for name, widths in MODULES.items()}):
        return googlenet(input_shape, classes, scaling=scaling, **options)


def short_bert(build, *arguments, **options):
    with patch.dict(BERTS, short=Bert(16, 2, 2)):
        return build(VOCABULARY, *arguments, variant="short", **options)


def text_and_places(count: int) -> list[np.ndarray]:
    return [sentences(count, 7), np.random.default_rng(2).integers(0, 7, (count, 4)).astype("int32")]


def narrow_t5(vocabulary, *, dropout: float = 0.1, **form):
    """Its heads together are wider than the rest, as those of some published ones."""
    with patch.dict(T5S, narrow=T5(width=16, heads=4, size=6, hidden=32, depth=2, **form)):
        return t5(vocabulary, variant="narrow", dropout=dropout)


def inception_modules(input_shape, classes, *, scaling: str = "symmetric"):
    """All kinds of steps of Inception v3, once each."""
    inputs = keras.Input(input_shape)
    x = tower(scaled(inputs, scaling), "stem", [(8, 3, 3, "valid"), "max"])
    x = mixed(x, "mixed", [(4, 1, 1)], [(4, 1, 7), (4, 7, 1)], ["average", (4, 1, 1)])
    x = keras.layers.GlobalAveragePooling2D()(mixed(x, "last", [(4, 3, 3, "halve")], ["max"]))
    return keras.Model(inputs, keras.layers.Dense(classes, dtype="float32")(x))


both_ways = partial(recurrent, STEPS, 3, units=(6, 4), bidirectional=True, every_step=True, dropout=0.1)
stack = partial(recurrent, STEPS, 3, units=(6, 4), dropout=0.1)
windows = partial(lm, VOCABULARY, 5, 4, embedding=6)
translate = partial(transformer, VOCABULARY, **SMALL)
recurrently = partial(seq2seq, VOCABULARY, width=6, units=8)
classify = partial(transformer_classifier, VOCABULARY, 3, **SMALL)
IMAGES = {
    "cnn": of_images(cnn, (28, 28, 1), 10),
    "cnn-colour": of_images(partial(cnn, filters=(8, 16, 8), dropout=0.2), (40, 33, 3), 3),
    "bigmodel": of_images(partial(bigmodel, filters=(4, 8), units=16), (12, 13, 3), 3),
    "bigmodel-regularised": of_images(
        partial(bigmodel, filters=(4, 8), units=16, l1=1e-4, l2=1e-4, batch_normalization=True, dropout=0.5),
        (9, 12, 1),
        2,
    ),
    "alexnet": of_images(partial(alexnet, units=16), (64, 63, 3), 3),
    "vgg11": of_images(narrow_vgg, (32, 40, 1), 3),
    "vgg11-normalised": of_images(partial(narrow_vgg, batch_normalization=True), (32, 32, 3), 10),
    "googlenet": of_images(partial(narrow_googlenet, auxiliary=False), (32, 40, 1), 3),
    "inception_v3": of_images(inception_v3, (75, 75, 3), 3),
    "inception_v3-modules": of_images(inception_modules, (24, 25, 3), 3),
    "resnet20": of_images(partial(short_resnet, blocks=(1, 2, 1), deep=False), (8, 9, 1), 3),
    "resnet18": of_images(partial(short_resnet, blocks=(1, 2, 1, 1), deep=False, scaling="caffe"), (32, 40, 3), 3),
    "resnet50": of_images(partial(short_resnet, blocks=(1, 2, 1, 1), deep=True), (32, 32, 3), 3),
    "resnet50v2": of_images(partial(short_resnet, blocks=(1, 3, 1, 1), deep=True, v2=True), (40, 32, 3), 3),
    "xception": of_images(partial(xception, middle=1), (32, 40, 3), 3),
    "vit": of_images(partial(vit, variant="micro"), (32, 32, 3), 10),
    "vit-hybrid": of_images(partial(vit, variant="micro", patch=2, stem=(8, 8), dropout=0.1), (16, 24, 1), 3),
}
SEQUENCES = {
    "rnn": Case(partial(rnn, STEPS, 3), partial(sequences, STEPS), (3,)),
    "nlinear": Case(partial(nlinear, STEPS, 3), partial(sequences, STEPS), (3,)),
    "recurrent-stack": Case(stack, partial(sequences, STEPS), (3,)),
    "recurrent-loop": Case(partial(stack, dropout=0.0), partial(sequences, STEPS), (3,)),
    "lstm-both-ways": Case(partial(both_ways, cell="lstm"), partial(sequences, STEPS), (7, 3)),
    "gru-both-ways": Case(partial(both_ways, cell="gru", dense=()), partial(sequences, STEPS), (7, 3)),
    "lm-lstm": Case(partial(windows, units=(8, 4), dropout=0.1), partial(tokens, 5), (5, VOCABULARY)),
    "lm-gru-tied": Case(partial(windows, cell="gru", units=(6,), tied=True), partial(tokens, 5), (5, VOCABULARY)),
    "lm-rnn": Case(partial(windows, cell="rnn", units=(8,)), partial(tokens, 5), (5, VOCABULARY)),
    "gpt": Case(partial(gpt, VOCABULARY, 10), partial(tokens, 10), (10, VOCABULARY)),
    "gpt-2": Case(
        partial(gpt, VOCABULARY, 10, dropout=0.1, bias=True, gelu="tanh"), partial(tokens, 10), (10, VOCABULARY)
    ),
    "transformer-post": Case(translate, pairs, (5, VOCABULARY)),
    "transformer-pre": Case(partial(translate, norm="pre", activation="gelu", decoder_depth=1), pairs, (5, VOCABULARY)),
    "transformer-untied": Case(partial(translate, depth=1, tied=False), pairs, (5, VOCABULARY)),
    "seq2seq-sutskever": Case(partial(recurrently, variant="sutskever"), pairs, (5, VOCABULARY)),
    "seq2seq-cho": Case(partial(recurrently, variant="cho"), pairs, (5, VOCABULARY)),
    "seq2seq-bahdanau": Case(recurrently, pairs, (5, VOCABULARY)),
    "t5": Case(partial(narrow_t5, VOCABULARY), pairs, (5, VOCABULARY)),
    "t5-1.1": Case(partial(narrow_t5, VOCABULARY, gated=True, tied=False), pairs, (5, VOCABULARY)),
    "tagger": Case(partial(tagger, VOCABULARY, 3, width=6, units=4, crf=False), partial(sentences, length=7), (7, 3)),
    "tagger-field": Case(partial(tagger, VOCABULARY, 3, 6, width=6, units=4, letters=3), spelled_sentences, (7, 3, 3)),
    "classifier": Case(classify, partial(sentences, length=7), (3,)),
    "classifier-post": Case(partial(classify, depth=1, norm="post"), partial(sentences, length=7), (3,)),
    "bert": Case(partial(short_bert, bert, 3), partial(sentences, length=7), (3,)),
    "bert-mean": Case(partial(short_bert, bert, 3, pooling="mean", roberta=True), partial(sentences, length=7), (3,)),
    "bert-tagger": Case(partial(short_bert, bert_tagger, 3, context=7), partial(sentences, length=7), (7, 3)),
    "bert-masked": Case(partial(short_bert, bert_masked, 7), text_and_places, (4, VOCABULARY)),
}
BUILDERS = IMAGES | SEQUENCES
# Each has only layers and options that another one has too: in float32 and on TensorFlow it shows what is its own.
COVERED = {"cnn-colour", "bigmodel", "vgg11", "inception_v3", "resnet18", "resnet50", "resnet50v2", "vit"}
COVERED |= {"recurrent-stack", "gpt", "transformer-post", "classifier-post", "seq2seq-cho", "t5", "tagger"}
COVERED |= {"bert", "bert-mean", "bert-tagger"}

# A builder with its arguments, and the number of weights that somebody else states for it.
COUNTS = {
    "cnn": (partial(cnn, (28, 28, 1), 10), 225_034),  # the chapters' code
    "bigmodel": (partial(bigmodel, (32, 32, 3), 10), 8_278_658),  # the same network in PyTorch
    "alexnet": (partial(alexnet, (224, 224, 3), 1000), 60_965_224),  # the sum over figure 2
    "vgg11": (partial(vgg, (224, 224, 3), 1000, variant="vgg11"), 132_863_336),  # torchvision
    "vgg13": (partial(vgg, (224, 224, 3), 1000, variant="vgg13"), 133_047_848),  # torchvision
    "vgg16": (partial(vgg, (224, 224, 3), 1000, variant="vgg16"), 138_357_544),
    "vgg19": (partial(vgg, (224, 224, 3), 1000, variant="vgg19"), 143_667_240),
    "googlenet": (partial(googlenet, (224, 224, 3), 1000, auxiliary=False), 6_998_552),  # which docs/networks.md states
    "xception": (partial(xception, (299, 299, 3), 1000), 22_910_480),
    "vit": (partial(vit, (32, 32, 3), 10), 2_693_578),  # the same network in PyTorch
    "vit_b16": (partial(vit, (224, 224, 3), 1000, variant="base", patch=16), 86_567_656),
    "vit_b32": (partial(vit, (224, 224, 3), 1000, variant="base", patch=32), 88_224_232),  # torchvision
    "vit_l16": (partial(vit, (224, 224, 3), 1000, variant="large", patch=16), 304_326_632),  # torchvision
    "vit_s16": (partial(vit, (224, 224, 3), 1000, variant="small", patch=16), 22_050_664),  # timm's DeiT
    "vit_ti16": (partial(vit, (224, 224, 3), 1000, variant="tiny", patch=16), 5_717_416),  # timm's DeiT
    # As PyTorch counts them, less its second bias.
    "rnn": (partial(rnn, (100, 1), 1), 131),
    "lstm": (partial(lstm, (100, 64), 10), 370_890),
    "gru": (partial(gru, (100, 64), 10), 281_546),
    "lm": (partial(lm, 10_000, 20), 4_651_600),  # Zaremba's small network, less the second bias
    "lm-carried": (partial(lm, 10_000, 20, 20), 4_651_600 + 20 * 4 * 200),  # and the states of 20 texts
    # nanoGPT counts 0.80 M, without the positions.
    "gpt": (partial(gpt, 65, 64), 795_904 + 64 * 128),
    "gpt-2": (partial(gpt, 50257, 1024, variant="small", bias=True, gelu="tanh"), 124_439_808),  # transformers
    # transformers' BertModel and RobertaModel, with the last layer of two classes; MiniLM as it is published.
    "bert-base": (partial(bert, 30522, 2, variant="base"), 109_482_240 + 2 * 769),
    "roberta-base": (partial(bert, 50265, 2, variant="base", roberta=True), 124_645_632 + 2 * 769),
    "minilm": (partial(bert, 30522, 2, variant="minilm"), 22_713_216 + 2 * 385),
    "t5-small": (partial(t5, 32_128, variant="small"), 60_506_624),  # transformers
    "t5-base": (partial(t5, 32_128, variant="base"), 222_903_552),  # transformers
    "t5-small-1.1": (partial(t5, 32_128, variant="small-1.1"), 76_961_152),  # transformers, with an output of its own
    # As PyTorch counts the network that it is timed beside, and the base model of table 3 with the paper's tokens.
    "transformer": (partial(transformer, 8000, width=128, heads=8, depth=4, hidden=512, tied=False), 4_931_392),
    "transformer-base": (partial(transformer, 37_000, **TRANSFORMERS["base"]), 63_082_496),
}
# The same of the weights that are trained: torchvision does not count moving statistics.
TRAINED_COUNTS = {
    "resnet18": (partial(resnet, (224, 224, 3), 1000, variant="resnet18"), 11_689_512),
    "resnet34": (partial(resnet, (224, 224, 3), 1000, variant="resnet34"), 21_797_672),
    "lm-carried": (partial(lm, 10_000, 20, 20), 4_651_600),
}
# He 2015, table 6, in millions.
TABLE_6 = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}
# Vaswani 2017, table 3, rows in which the heads together are as wide as the network; in millions.
TABLE_3 = {
    "base": ({}, 65),
    "2 blocks": ({"depth": 2}, 36),
    "4 blocks": ({"depth": 4}, 50),
    "8 blocks": ({"depth": 8}, 80),
    "narrow": ({"width": 256}, 28),
    "wide": ({"width": 1024}, 168),
    "less hidden": ({"hidden": 1024}, 53),
    "more hidden": ({"hidden": 4096}, 90),
}


def weights_of(build: Callable[[], keras.Model], count: Callable = keras.Model.count_params) -> int:
    """What `count` finds in a network, which takes no room: its weights have shapes, but never any values."""
    with keras.StatelessScope(initialize_variables=False):
        found = count(build())
    # Otherwise Keras would give them values when the next such scope ends, which it opens by itself.
    keras.utils.clear_session(free_memory=False)
    return found


def trained(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(
    scope="module",
    params=[(name, policy) for name in BUILDERS for policy in (POLICIES if name not in COVERED else POLICIES[:1])],
    ids="-".join,
)
def network(request):
    """A case, and its network in each precision, made once for the tests that share it."""
    name, policy = request.param
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    yield BUILDERS[name], BUILDERS[name].build(), policy
    keras.config.set_dtype_policy("float32")


def test_shape_and_type(network):
    case, model, _ = network
    logits = model(case.inputs(count=4))
    assert logits.shape == (4, *case.outputs)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def test_saved_and_loaded(network, tmp_path):
    """With what it carries, for those that carry something: their first answers differ from their second."""
    case, model, policy = network
    keras.config.set_dtype_policy(policy)
    model(case.inputs(count=4))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(model(case.inputs(count=4)), again(case.inputs(count=4)))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_every_weight_learns(network):
    """The last of the tests that share a network, for it changes it; states and moving statistics change too."""
    case, model, policy = network
    keras.config.set_dtype_policy(policy)
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":  # Keras begins with a scale of 2 ** 15 and skips the steps in which that overflows
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16)
    # The deep ones eagerly: to draw their graphs takes longer than these few steps. Whole fits are in test_recipes.py.
    deep = len(model.layers) > 40
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=deep)
    variables = [variable for variable in model.variables if "seed_generator" not in variable.path]
    before = [array(variable).copy() for variable in variables]
    labels = np.random.default_rng(1).integers(0, case.outputs[-1], (8, *case.outputs[:-1]))
    model.fit(case.inputs(count=8), labels, batch_size=4, epochs=2, verbose=0)
    for variable, old in zip(variables, before, strict=True):
        assert np.abs(array(variable) - old).max() > 0, variable.path


@pytest.mark.parametrize("name", IMAGES)
def test_rescales_inside(name):
    build = BUILDERS[name].build
    scaling = inspect.signature(build).parameters.get("scaling")
    expected = {
        "unit": lambda x: x / 255,
        "symmetric": lambda x: x / 127.5 - 1,
        "caffe": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    }[scaling.default if scaling else "unit"]
    model, images = build(), BUILDERS[name].inputs(count=4).astype("float32")
    inside = keras.Model(model.input, model.get_layer("rescale").output)
    np.testing.assert_allclose(inside(images), expected(images.astype("float64")), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_weights(name):
    build, stated = COUNTS[name]
    assert weights_of(build) == stated


@pytest.mark.parametrize("name", TRAINED_COUNTS)
def test_number_of_weights_that_are_trained(name):
    build, stated = TRAINED_COUNTS[name]
    assert weights_of(build, trained) == stated


@pytest.mark.parametrize("variant", TABLE_6)
def test_number_of_weights_of_table_6(variant):
    stated = TABLE_6[variant]
    digits = len(str(stated).split(".")[1])
    assert round(weights_of(partial(resnet, (32, 32, 3), 10, variant=variant), trained) / 1e6, digits) == stated


@pytest.mark.parametrize("row", TABLE_3)
def test_numbers_of_weights_of_table_3(row):
    """All rows but "big" are those of 41,000 tokens; with the "about 37000" of section 5.1 the base model has 63 M."""
    settings, millions = TABLE_3[row]
    found = weights_of(partial(transformer, 41_000, **TRANSFORMERS["base"] | settings))
    assert round(found / 1e6) == millions


def test_rounded_numbers_of_weights():
    """213 M in table 3, which is 0.6 % below what 37,000 tokens give; 10.65 M in nanoGPT, without the positions."""
    assert weights_of(partial(transformer, 37_000, **TRANSFORMERS["big"])) / 213e6 == pytest.approx(1, abs=0.006)
    assert round((weights_of(partial(gpt, 65, 256, variant="mini")) - 256 * 384) / 1e6, 2) == 10.65


def test_number_of_weights_of_googlenet():
    """Szegedy 2014, table 1, column "params" in units of 1024.

    Its own widths do not give its own sums for modules 4c and 5a (7 and 5 % off), nor for the first convolution.
    """
    stated = {"conv2": 112, "3a": 159, "3b": 380, "4a": 364, "4b": 437, "4d": 580, "4e": 840, "5b": 1388}

    def check(model: keras.Model) -> None:
        for stage, thousands in stated.items():
            name = stage if stage == "conv2" else f"module{stage}"
            found = sum(layer.count_params() for layer in model.layers if layer.name.startswith(name)) / 1024
            assert found == pytest.approx(thousands, rel=0.02), stage
        assert [model.get_layer(f"module{name}").output.shape[-1] for name in MODULES] == [
            256, 480, 512, 512, 512, 528, 832, 832, 1024
        ]  # fmt: skip
        assert model.get_layer("logits").count_params() / 1024 == pytest.approx(1000, rel=0.01)

    weights_of(partial(googlenet, (224, 224, 3), 1000), check)


@pytest.mark.parametrize("build", [resnet, vgg, vit])
def test_unknown_variant(build):
    with pytest.raises(ValueError, match=r"variant came as 'nonsense', but the known ones are .*, "):
        build((32, 32, 3), 10, variant="nonsense")


@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (cnn, (9, 28, 1), "9x28 pixels, but 2 stages of 3x3 convolution and pooling need 10x10"),
        (bigmodel, (3, 3, 1), "3x3 pixels, but halving them 2 times needs 4x4"),
        (alexnet, (62, 80, 1), "62x80 pixels, but alexnet's strides and poolings need 63x63"),
        (vgg, (32, 31, 1), "32x31 pixels, but vgg11 halves them 5 times and needs 32x32"),
        (googlenet, (31, 31, 1), "31x31 pixels, but googlenet halves them 5 times and needs 32x32"),
        (inception_v3, (74, 75, 1), "74x75 pixels, .* needs 75x75"),
        (resnet, (3, 9, 1), "3x9 pixels, but resnet20 halves them 2 times and needs 4x4"),
        (partial(resnet, variant="resnet50"), (31, 32, 1), "31x32 pixels, but resnet50 .* or resnet20"),
        (xception, (31, 31, 1), "31x31 pixels, but xception halves them 5 times and needs 32x32"),
        (vit, (30, 32, 1), "30x32 pixels, but patches of 4x4 need multiples of 4 on both sides"),
        (partial(vit, patch=0), (32, 32, 1), "patch came as 0, but must be at least 1 pixel"),
        (partial(xception, middle=-1), (32, 32, 1), "middle came as -1, but must be 0 or more"),
    ],
)
def test_images_and_settings_that_do_not_fit(build, shape, words):
    with pytest.raises(ValueError, match=words):
        build(shape, 10)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (partial(recurrent, STEPS, 3, cell="elman"), "cell came as 'elman', but the known ones are rnn, lstm, gru"),
        (
            partial(recurrent, STEPS, 3, units=()),
            "units came empty, but the network needs at least one recurrent layer",
        ),
        (partial(lm, 10, 8, cell="elman"), "cell came as 'elman', but the known ones are rnn, lstm, gru"),
        (partial(lm, 10, 8, units=()), "units came empty, but the network needs at least one recurrent layer"),
        (partial(lm, 10, 8, units=(200, 100), tied=True), "tied to an embedding of 200 the last must be 200"),
        (partial(gpt, 10, 8, variant="huge"), "variant came as 'huge', but the known ones are nano, mini, small, .*, "),
        (partial(t5, 10, variant="huge"), "variant came as 'huge', but the known ones are nano, small, base, .*, "),
        (partial(gpt, 10, 8, gelu="fast"), "gelu came as 'fast', but must be exact or tanh"),
        (partial(transformer, 9, norm="both"), "norm came as 'both', but must be post or pre"),
        (partial(transformer, 9, **SMALL | {"heads": 3}), "heads came as 3, but must divide the width, 16"),
        (partial(transformer, 9, heads=3, width=15), "width came as 15, but must be even, for pairs"),
        (partial(transformer, 9, decoder_depth=0), "decoder_depth came as 0, but must be at least 1"),
        (partial(transformer, 9, heads=0), "heads came as 0, but must be at least 1"),
        (partial(transformer_classifier, 9, 2, depth=0), "depth came as 0, but must be at least 1"),
    ],
)
def test_settings_of_sequences_that_do_not_fit(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize(("build", "side"), [(cnn, 10), (resnet, 4), (partial(alexnet, units=8), 63), (vit, 4)])
def test_smallest_image(build, side):
    assert build((side, side, 1), 2)(pixels((side, side, 1))).shape == (4, 2)


@pytest.mark.parametrize(("build", "padding"), [(cnn, 0), (bigmodel, 1)])
def test_equals_the_formula(build, padding):
    """The whole forward pass against plain numpy: padding, order of weights, pooling of odd sides."""
    model = build((11, 10, 2), 3, filters=(2, 3), units=4)
    weights = iter([array(v).astype("float64") for v in model.trainable_variables])
    x = pixels((11, 10, 2)) / 255
    for _ in range(2):
        kernel, bias = next(weights), next(weights)
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        height, width = x.shape[1] - 2, x.shape[2] - 2
        y = np.zeros((len(x), height, width, kernel.shape[-1]))
        for row in range(3):
            for column in range(3):
                y += x[:, row : row + height, column : column + width] @ kernel[row, column]
        y = np.maximum(y + bias, 0)[:, : height // 2 * 2, : width // 2 * 2]
        x = y.reshape(len(y), height // 2, 2, width // 2, 2, -1).max((2, 4))
    x = np.maximum(x.reshape(len(x), -1) @ next(weights) + next(weights), 0)
    logits = x @ next(weights) + next(weights)
    np.testing.assert_allclose(model(pixels((11, 10, 2))), logits, rtol=1e-4, atol=1e-5)


def test_grouped_convolution_of_alexnet():
    """The second convolution: each half of the channels sees one half of what came before."""
    model = alexnet((63, 63, 3), 2, units=4)
    kernel, bias = (array(w).astype("float64") for w in model.get_layer("conv2").weights)
    layer = model.get_layer("conv2")
    inside = keras.Model(model.input, [layer.input, layer.output])
    x, y = (np.asarray(values, "float64") for values in inside(pixels((63, 63, 3))))
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for group in range(2):
        seen, made = slice(48 * group, 48 * group + 48), slice(128 * group, 128 * group + 128)
        total = bias[made] + sum(
            padded[:, row : row + height, column : column + width, seen] @ kernel[row, column, :, made]
            for row in range(5)
            for column in range(5)
        )
        np.testing.assert_allclose(y[..., made], np.maximum(total, 0), rtol=1e-4, atol=1e-5)


ON_JAX = """
import sys, keras, numpy as np
import zoo.models
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
from test_models import BUILDERS, IMAGES, array
from test_sequences import WRITTEN, written
for name in sys.argv[2:]:
    path, stored = f"{sys.argv[1]}/{name}.keras", np.load(f"{sys.argv[1]}/{name}.npz")["logits"]
    case, close = BUILDERS[name], {"rtol": 0, "atol": 3e-4 * np.abs(stored).max(), "err_msg": name}
    if name in IMAGES:
        with keras.StatelessScope(initialize_variables=False):  # for each shape JAX would compile how to draw numbers
            model = case.build()
        model.load_weights(path)
        keras.utils.clear_session(free_memory=False)
    else:
        model = keras.saving.load_model(path)
    given = case.inputs(count=4)
    for logits in stored:
        np.testing.assert_allclose(model(given), logits, **close)
    if name in WRITTEN and not name.startswith("lm"):  # one that carries a state does not begin with an empty one
        np.testing.assert_allclose(written(model, given, 2), stored[0], **close)
    if len(model.layers) < 20 and name in IMAGES or name == "transformer-pre":
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        assert np.isfinite(model.train_on_batch(given, np.zeros((4, *case.outputs[:-1]), "int32"))), name
"""


def test_same_outputs_on_jax(tmp_path):
    """The builders know only Keras: a network saved here gives the same logits on the other backend."""
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    names = [name for name in BUILDERS if name not in COVERED]
    for name in names:
        case = BUILDERS[name]
        model = case.build()
        model.save(tmp_path / f"{name}.keras")
        times = 2 if name.startswith("lm") else 1  # which carries something from one batch to the next
        np.savez(tmp_path / f"{name}.npz", logits=[array(model(case.inputs(count=4))) for _ in range(times)])
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # to compile, not to run
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": quick,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
    }
    command = [sys.executable, "-c", ON_JAX, str(tmp_path), *names]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
