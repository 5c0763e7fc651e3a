"""Low-rank adaptation: what is frozen stays to the bit, what learns is little, and merging it changes no output."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from zoo.data import Images
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for, transferred
from zoo.fit import fit
from zoo.models import bigmodel, lm, mlp
from zoo.models.transformer import transformer_classifier
from zoo.tasks import Classification
from zoo.training import Lora, Optimizer, Recipe, Run, Thaw, Whole, loop
from zoo.training.body import digest_of
from zoo.training.lora import FILE, adapters, load_adapter

pytestmark = pytest.mark.usefixtures("unshown")

TEXTS = partial(transformer_classifier, 20, 3, width=8, heads=2, depth=1, hidden=16)
PICTURES = partial(bigmodel, (8, 8, 1), 3, filters=(4, 8), units=8, batch_normalization=True)
NETWORKS = {"texts": TEXTS, "pictures": PICTURES, "rows": partial(mlp, (5,), 3)}


def inputs_of(model: keras.Model, count: int = 6) -> np.ndarray:
    random, shape = np.random.default_rng(0), [side or 7 for side in model.input_shape[1:]]
    if model.input.dtype == "int32":
        return random.integers(1, 20, (count, *shape), "int32")
    return random.uniform(0, 1, (count, *shape)).astype("float32")


def learned(model: keras.Model) -> keras.Model:
    """As after a training: B is no longer 0."""
    for _, _, b, _ in adapters(model):
        b.assign(keras.random.normal(b.shape, seed=1))
    return model


def numbers(weights) -> dict[str, np.ndarray]:
    return {weight.path: ops.convert_to_numpy(weight) for weight in weights}


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_merging_changes_no_output(build, tmp_path):
    method, model = Lora(rank=2), build()
    x, before = inputs_of(model), model(inputs_of(model))
    method.wrap(model)
    np.testing.assert_array_equal(model(x), before)  # B is 0
    learned(model)
    assert np.abs(ops.convert_to_numpy(model(x) - before)).max() > 1e-2
    merged = method.finish(model)
    np.testing.assert_allclose(merged(x), model(x), rtol=1e-5, atol=1e-5)
    assert [weight.path for weight in merged.weights] == [weight.path for weight in build().weights]
    assert all(layer.trainable for layer in merged.layers)
    merged.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), merged(x))


def test_a_layer_is_what_the_paper_says():
    """W x + alpha / rank * B A x, computed with numpy; a 3x3 convolution as the product of its patches."""
    pixels = keras.Input((3, 3, 2))
    hidden = layers.Conv2D(4, 3, name="conv")(pixels)  # one place: all of the picture
    model = keras.Model(pixels, layers.Dense(3, name="dense")(layers.Flatten()(hidden)))
    learned(Lora(rank=2, alpha=3.0).wrap(model))
    x = np.random.default_rng(0).normal(size=(5, 18)).astype("float32")
    y = x
    for name in ("conv", "dense"):
        kernel, bias, a, b = (w.reshape(-1, w.shape[-1]) for w in model.get_layer(name).get_weights())
        y = y @ kernel + (y @ a) @ b * 1.5 + bias
    np.testing.assert_allclose(model(x.reshape(5, 3, 3, 2)), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "precision"), [("texts", "float32"), ("texts", "mixed_bfloat16"), ("pictures", "mixed_float16")]
)
def test_only_a_and_b_and_the_head_learn(name, precision):
    keras.config.set_dtype_policy(precision)
    model = Lora(rank=2).wrap(NETWORKS[name]())
    before = numbers(model.weights)
    optimizer = Lora().optimizer(Optimizer("adamw", weight_decay=0.1, schedule="constant"), model, steps=3, epochs=1)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    x = inputs_of(model)
    model.fit(x, np.eye(3)[np.arange(6) % 3], epochs=3, batch_size=6, verbose=0)
    after = numbers(model.weights)
    moved = {path for path in before if before[path].tobytes() != after[path].tobytes()}
    assert moved == {path for path in before if path.startswith("logits/") or "/lora_kernel_" in path}
    assert moved == {weight.path for weight in model.trainable_weights}
    merged = numbers(Lora().finish(model).weights)
    for kernel, a, b, scale in adapters(model):  # in float32, whatever the precision of the computation
        expected = before[kernel.path] + scale * after[a.path] @ after[b.path]
        np.testing.assert_allclose(merged[kernel.path], expected, rtol=1e-5, atol=1e-7)


def test_which_layers():
    def chosen(model, *names):
        return {kernel.path.removesuffix("/kernel") for kernel, *_ in adapters(Lora(layers=names).wrap(model))}

    assert chosen(TEXTS(), "qkv") == {"encoder1/attention/qkv"}
    assert chosen(TEXTS(), "qkv", "mlp_in") == {"encoder1/attention/qkv", "encoder1/mlp_in"}
    assert chosen(TEXTS()) == {f"encoder1/{name}" for name in ("attention/qkv", "attention/out", "mlp_in", "mlp_out")}
    with pytest.raises(ValueError, match=r"--method.layers came as query, .* these are .*encoder1/attention/qkv"):
        Lora(layers=("qkv", "query")).wrap(TEXTS())
    recurrent = lm(30, 5, embedding=4, units=(4,))
    with pytest.raises(ValueError, match=r"adapts dense layers and convolutions, but .* has tokens \(Embedding\), "):
        Lora().wrap(recurrent)
    with pytest.raises(ValueError, match=r"--method.rank came as 0"):
        Lora(rank=0)
    with pytest.raises(
        ValueError, match=r"--method.rank came as 999, but no kernel of the layers that learn has a rank"
    ):
        Lora(rank=999).wrap(next(iter(NETWORKS.values()))())
    with pytest.raises(ValueError, match=r"--method.alpha came as nan"):
        Lora(alpha=float("nan"))


@pytest.fixture(scope="module")
def base(data_directory, tmp_path_factory) -> Run:
    data = Images(directory=data_directory, only=tuple("01234"), size=(8, 8))
    model = partial(bigmodel, filters=(16, 32), units=64, batch_normalization=True, dropout=0.2)
    return fit(Recipe("base", model, data, Classification(), epochs=2), logs=tmp_path_factory.mktemp("base"))


class Spoil(keras.callbacks.Callback):
    """Makes the last of five epochs worse than those before."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 3:
            learned(self.model)


