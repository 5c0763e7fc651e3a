"""Explanations: each method against what it must give, where that is known, and the verb as a person types it."""

from __future__ import annotations

import errno
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from keras import layers
from PIL import Image

from zoo.data import Rows, Series, Texts
from zoo.data.features import Tokens, by_number, of_picture
from zoo.data.source import knowing
from zoo.data.tokens import learn
from zoo.errors import UserError
from zoo.explain import Name, explain
from zoo.explained import METHODS, Settings, check, drawn, explained
from zoo.explained.cam import guided, with_maps
from zoo.explained.checks import curves, likeness, randomised, verdict
from zoo.explained.explanation import features_of
from zoo.explained.question import Attribution, Question
from zoo.explained.segments import segments, windows
from zoo.fit import fit
from zoo.models import bert, cnn, nlinear, resnet, rnn, textcnn, transformer_classifier, vit
from zoo.recipes import RECIPES
from zoo.tasks.task import Aim

RANDOM = np.random.default_rng(0)


def question(model, given, place=1, features=None, **aim) -> Question:
    """A question about one of the outputs for an input."""
    features = features or (of_picture(given) if given.ndim == 3 else by_number(given.shape))
    return Question(model, Aim(given, (place,), "logit of b", "logit", **aim), features)


def tokens(length: int, real: int) -> tuple[np.ndarray, Tokens]:
    """A text of some tokens, and padding."""
    given = np.pad(RANDOM.integers(1, 30, real), (0, length - real)).astype("int32")
    groups = np.where(given > 0, np.arange(length), -1)
    return given, Tokens(groups, [f"t{number}" for number in given[:real]])


def trained_like(model: keras.Model) -> keras.Model:
    """The network with larger weights than it begins with, and statistics of batches that are not 0 and 1."""
    for weight in model.weights:
        if "float" in weight.dtype and "seed" not in weight.path:
            value = keras.ops.convert_to_numpy(weight) + 0.05 * RANDOM.normal(size=weight.shape)
            weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)
    return model


def test_the_command_knows_all_methods():
    assert get_args(Name) == tuple(METHODS)


