"""One test for all builders: declared facts are true, every weight learns, saving changes nothing."""

import inspect
import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.models import alexnet, bigmodel, cnn, googlenet, inception_v3, resnet, vgg, vit, xception
from zoo.models.inception import MODULES

# Builder, its positional arguments, and the number of weights that somebody else states for them.
BUILDERS = {
    "cnn": (cnn, (28, 28, 1), 10, 225_034),  # the chapters' code
    "cnn-colour": (partial(cnn, filters=(8, 16, 8), dropout=0.2), (40, 33, 3), 3, None),
    "bigmodel": (bigmodel, (32, 32, 3), 10, 8_278_658),  # the same network in PyTorch
    "bigmodel-regularised": (
        partial(bigmodel, filters=(4, 8), units=16, l1=1e-4, l2=1e-4, batch_normalization=True, dropout=0.5),
        (9, 12, 1),
        2,
        None,
    ),
    "alexnet": (partial(alexnet, units=16), (64, 63, 3), 3, None),
    "vgg11": (partial(vgg, units=16), (32, 40, 1), 3, None),
    "vgg11-normalised": (partial(vgg, units=512, batch_normalization=True), (32, 32, 3), 10, None),
    "googlenet": (partial(googlenet, auxiliary=False), (32, 40, 1), 3, None),
    "inception_v3": (inception_v3, (75, 75, 3), 3, None),
    "resnet20": (resnet, (8, 9, 1), 3, None),
    "resnet18": (partial(resnet, variant="resnet18", scaling="caffe"), (32, 40, 3), 3, None),
    "resnet50": (partial(resnet, variant="resnet50"), (32, 32, 3), 3, None),
    "resnet50v2": (partial(resnet, variant="resnet50v2"), (40, 32, 3), 3, None),
    "xception": (partial(xception, middle=1), (32, 40, 3), 3, None),
    "vit": (vit, (32, 32, 3), 10, 2_693_578),  # the same network in PyTorch
    "vit-hybrid": (partial(vit, variant="tiny", patch=2, stem=(8, 8), dropout=0.1), (16, 24, 1), 3, None),
}
# Builder, side of the pictures in colour, and the number of weights for 1000 classes that somebody else states.
PUBLISHED_COUNTS = {
    "alexnet": (alexnet, 224, 60_965_224),  # the sum over figure 2
    "vgg11": (partial(vgg, variant="vgg11"), 224, 132_863_336),  # torchvision
    "vgg13": (partial(vgg, variant="vgg13"), 224, 133_047_848),  # torchvision
    "vgg16": (partial(vgg, variant="vgg16"), 224, 138_357_544),
    "vgg19": (partial(vgg, variant="vgg19"), 224, 143_667_240),
    "xception": (xception, 299, 22_910_480),
    "vit_b16": (partial(vit, variant="base", patch=16), 224, 86_567_656),
    "vit_b32": (partial(vit, variant="base", patch=32), 224, 88_224_232),  # torchvision
    "vit_l16": (partial(vit, variant="large", patch=16), 224, 304_326_632),  # torchvision
    "vit_s16": (partial(vit, variant="small", patch=16), 224, 22_050_664),  # timm's DeiT
    "vit_ti16": (partial(vit, variant="tiny", patch=16), 224, 5_717_416),  # timm's DeiT
    # torchvision counts what is trained; the moving statistics are not.
    "resnet18": (partial(resnet, variant="resnet18"), 224, 11_689_512),
    "resnet34": (partial(resnet, variant="resnet34"), 224, 21_797_672),
}
# He 2015, table 6, in millions.
TABLE_6 = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}


@pytest.fixture(scope="module", params=BUILDERS)
def case(request):
    return BUILDERS[request.param]


@pytest.fixture(scope="module", params=["float32", "mixed_bfloat16", "mixed_float16"])
def network(request, case):
    """A network in each precision, made once for the tests in whose way the others do not come."""
    build, shape, classes, _ = case
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(request.param)
    return build(shape, classes), request.param


