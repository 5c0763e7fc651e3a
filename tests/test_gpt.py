"""The language model: its facts, its attention beside numpy, and that what it remembers changes no number."""

import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.layers.attention import SelfAttention, scaled_dot_product
from zoo.models import gpt, writer_of
from zoo.models.gpt import VARIANTS

VOCABULARY, CONTEXT = 11, 12
BUILDERS = {"plain": gpt, "gpt2": partial(gpt, dropout=0.1, bias=True, gelu="tanh")}


def tokens(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, (count, CONTEXT)).astype("int32")


@pytest.fixture(params=BUILDERS)
def build(request):
    keras.utils.set_random_seed(0)
    return partial(BUILDERS[request.param], VOCABULARY, CONTEXT)


def test_shape_and_type(build, policy):
    logits = build()(tokens())
    assert logits.shape == (3, CONTEXT, VOCABULARY)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def test_numbers_of_weights():
    # nanoGPT counts 0.80 M and 10.65 M, without the positions and without biases.
    assert gpt(65, 64).count_params() - 64 * 128 == 795_904
    assert round((gpt(65, 256, variant="mini").count_params() - 256 * 384) / 1e6, 2) == 10.65
    # as transformers counts its GPT-2
    assert gpt(50257, 1024, variant="small", bias=True, gelu="tanh").count_params() == 124_439_808


def test_every_weight_learns(build, policy):
    model = build()
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    model.fit(tokens(16), tokens(16), batch_size=8, epochs=2, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path


def test_saved_and_loaded(build, policy, tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(tokens()), model(tokens()))


def test_it_does_not_see_what_comes(build):
    model, text = build(), tokens(1)
    before = keras.ops.convert_to_numpy(model(text))
    text[0, 7] = (text[0, 7] + 1) % VOCABULARY
    after = keras.ops.convert_to_numpy(model(text))
    np.testing.assert_array_equal(before[:, :7], after[:, :7])
    assert np.abs(before[:, 7:] - after[:, 7:]).max(-1).min() > 0


@pytest.mark.parametrize("known", [1, 5, CONTEXT - 1])
def test_what_it_remembers_changes_no_number(build, known):
    model, text = build(), tokens()
    expected = keras.ops.convert_to_numpy(model(text))
    writer = writer_of(model)
    beginning = text.copy()
    beginning[:, known:] = 0  # what fills up must not be seen later
    logits, memory = writer.step(beginning, 0, writer.start(3))
    np.testing.assert_allclose(logits[:, :known], expected[:, :known], rtol=1e-5, atol=1e-6)
    for place in range(known, CONTEXT):
        logits, memory = writer.step(text[:, place : place + 1], place, memory)
        np.testing.assert_allclose(logits[:, 0], expected[:, place], rtol=1e-5, atol=1e-6)


def test_attention_by_the_formula():
    """softmax(Q K' / sqrt(d)) V of the chapters, in numpy, head by head."""
    random = np.random.default_rng(0)
    query, key, value = (random.normal(size=(2, count, 3, 4)) for count in (5, 6, 6))
    mask = random.random((2, 1, 5, 6)) < 0.7
    mask[..., 0] = True
    found = scaled_dot_product(*(np.float32(part) for part in (query, key, value)), mask)
    for row in range(2):
        for head in range(3):
            scores = query[row, :, head] @ key[row, :, head].T / np.sqrt(4)
            weights = np.where(mask[row, 0], np.exp(scores), 0)
            weights /= weights.sum(-1, keepdims=True)
            np.testing.assert_allclose(found[row, :, head], weights @ value[row, :, head], rtol=1e-5, atol=1e-6)


def test_complaints():
    with pytest.raises(ValueError, match=f"variant came as 'huge', but the known ones are {', '.join(VARIANTS)}"):
        gpt(10, 8, variant="huge")
    with pytest.raises(ValueError, match="gelu came as 'fast', but must be exact or tanh"):
        gpt(10, 8, gelu="fast")
    with pytest.raises(ValueError, match="heads came as 3, but must divide the width, 8"):
        SelfAttention(3, causal=True)(np.zeros((1, 2, 8), "float32"))


def test_same_outputs_on_jax(build, tmp_path):
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    model = build()
    model.save(tmp_path / "gpt.keras")
    np.savez(tmp_path / "gpt.npz", x=tokens(), logits=model(tokens()))
    script = (
        "import sys, keras, numpy as np\n"
        "import zoo.models\n"
        "assert keras.backend.backend() == 'jax' and 'tensorflow' not in sys.modules\n"
        "model, stored = keras.saving.load_model(f'{sys.argv[1]}/gpt.keras'), np.load(f'{sys.argv[1]}/gpt.npz')\n"
        "np.testing.assert_allclose(model(stored['x']), stored['logits'], rtol=1e-4, atol=1e-5)\n"
        "writer = zoo.models.writer_of(model)\n"
        "logits, _ = writer.step(stored['x'], 0, writer.start(3))\n"
        "np.testing.assert_allclose(logits, stored['logits'], rtol=1e-4, atol=1e-5)\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