NETWORKS = {
    "ReLU and max pooling": lambda: cnn((12, 12, 1), 3, filters=(4, 6), units=8),
    "batch normalisation": lambda: resnet((8, 8, 3), 3, variant="resnet20"),
    "attention": lambda: vit((8, 8, 3), 3, variant="micro", patch=4),
    "recurrence": lambda: rnn((7, 2), 3),
    "a linear forecast": lambda: nlinear((7, 2), 3),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_integrated_gradients_are_complete(network):
    model = trained_like(NETWORKS[network]())
    given = RANDOM.uniform(0, 255, model.input_shape[1:]) if len(model.input_shape) == 4 else RANDOM.normal(size=(7, 2))
    asked = question(model, np.float32(given))
    found = METHODS["integrated_gradients"].compute(asked, Settings(steps=8))
    difference = asked.number - asked.nothing
    assert found.total == pytest.approx(difference, abs=1e-3 * max(1, abs(difference)))
    assert found.values.sum() == pytest.approx(found.total)
    assert found.difference == pytest.approx(difference, abs=1e-4)


TEXTS = {
    "convolutions": lambda: textcnn(30, 3, width=8, filters=6),
    "two tables": lambda: textcnn(30, 3, 8, variant="multichannel", filters=6),
    "encoder": lambda: transformer_classifier(30, 3, width=8, heads=2, hidden=16),
    "one block": lambda: transformer_classifier(30, 3, width=8, heads=2, depth=1, hidden=16),
    "bert": lambda: bert(30, 3, variant="tiny", context=12),
}


@pytest.mark.parametrize("network", TEXTS)
def test_integrated_gradients_of_tokens(network):
    """Complete from vectors of zero on; what is padding gets nothing, and the network is the same afterwards."""
    model, (given, features) = trained_like(TEXTS[network]()), tokens(12, 7)
    before = np.array(model(given[None]))
    asked = question(model, given, features=features)
    found = METHODS["integrated_gradients"].compute(asked, Settings(steps=8))
    assert found.total == pytest.approx(found.difference, abs=1e-3 * max(1, abs(found.difference)))
    assert found.values.shape == (7,)
    assert found.values.sum() == pytest.approx(found.total, abs=1e-5)
    np.testing.assert_array_equal(model(given[None]), before)


@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam", "guided_grad_cam", "occlusion"])
def test_half_precision_of_pictures(method, policy):
    asked = question(cnn((12, 12, 1), 3, filters=(4, 6), units=8), RANDOM.uniform(0, 255, (12, 12, 1)))
    found = METHODS[method].compute(asked, Settings(steps=1000))
    assert np.isfinite(found.values).all()
    if found.total is not None:
        assert found.total == pytest.approx(found.difference, abs=0.1)


@pytest.mark.parametrize("method", ["integrated_gradients", "attention_rollout"])
def test_half_precision_of_texts(method, policy):
    given, features = tokens(12, 7)
    found = METHODS[method].compute(question(TEXTS["encoder"](), given, features=features), Settings(steps=1000))
    assert np.isfinite(found.values).all()


def test_linear_networks_are_explained_exactly():
    """All methods that share out the output agree where it is a sum: each thing counts its weight times its value."""
    model, given = rows_network(), RANDOM.normal(size=6).astype("float32")
    kernel = model.layers[-1].get_weights()[0][:, 1]
    asked = question(model, given)
    for name in ("gradient_x_input", "integrated_gradients", "occlusion"):
        np.testing.assert_allclose(METHODS[name].compute(asked, Settings()).values, kernel * given, atol=1e-5)
    np.testing.assert_allclose(METHODS["gradient"].compute(asked, Settings()).values, kernel, atol=1e-6)
    np.testing.assert_allclose(METHODS["smoothgrad"].compute(asked, Settings()).values, kernel, atol=1e-6)


def rows_network() -> keras.Model:
    """A linear function of six numbers."""
    inputs = keras.Input((6,))
    return trained_like(keras.Model(inputs, layers.Dense(3, name="logits")(inputs)))


def test_unit_of_the_answer():
    """A forecast is explained in the unit of the data: the network's deviations times the deviation."""
    model, given = rows_network(), RANDOM.normal(size=6).astype("float32")
    plain, scaled = (
        METHODS["integrated_gradients"].compute(question(model, given, scale=s), Settings()) for s in (1, 50)
    )
    np.testing.assert_allclose(scaled.values, 50 * plain.values, rtol=1e-5)


def test_baseline_is_the_mean_of_the_picture():
    given = RANDOM.uniform(0, 255, (12, 12, 1)).astype("float32")
    asked = Question(cnn((12, 12, 1), 3), Aim(given, (0,), "", "logit"), of_picture(given), "mean")
    np.testing.assert_allclose(asked.baseline, given.mean(), rtol=1e-5)
    with pytest.raises(UserError, match="--baseline came as mean, which only pictures"):
        Question(rows_network(), Aim(given[0, :6, 0], (0,), "", "logit"), by_number((6,)), "mean")


def test_occlusion_of_a_picture_by_hand():
    """A network that adds up its pixels: each square takes away the sum of what it hides."""
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.ops.sum(inputs, (1, 2)))
    given = RANDOM.uniform(0, 1, (8, 8, 1)).astype("float32")
    asked = question(model, given, place=0)
    squares = windows(asked.features)
    assert set(squares.sum(1)) <= {1, 2, 4}  # 2x2, and less at the edges
    assert len(set(squares.sum(0))) == 1  # each pixel is hidden equally often
    expected = np.mean([given[..., 0].reshape(-1)[row].sum() for row in squares[squares[:, 27]]])
    assert METHODS["occlusion"].compute(asked, Settings()).values[27] == pytest.approx(expected, rel=1e-4)