def pixels(shape: tuple[int, ...], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def test_shape_and_type(case, network):
    _, shape, classes, _ = case
    logits = network[0](pixels(shape).astype("float32"))
    assert logits.shape == (4, classes)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def test_declared_number_of_weights(case, network):
    declared = case[-1]
    if declared is None:
        pytest.skip("nobody else states a number for this variant")
    assert network[0].count_params() == declared


def test_saved_and_loaded(case, network, tmp_path):
    shape, (model, _) = case[1], network
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(model(pixels(shape)), again(pixels(shape)))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_rescales_inside(case, network):
    (build, shape, _, _), (model, policy) = case, network
    how = default_of(build, "scaling") or "unit"
    expected = {
        "unit": lambda x: x / 255,
        "symmetric": lambda x: x / 127.5 - 1,
        "caffe": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    }[how](pixels(shape).astype("float64"))
    inside = keras.Model(model.input, model.get_layer("rescale").output)
    # bfloat16 has 8 bits, and rounds more than once.
    exact = {"rtol": 1e-6, "atol": 1e-4} if policy == "float32" else {"atol": np.abs(expected).max() / 2**6}
    np.testing.assert_allclose(keras.ops.cast(inside(pixels(shape)), "float32"), expected, **exact)


def default_of(build, name: str):
    parameter = inspect.signature(build).parameters.get(name)
    return parameter and parameter.default


def test_every_weight_learns(case, network):
    """The last of the tests that share a network, for it changes it."""
    (_, shape, classes, _), (model, policy) = case, network
    keras.config.set_dtype_policy(policy)
    optimizer = keras.optimizers.SGD()
    if policy == "mixed_float16":  # Keras begins with a scale of 2 ** 15 and skips the steps in which that overflows
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16)
    # The deep ones eagerly: to draw their graphs takes longer than these few steps. Whole fits are in test_recipes.py.
    deep = len(model.layers) > 60
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=deep)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    labels = np.eye(classes, dtype="float32")[np.arange(32) % classes]
    model.fit(pixels(shape, 32), labels, batch_size=16, epochs=2, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path


@pytest.mark.parametrize("name", PUBLISHED_COUNTS)
def test_published_number_of_weights(name):
    build, side, stated = PUBLISHED_COUNTS[name]
    model = build((side, side, 3), 1000)
    assert stated == (trained(model) if "resnet" in name else model.count_params())


def trained(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("variant", TABLE_6)
def test_number_of_weights_of_table_6(variant):
    stated = TABLE_6[variant]
    digits = len(str(stated).split(".")[1])
    assert round(trained(resnet((32, 32, 3), 10, variant=variant)) / 1e6, digits) == stated


def test_number_of_weights_of_googlenet():
    """Szegedy 2014, table 1, column "params" in units of 1024.

    Its own widths do not give its own sums for modules 4c and 5a (7 and 5 % off), nor for the first convolution.
    """
    stated = {"conv2": 112, "3a": 159, "3b": 380, "4a": 364, "4b": 437, "4d": 580, "4e": 840, "5b": 1388}
    model = googlenet((224, 224, 3), 1000)
    for stage, thousands in stated.items():
        name = stage if stage == "conv2" else f"module{stage}"
        found = sum(layer.count_params() for layer in model.layers if layer.name.startswith(name)) / 1024
        assert found == pytest.approx(thousands, rel=0.02), stage
    assert googlenet((224, 224, 3), 1000, auxiliary=False).count_params() == 6_998_552  # which the README states
    assert [model.get_layer(f"module{name}").output.shape[-1] for name in MODULES] == [
        256, 480, 512, 512, 512, 528, 832, 832, 1024
    ]  # fmt: skip
    assert model.get_layer("logits").count_params() / 1024 == pytest.approx(1000, rel=0.01)


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
def test_pictures_and_settings_that_do_not_fit(build, shape, words):
    with pytest.raises(ValueError, match=words):
        build(shape, 10)


@pytest.mark.parametrize(("build", "side"), [(cnn, 10), (resnet, 4), (partial(alexnet, units=8), 63), (vit, 4)])
def test_smallest_picture(build, side):
    assert build((side, side, 1), 2)(pixels((side, side, 1))).shape == (4, 2)


@pytest.mark.parametrize(("build", "padding"), [(cnn, 0), (bigmodel, 1)])
def test_equals_the_formula(build, padding):
    """The whole forward pass against plain numpy: padding, order of weights, pooling of odd sides."""
    model = build((11, 10, 2), 3, filters=(2, 3), units=4)
    weights = iter([keras.ops.convert_to_numpy(v).astype("float64") for v in model.trainable_variables])
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
    kernel, bias = (keras.ops.convert_to_numpy(w).astype("float64") for w in model.get_layer("conv2").weights)
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


def test_same_outputs_on_jax(tmp_path):
    """The builders know only Keras: a network saved here gives the same logits on the other backend."""
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    # The deepest take JAX minutes to compile: what only they have, an average over 3x3 and other scalings, is not seen.
    same = ("cnn-colour", "vgg11", "inception_v3", "resnet18", "resnet50", "resnet50v2")
    names = [name for name in BUILDERS if name not in same]
    for name in names:
        build, shape, classes, _ = BUILDERS[name]
        model = build(shape, classes)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        np.savez(tmp_path / f"{name}.npz", x=pixels(shape), logits=keras.ops.convert_to_numpy(model(pixels(shape))))
    script = (
        "import sys, keras, numpy as np\n"
        "from test_models import BUILDERS\n"
        "assert keras.backend.backend() == 'jax'\n"
        "assert 'tensorflow' not in sys.modules\n"
        "for name in sys.argv[2:]:\n"
        "    build, shape, classes, _ = BUILDERS[name]\n"
        "    model, stored = build(shape, classes), np.load(f'{sys.argv[1]}/{name}.npz')\n"
        "    model.load_weights(f'{sys.argv[1]}/{name}.weights.h5')\n"
        "    most = np.abs(stored['logits']).max()\n"
        "    np.testing.assert_allclose(model(stored['x']), stored['logits'], rtol=0, atol=3e-4 * most)\n"
        "    if len(model.layers) > 60:\n"
        "        continue  # one step of the deep ones takes XLA a minute to compile, and has no other layers\n"
        "    model.compile('sgd', keras.losses.CategoricalCrossentropy(from_logits=True))\n"
        "    loss = model.train_on_batch(stored['x'], np.eye(classes)[np.arange(4) % classes])\n"
        "    assert np.isfinite(loss)\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *names],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
