"""The Transformer: its facts, padding that changes nothing, and that what it remembers changes no number."""

import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.layers import CrossAttention, SinusoidalPositions
from zoo.models import transformer, transformer_classifier, writer_of
from zoo.models.transformer import VARIANTS

VOCABULARY, CLASSES = 12, 3
SMALL = {"width": 16, "heads": 4, "depth": 2, "hidden": 32}
BUILDERS = {
    "post": partial(transformer, VOCABULARY, **SMALL),
    "pre": partial(transformer, VOCABULARY, **SMALL, norm="pre", activation="gelu", decoder_depth=1),
    "untied": partial(transformer, VOCABULARY, **SMALL | {"depth": 1}, tied=False),
    "classifier": partial(transformer_classifier, VOCABULARY, CLASSES, **SMALL),
    "classifier_post": partial(transformer_classifier, VOCABULARY, CLASSES, **SMALL | {"depth": 1}, norm="post"),
}


def sentences(count: int, places: int, seed: int = 0) -> np.ndarray:
    """Tokens of sentences that are shorter and shorter, with 0 after their ends."""
    random = np.random.default_rng(seed)
    tokens = random.integers(3, VOCABULARY, (count, places))
    return (tokens * (np.arange(places) < random.integers(2, places + 1, (count, 1)))).astype("int32")


def inputs(name: str, count: int = 3):
    source = sentences(count, 7)
    return source if "classifier" in name else [source, sentences(count, 5, seed=1)]


@pytest.fixture(params=BUILDERS)
def name(request):
    keras.utils.set_random_seed(0)
    return request.param


@pytest.fixture(params=["post", "pre", "untied"])
def translator(request):
    keras.utils.set_random_seed(1)
    return BUILDERS[request.param]()


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_shape_and_type(name, policy):
    logits = BUILDERS[name]()(inputs(name))
    assert logits.shape == ((3, CLASSES) if "classifier" in name else (3, 5, VOCABULARY))
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def weights(vocabulary: int, **options) -> int:
    """How many a network has, which needs no room in memory for this."""
    with keras.StatelessScope(initialize_variables=False):
        return transformer(vocabulary, **options).count_params()


def test_numbers_of_weights():
    # as PyTorch counts the network that it is timed beside
    assert weights(8000, width=128, heads=8, depth=4, hidden=512, tied=False) == 4_931_392
    assert weights(37_000, **VARIANTS["base"]) == 63_082_496


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


@pytest.mark.parametrize("row", TABLE_3)
def test_numbers_of_weights_of_table_3(row):
    """All rows but "big" are those of 41,000 tokens; with the "about 37000" of section 5.1 the base model has 63 M."""
    settings, millions = TABLE_3[row]
    assert round(weights(41_000, **(VARIANTS["base"] | settings)) / 1e6) == millions


def test_number_of_weights_of_big():
    """213 M in table 3, which is 0.6 % below what 37,000 tokens give."""
    assert weights(37_000, **VARIANTS["big"]) / 213e6 == pytest.approx(1, abs=0.006)


def test_every_weight_learns(name, policy):
    model = BUILDERS[name]()
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [array(v).copy() for v in model.trainable_variables]
    given = inputs(name, 32)
    answers = np.arange(32) % CLASSES if "classifier" in name else given[1]
    model.fit(given, answers, batch_size=8, epochs=2, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(array(variable) - old).max() > 0, variable.path


def test_saved_and_loaded(name, policy, tmp_path):
    model = BUILDERS[name]()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(inputs(name)), model(inputs(name)))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


def test_padding_changes_nothing(name):
    model, given = BUILDERS[name](), inputs(name)
    if "classifier" in name:
        np.testing.assert_allclose(model(np.pad(given, ((0, 0), (0, 6)))), model(given), rtol=1e-5, atol=1e-6)
        assert np.isfinite(model(np.zeros((1, 4), "int32"))).all()
        return
    source, target = given
    expected = array(model(given))
    longer = array(model([np.pad(source, ((0, 0), (0, 6))), np.pad(target, ((0, 0), (0, 4)))]))
    np.testing.assert_allclose(longer[:, :5][target > 0], expected[target > 0], rtol=1e-5, atol=1e-6)
    for row in range(3):
        alone = model([source[row : row + 1, : (source[row] > 0).sum()], target[row : row + 1]])
        np.testing.assert_allclose(alone[0], expected[row], rtol=1e-5, atol=1e-6)