def test_grad_cam_by_hand():
    """A convolution, the mean of its maps, and a dense layer, in numpy."""
    inputs = keras.Input((6, 8, 1))
    features = layers.Conv2D(3, 3, activation="relu", padding="same", strides=2, name="maps")(inputs)
    logits = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(features))
    model = trained_like(keras.Model(inputs, logits))
    given = RANDOM.normal(size=(6, 8, 1)).astype("float32")
    found = METHODS["grad_cam"].compute(question(model, given), Settings(layer="maps"))
    kernel, bias = model.get_layer("maps").get_weights()
    around = np.pad(given[..., 0], ((0, 1), (0, 1)))  # with "same" and a stride of 2, on an even size
    maps = np.zeros((3, 4, 3))
    for row, column, channel in np.ndindex(maps.shape):
        patch = around[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        maps[row, column, channel] = max((patch * kernel[:, :, 0, channel]).sum() + bias[channel], 0)
    alphas = model.get_layer("logits").get_weights()[0][:, 1] / 12  # the same gradient everywhere
    coarse = np.maximum((maps * alphas).sum(-1), 0)
    values = found.values.reshape(6, 8)
    assert values[0, 0] == pytest.approx(coarse[0, 0], abs=1e-6)  # corners are not mixed with others
    assert values[-1, -1] == pytest.approx(coarse[-1, -1], abs=1e-6)
    assert values[1, 1] == pytest.approx(
        0.75**2 * coarse[0, 0] + 0.75 * 0.25 * (coarse[0, 1] + coarse[1, 0]) + 0.25**2 * coarse[1, 1], abs=1e-6
    )


def test_guided_backpropagation_by_hand():
    """Only positive gradients pass a ReLU, and only where it is open; afterwards the network is as it was."""
    inputs = keras.Input((3, 3, 1))
    x = layers.ReLU(name="relu")(layers.Conv2D(2, 1, activation="relu", name="maps")(inputs))
    model = keras.Model(inputs, layers.Dense(2, use_bias=False, name="logits")(layers.GlobalMaxPooling2D()(x)))
    model.get_layer("maps").set_weights([np.array([[[[2.0, -1.0]]]]), np.zeros(2)])
    model.get_layer("logits").set_weights([np.array([[0.0, 3.0], [0.0, -5.0]])])
    given = np.full((3, 3, 1), -1, "float32")
    given[1, 1] = 4
    asked = question(model, given)
    plain = next(asked.gradients(asked.point[None]))[0]
    with guided(model):
        (led,) = next(asked.gradients(asked.point[None]))
    assert led[1, 1, 0] == 6  # through the first map, which is open there
    np.testing.assert_array_equal(led[..., 0] != 0, np.arange(9).reshape(3, 3) == 4)
    np.testing.assert_array_equal(next(asked.gradients(asked.point[None]))[0], plain)
    assert plain.sum() == 6 + 5  # through the second map, which is open at -1, but has a negative gradient


def test_layers_for_grad_cam():
    model = resnet((8, 8, 3), 3, variant="resnet20")
    assert with_maps(model)[-1] == [layer.name for layer in model.layers if len(layer.output.shape) == 4][-1]
    assert with_maps(cnn((12, 12, 1), 3))[-1] == "stage2_conv"
    given = np.zeros((8, 8, 3), "float32")
    with pytest.raises(
        UserError, match=r"--layer came as 'stage1', which is no layer of .* with feature maps; nearest"
    ):
        METHODS["grad_cam"].compute(question(model, given), Settings(layer="stage1"))


def test_what_cannot_be_explained_says_what_can():
    with pytest.raises(
        UserError, match=r"grad_cam, but rnn has no convolutions over pictures: .* integrated_gradients"
    ):
        check(["gradient", "grad_cam"], rnn((5, 1), 2))
    with pytest.raises(UserError, match=r"attention, but cnn has no attention that zoo can read: .* grad_cam"):
        check(["attention"], cnn((12, 12, 1), 3))
    with pytest.raises(UserError, match="guided_grad_cam, but vit_micro has no ReLU"):
        check(["guided_grad_cam"], vit((8, 8, 3), 3, variant="micro"))


@pytest.mark.parametrize("part", ["lime", "shap"])
def test_without_the_extra(part, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(UserError, match=rf'package {part}, .*pip install -e "\.\[explain\]"'):
        check([part], rows_network())


def eight_features() -> tuple[keras.Model, np.ndarray]:
    """A function of eight numbers in which two are exchangeable, and one has no part."""
    inputs = keras.Input((8,))
    twins = inputs[:, :1] * inputs[:, 2:3] + inputs[:, 1:2] * inputs[:, 2:3]
    rest = layers.Dense(4, "relu", name="mixed")(inputs[:, 2:7])
    model = keras.Model(inputs, keras.ops.concatenate([twins, layers.Dense(1, name="out")(rest) + twins], -1))
    given = RANDOM.normal(size=8).astype("float32")
    given[1] = given[0]
    return trained_like(model), given


def enumerated(function, count: int) -> np.ndarray:
    """Shapley values by their definition, over all subsets."""
    subsets = list(itertools.product((False, True), repeat=count))
    value = dict(zip(subsets, function(np.array(subsets)).tolist(), strict=True))
    found = np.zeros(count)
    for there, number in value.items():
        size = sum(there)
        for part in np.flatnonzero(~np.array(there)):
            with_part = tuple(np.array(there) | (np.arange(count) == part))
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            found[part] += weight * (value[with_part] - number)
    return found


@pytest.mark.extra
def test_exact_shapley_values():
    pytest.importorskip("shap", reason='the extra "explain" has it')
    model, given = eight_features()
    first, second = (question(model, given, place) for place in (0, 1))
    found = [METHODS["shap"].compute(one, Settings()) for one in (first, second)]
    for one, asked in zip(found, (first, second), strict=True):
        np.testing.assert_allclose(one.values, enumerated(asked.numbers_of_kept, 8), atol=1e-5)
        assert "exact, from all 256 subsets" in one.said[0]
        assert one.total == pytest.approx(asked.number - asked.nothing, abs=1e-4)  # efficiency
        assert one.values[0] == pytest.approx(one.values[1], abs=1e-5)  # symmetry
        assert one.values[7] == pytest.approx(0, abs=1e-6)  # dummy
    both = keras.Model(model.input, keras.ops.sum(model.output, -1, keepdims=True))
    together = METHODS["shap"].compute(question(both, given, 0), Settings()).values
    np.testing.assert_allclose(together, found[0].values + found[1].values, atol=1e-5)  # additivity


@pytest.mark.extra
def test_shap_of_many_parts_and_by_gradients():
    pytest.importorskip("shap", reason='the extra "explain" has it')
    model, given = trained_like(cnn((12, 12, 1), 3, filters=(4, 6), units=8)), RANDOM.uniform(0, 255, (12, 12, 1))
    asked = question(model, np.float32(given))
    parts = METHODS["shap"].compute(asked, Settings(samples=200))
    assert parts.total == pytest.approx(asked.number - asked.nothing, abs=1e-3)
    assert "36 regions" in parts.said[0]
    drawn = METHODS["gradient_shap"].compute(asked, Settings(samples=300))
    exact = METHODS["integrated_gradients"].compute(asked, Settings())
    assert np.corrcoef(drawn.values, exact.values)[0, 1] > 0.9
    text, features = tokens(12, 7)
    of_text = METHODS["gradient_shap"].compute(question(TEXTS["encoder"](), text, features=features), Settings())
    assert of_text.values.shape == (7,)


@pytest.mark.extra
def test_lime_finds_a_linear_function():
    pytest.importorskip("lime", reason='the extra "explain" has it')
    model, given = rows_network(), RANDOM.normal(size=6).astype("float32")
    found = METHODS["lime"].compute(question(model, given), Settings())
    kernel = model.layers[-1].get_weights()[0][:, 1]
    np.testing.assert_allclose(found.values, kernel * given, rtol=0.05, atol=0.02)  # its ridge shrinks them
    assert "R2 of 1.00" in found.said[0]


@pytest.mark.extra
def test_segments():
    """LIME's own segmentation sees one region in a digit of 8x8 pixels."""
    small = of_picture(np.zeros((8, 8, 1)))
    assert segments(small).max() + 1 == 64
    assert segments(of_picture(np.zeros((28, 28, 1)))).max() + 1 == 49
    pytest.importorskip("skimage", reason='the extra "explain" has it')
    picture = np.zeros((40, 60, 3))
    picture[:, 30:] = 255
    parts = segments(of_picture(picture)).reshape(40, 60)
    assert 10 < parts.max() < 100
    assert not set(parts[:, :30].flat) & set(parts[:, 30:].flat)  # no region crosses the edge


@pytest.mark.parametrize("network", ["encoder", "one block", "bert"])
def test_attention_of_texts(network):
    """Maps and rollout by hand from the blocks' own weights."""
    model, (given, features) = trained_like(TEXTS[network]()), tokens(12, 7)
    asked = question(model, given, features=features)
    blocks = [layer for layer in model.layers if type(layer).__name__ == "EncoderBlock"]
    maps = []
    for block in blocks:
        x, mask = keras.Model(model.input, block.input)(given[None])
        maps.append(np.array(block.attention_weights(x, mask))[0].mean(0))
        np.testing.assert_allclose(maps[-1].sum(-1), 1, atol=1e-5)
        assert maps[-1][:, 7:].max() < 1e-6  # padding is not attended to
    read = np.eye(12)[0] if network == "bert" else np.repeat([1 / 7, 0], [7, 5])  # [CLS], or the mean of all
    rolled = read
    for one in reversed(maps):
        rolled = (rolled @ one + rolled) / 2
    last, all_of_them = (METHODS[name].compute(asked, Settings()) for name in ("attention", "attention_rollout"))
    np.testing.assert_allclose(last.values, (read @ maps[-1])[:7], atol=1e-5)
    np.testing.assert_allclose(all_of_them.values, rolled[:7], atol=1e-5)
    assert "no explanation by itself" in last.said[1]


def test_attention_of_pictures():
    model, given = trained_like(vit((8, 12, 3), 3, variant="micro")), RANDOM.uniform(0, 255, (8, 12, 3))
    found = METHODS["attention_rollout"].compute(question(model, np.float32(given)), Settings()).values.reshape(8, 12)
    assert len(set(found.flat)) == 6  # one for each patch of 4x4
    assert 0 < found[::4, ::4].sum() < 1  # the rest is on the class token
    assert METHODS["attention"].compute(question(model, np.float32(given)), Settings()).values.min() >= 0


def test_curves():
    """Of a sum of positive numbers: hiding the largest first is the quickest fall that there is."""
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.ops.sum(inputs, -1, keepdims=True))
    given = np.float32([1, 6, 2, 5, 3, 4])
    asked = question(model, given, place=0, offset=10)
    right, wrong = curves(asked, given), curves(asked, -given)
    np.testing.assert_allclose(right.deletion, 10 + np.array([21, 15, 10, 6, 3, 1, 0]), rtol=1e-6)
    np.testing.assert_allclose(right.insertion, 10 + np.array([0, 6, 11, 15, 18, 20, 21]), rtol=1e-6)
    np.testing.assert_allclose(right.shares, np.arange(7) / 6)
    assert right.areas[0] < wrong.areas[0]
    assert right.areas[1] > wrong.areas[1]


def test_random_weights_are_told_apart():
    """What depends on the input alone survives, and is called what it is."""
    model = trained_like(cnn((12, 12, 1), 3, filters=(4, 6), units=8))
    given = RANDOM.uniform(0, 255, (12, 12, 1)).astype("float32")
    asked, before = question(model, given), model.get_weights()
    trained = METHODS["gradient"].compute(asked, Settings())
    with randomised(model, 0):
        shuffled = [np.sort(one.reshape(-1)) for one in model.get_weights()]
        random = METHODS["gradient"].compute(question(model, given), Settings())
    for one, two, three in zip(before, shuffled, model.get_weights(), strict=True):
        np.testing.assert_array_equal(np.sort(one.reshape(-1)), two)
        np.testing.assert_array_equal(one, three)
    assert abs(likeness(trained, random).signed) < 0.4
    bright = Attribution(given.reshape(-1).astype(float), "brightness")
    assert "this map shows the input" in verdict(likeness(bright, bright))
    assert likeness(bright, Attribution(np.zeros(144), "")) is None
    signs = Attribution(bright.values * RANDOM.choice([-1, 1], 144), "")
    assert "only its signs" in verdict(likeness(bright, signs))


def test_what_inputs_consist_of():
    rows = Rows("iris")
    inputs = rows.arrays("test")[0][0]
    assert features_of(rows, inputs).groups.tolist() == [0, 1, 2, 3]
    assert features_of(rows, inputs).names[0].startswith("sepal length (cm) ")
    for kind, names in (("characters", ["a", "b", " ", "c"]), ("words", ["ab", "c"]), ("bpe", ["a", "b", " ", "c"])):
        texts = knowing(Texts(length=8), codec=learn(kind, "ab c", 257, ("<pad>",)))
        written = features_of(texts, texts.read("ab c", {})[0])
        assert written.names == names
        assert written.groups.tolist() == [*range(len(names)), *[-1] * (8 - len(names))]

    class Plain:
        """A source of a person's own, that says nothing."""

    assert features_of(Plain(), np.zeros((2, 3))).names[-1] == "1, 2"


class Words:
    """A source whose inputs are tokens with odd names."""

    def features(self, given: np.ndarray) -> Tokens:
        return Tokens(np.where(given > 0, np.arange(12), -1), ["<b>", " ", "a\n", *"defg"])


def test_a_page_about_a_text():
    """It needs nothing from elsewhere, and shows what is in a text as text."""
    given, _ = tokens(12, 7)
    aim, methods = Aim(given, (1,), "logit of <i>", "logit"), ["integrated_gradients", "occlusion"]
    found = explained(TEXTS["convolutions"](), Words(), aim, methods, Settings(steps=4), check=True)
    ending, content, view = drawn(found)
    text = content.decode()
    assert ending == "html"
    assert "&lt;b&gt;</span>" in text
    assert "logit of &lt;i&gt;" in text
    assert "<script" not in text
    assert "http" not in text
    assert "deletion" in text
    assert "'<b>'" in view[0]


def test_columns_are_drawn():
    aim = Aim(np.ones(6, "float32"), (0,), "a", "logit")
    found = explained(rows_network(), object(), aim, ["occlusion"], Settings(), check=True)
    assert drawn(found)[2].shape[-1] == 3


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A run that forecasts two steps of one of two columns."""
    folder = tmp_path_factory.mktemp("series")
    file = folder / "shop.csv"
    rows = [f"{100 + 10 * math.sin(n / 2):.3f},{math.cos(n / 2):.3f}" for n in range(120)]
    file.write_text("\n".join(["sales,heat", *rows]) + "\n")
    data = Series(csv=file, column="sales", inputs=("heat",), window=6, horizon=2)
    return fit(replace(RECIPES["nlinear"], data=data, epochs=1), logs=folder / "logs"), file


def test_a_forecast(series, tmp_path):
    run, file = series
    (found,) = explain(run, [file], ahead=2)
    assert found["explains"] == "forecast of sales, step +2"
    assert found["unit"] == "sales"
    assert 80 < found["number"] < 120
    assert found["names"][-2:] == ["-1 sales", "-1 heat"]
    one = found["methods"]["integrated_gradients"]
    assert one["sum"] == pytest.approx(found["number"] - found["baseline"], abs=1e-2)
    with pytest.raises(UserError, match="--ahead came as 3, but the run forecasts 2 steps"):
        list(explain(run, [file], ahead=3))
    with pytest.raises(UserError, match="--ahead came as 0"):
        list(explain(run, [file], ahead=0))


def test_a_series_is_drawn(series, zoo_here, tmp_path):
    words = ("--out", tmp_path / "o", "--check", "--method", "integrated_gradients", "occlusion")
    done = zoo_here("explain", series[0].path, series[1], *words)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "o" / "shop-explained.png").width > 500


@pytest.fixture
def digit(tmp_path) -> Path:
    """A picture that a network for digits reads."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 12:16] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_a_picture(run, zoo_here, digit, tmp_path):
    out = tmp_path / "out"
    names = ("smoothgrad", "grad_cam", "guided_grad_cam")
    done = zoo_here(
        "explain", run[0], digit, "--out", out, "--method", *names, "--class", "1", "--check", "--samples", 5
    )
    assert done.returncode == 0, done.stderr
    assert f"{digit}\tlogit of 1 (the answer" in done.stdout
    assert "check: deletion" in done.stdout
    assert f"picture: {out / 'one-explained.png'}" in done.stdout
    assert Image.open(out / "one-explained.png").height > 800


def test_numbers_and_tensorboard(run, zoo_here, digit, tmp_path):
    before = set(Path(run[0]).iterdir())
    words = ("--out", tmp_path / "out", "--json", "--tensorboard")
    done = zoo_here("explain", run[0], digit, tmp_path / "gone.png", *words)
    assert done.returncode == 1
    answer, gone = map(json.loads, done.stdout.splitlines())
    assert "No such file" in gone["error"]
    assert np.shape(answer["methods"]["integrated_gradients"]["values"]) == (28, 28)
    (events,) = set(Path(run[0]).iterdir()) - before
    assert b"explained/one-explained" in events.read_bytes()


def test_two_of_one_name(run, zoo_here, digit, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.png").write_bytes(digit.read_bytes())
    done = zoo_here(
        "explain", run[0], digit, tmp_path / "b" / "one.png", "--out", tmp_path / "o", "--method", "gradient"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["one-explained-2.png", "one-explained.png"]


def test_a_full_disk(run, zoo_here, digit, tmp_path, monkeypatch):
    def full(*all):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = zoo_here("explain", run[0], digit, "--out", tmp_path / "o", "--method", "gradient")
    assert_complaint(done, "the disk is full")
    assert not list((tmp_path / "o").iterdir())


MISTAKES = {
    "no such class": (["--class", "seven"], ["--class came as 'seven', which is no class of the run"]),
    "no such method": (["--method", "saliency"], ["--method", "saliency", "grad_cam"]),
    "no method": (["--method"], ["--method"]),
    "no convolutions there": (["--method", "attention"], ["cnn has no attention that zoo can read", "grad_cam"]),
    "no such layer": (["--method", "grad_cam", "--layer", "stage2"], ["'stage2'", "nearest: stage2_conv"]),
    "no steps": (["--steps", "0"], ["--steps came as 0, but must be at least 1"]),
    "no samples": (["--method", "smoothgrad", "--samples", "-5"], ["--samples came as -5"]),
    "a flag of another task": (["--ahead", "2"], ["--ahead"]),
    "a file as a folder": (["--out", "PICTURE"], ["--out came as", "which is a file"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered(mistake, run, zoo_here, digit):
    words, said = MISTAKES[mistake]
    words = [digit if word == "PICTURE" else word for word in words]
    out = () if "--out" in words else ("--out", digit.parent / "out")
    assert_complaint(zoo_here("explain", run[0], digit, *words, *out), *said)
    assert not (digit.parent / "out").exists()


def test_what_is_no_run_or_no_file(run, zoo_here, tmp_path):
    assert_complaint(zoo_here("explain", tmp_path, "x.png"), "is not a run")
    assert_complaint(zoo_here("explain", run[0]), "no pictures were named")
    assert_complaint(zoo_here("explain", run[0], "nowhere.png"), "there is no file nowhere.png")
    (tmp_path / "a.png").write_text("no picture")
    done = zoo_here("explain", run[0], tmp_path / "a.png", "--out", tmp_path / "o")
    assert done.returncode == 1
    assert "cannot be read" in done.stdout or "cannot identify" in done.stdout


def test_a_kind_that_is_not_explained():
    with pytest.raises(UserError, match="answers of Translation are not explained: explain takes a run whose answer"):
        RECIPES["transformer"].task.aim(None, None, None, None)