def test_a_run_like_any_other(base, data_directory, tmp_path, capsys):
    """Its last epoch is not its best: network and adapter are those of the best."""
    data = Images(directory=data_directory, only=tuple("567"), size=(8, 8), limit=30, batch=16)
    high = Optimizer("adam", rate=3e-2, schedule="constant")
    recipe = replace(recipe_for(base, method=Lora(rank=4)), data=data, epochs=5, optimizer=high)
    run = fit(replace(recipe, precision="mixed_bfloat16"), logs=tmp_path, callbacks=[Spoil()])
    said = capsys.readouterr().out
    assert "LoRA of rank 4 in 3 layers (" in said
    assert "% of the network's" in said
    assert 0 < run.summary["trained"] < run.summary["weights"] == run.model().count_params()
    assert evaluate(run)["accuracy"] > 0.5
    assert (run.path / FILE).stat().st_size < (run.path / "model.keras").stat().st_size / 2
    model = transferred((8, 8, 1), 3, base=base.path)
    kept, ours = numbers(run.model().weights), numbers(load_adapter(model, run.path / FILE).weights)
    for path in kept:
        np.testing.assert_allclose(ours[path], kept[path], rtol=1e-5, atol=1e-7)
    assert run.summary["best"]["epoch"] < 5
    again = loop.build(replace(recipe_for(run, method=Lora(rank=1)), data=data))  # it can be tuned further
    np.testing.assert_array_equal(again.get_layer("stage1_conv").get_weights()[0], kept["stage1_conv/kernel"])
    with pytest.raises(UserError, match="was trained on other weights"):
        load_adapter(PICTURES(), run.path / FILE)
    with pytest.raises(UserError, match=r"has a head of the shapes .*\(3,\).* but the network one of .*\(2,\)"):
        load_adapter(transferred((8, 8, 1), 2, base=base.path), run.path / FILE)


def test_what_is_no_adapter_or_no_method(base, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    for path in (tmp_path / "x.safetensors", tmp_path / "missing"):
        with pytest.raises(UserError, match="is no adapter that fit wrote"):
            load_adapter(PICTURES(), path)
    with pytest.raises(UserError, match="method came as 'qlora', but must be one of whole, thaw, lora"):
        recipe_for(base, method="qlora")


def test_command(base, tmp_path, zoo_here):
    words = ("--data.only", "8", "9", "--data.limit", "20", "--epochs", "1", "--logs", tmp_path)
    done = zoo_here("finetune", base.path, *words, "--method", "lora", "--method.rank", "2", "--method.layers", "conv")
    assert done.returncode == 0, done.stderr
    assert "LoRA of rank 2 in 2 layers (" in done.stdout
    run = Path(done.stdout.splitlines()[-1].removeprefix("run: "))
    assert "finished already" in zoo_here("fit", run).stdout
    assert zoo_here("finetune", base.path, *words, "--method", "whole", "--method.rank", "2").returncode == 2
    done = zoo_here("finetune", base.path, *words, "--method", "lora", "--method.layers", "qkv")
    assert "--method.layers came as qkv" in done.stderr
    assert done.returncode == 2
    (run / "summary.json").unlink()  # as if it had been stopped
    assert zoo_here("fit", run).returncode == 0


@pytest.mark.parametrize("kind", [Whole, Thaw])
def test_a_method_need_not_say_or_keep_anything(kind):
    model = kind().wrap(PICTURES())
    assert (kind().understood(model), kind().files(model)) == ([], {})


def test_the_digest_is_that_of_the_body():
    model = TEXTS()
    before = digest_of(model)
    model.get_layer("logits").bias.assign_add([1.0, 0.0, 0.0])
    assert digest_of(Lora(rank=2).wrap(model)) == before
    kernel = next(layer for layer in model.layers if layer.weights).weights[0]
    kernel.assign(2 * kernel)
    assert digest_of(model) != before