def test_it_sees_the_source_and_what_is_written(translator):
    source, target = np.full((1, 4), 5, "int32"), np.full((1, 6), 6, "int32")
    before = array(translator([source, target]))
    target[0, 3] = 7
    after = array(translator([source, target]))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max(-1).min() > 0
    source[0, 2] = 8
    assert np.abs(array(translator([source, target])) - after).max(-1).min() > 0


def test_waves():
    """Section 3.5, in numpy."""
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    place, pair = np.arange(3, 8)[:, None], np.arange(3)[None]
    angle, waves = place / 10_000 ** (2 * pair / 6), np.zeros((5, 6))
    waves[:, 0::2], waves[:, 1::2] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(SinusoidalPositions()(x, at=3), x * np.sqrt(6) + waves, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("known", [1, 3])
def test_what_it_remembers_changes_no_number(translator, known):
    source, target = inputs("post")
    expected = array(translator([source, target]))
    writer = writer_of(translator)
    logits, memory = writer.step(target[:, :known], 0, writer.start(3, source, 6))
    np.testing.assert_allclose(logits, expected[:, :known], rtol=1e-5, atol=1e-5)
    for place in range(known, 5):
        logits, memory = writer.step(target[:, place : place + 1], place, memory)
        np.testing.assert_allclose(logits[:, 0], expected[:, place], rtol=1e-5, atol=1e-5)


def test_complaints():
    with pytest.raises(ValueError, match="norm came as 'both', but must be post or pre"):
        transformer(9, norm="both")
    with pytest.raises(ValueError, match="heads came as 3, but must divide the width, 16"):
        transformer(9, **SMALL | {"heads": 3})
    with pytest.raises(ValueError, match="heads came as 3, but must divide the width, 8"):
        CrossAttention(3)(np.zeros((1, 2, 8), "float32"), np.zeros((1, 2, 8), "float32"))
    with pytest.raises(ValueError, match="width came as 15, but must be even, for pairs of a sine and a cosine"):
        transformer(9, **SMALL | {"heads": 3, "width": 15})
    with pytest.raises(ValueError, match="decoder_depth came as 0, but must be at least 1"):
        transformer(9, decoder_depth=0)
    with pytest.raises(ValueError, match="heads came as 0, but must be at least 1"):
        transformer(9, heads=0)
    with pytest.raises(ValueError, match="depth came as 0, but must be at least 1"):
        transformer_classifier(9, 2, depth=0)


def test_same_outputs_on_jax(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    names = ("pre", "untied", "classifier")
    for name in names:
        model = BUILDERS[name]()
        model.save(tmp_path / f"{name}.keras")
        given = inputs(name)
        source, target = (given, given) if "classifier" in name else given
        np.savez(tmp_path / f"{name}.npz", source=source, target=target, logits=model(given))
    script = (
        "import sys, keras, numpy as np\n"
        "import zoo.models\n"
        "assert keras.backend.backend() == 'jax' and 'tensorflow' not in sys.modules\n"
        "for name in sys.argv[2:]:\n"
        "    model = keras.saving.load_model(f'{sys.argv[1]}/{name}.keras')\n"
        "    stored = np.load(f'{sys.argv[1]}/{name}.npz')\n"
        "    source, target, logits = stored['source'], stored['target'], stored['logits']\n"
        "    given = source if 'classifier' in name else [source, target]\n"
        "    np.testing.assert_allclose(model(given), logits, rtol=1e-4, atol=1e-5)\n"
        "    if 'classifier' not in name:\n"
        "        writer = zoo.models.writer_of(model)\n"
        "        found, _ = writer.step(target, 0, writer.start(len(source), source, 6))\n"
        "        np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)\n"
        "model, given = keras.saving.load_model(f'{sys.argv[1]}/pre.keras'), [source, target[:, :5]]\n"
        "model.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True))\n"
        "assert np.isfinite(model.train_on_batch(given, given[1]))\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *names],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
