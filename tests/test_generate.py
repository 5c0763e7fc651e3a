"""Writing: choosing tokens, and the verbs that deal with language models."""

import json
import shutil
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_complaint
from safetensors.numpy import load_file, save_file
from test_text import write_text

from zoo.data import Text
from zoo.data.tokens import learn
from zoo.decoding.sampling import Sampling, ahead, filled, write, written
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.generate import generate
from zoo.models import gpt, lm, writer_of
from zoo.models.gpt import VARIANTS, Variant
from zoo.pretrained.gpt2 import END, names_of, published_gpt2
from zoo.recipes import RECIPES
from zoo.tasks.language import rate
from zoo.training import Optimizer


@pytest.fixture(scope="module", autouse=True)
def little():
    """A GPT of one narrow block, which writes less after each epoch; the whole one is tested in test_gpt.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "nano", Variant(width=32, depth=1, heads=2))
        patch.setattr("zoo.tasks.language.SAMPLE", 60)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("text") / "my.txt")


def test_what_is_chosen():
    logits = np.log(np.float32([0.5, 0.3, 0.15, 0.05]))
    noise = np.random.default_rng(0).gumbel(size=(4000, 4)).astype("float32")

    def shares(temperature=1.0, **how):
        sampling = Sampling(temperature, **how)
        chosen = keras.ops.vectorized_map(lambda one: sampling.choose(logits, one), noise)
        return np.bincount(keras.ops.convert_to_numpy(chosen), minlength=4) / len(noise)

    assert Sampling(0).choose(logits, noise[0]) == 0
    np.testing.assert_allclose(shares(), [0.5, 0.3, 0.15, 0.05], atol=0.03)
    np.testing.assert_allclose(shares(top_k=2), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(top_k=9), [0.5, 0.3, 0.15, 0.05], atol=0.03)
    np.testing.assert_allclose(shares(top_p=0.75), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(top_p=0.01), [1, 0, 0, 0])
    # Of the three likeliest the third begins at 0.842; of all it would begin at 0.8.
    np.testing.assert_allclose(shares(top_k=3, top_p=0.83), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(temperature=1e-5), [1, 0, 0, 0])
    logits = np.float32([1, 1, 1, 0])  # among equals the first
    np.testing.assert_allclose(shares(top_k=1), [1, 0, 0, 0])
    np.testing.assert_allclose(shares(top_p=0.1), [1, 0, 0, 0])
    assert Sampling(0).choose(np.float32([0, np.nan]), noise[0, :2]) == -1
    assert Sampling().choose(np.float32([0, np.nan]), noise[0, :2]) == -1
    logits = np.log(np.float32([0.5, 0.3, 0.15, 0.05]))
    sharp = np.array([0.5, 0.3, 0.15, 0.05]) ** 2
    np.testing.assert_allclose(shares(temperature=0.5), sharp / sharp.sum(), atol=0.03)


def test_tokens_ahead():
    """A network that predicts the sum of all it saw, and noise that adds another number to each, in a compiled loop."""

    def step(token, total):
        return keras.ops.one_hot((token + total) % 20, 20), total + token

    def choose(logits, noise):
        return (keras.ops.argmax(logits) + keras.ops.argmax(noise)) % 20

    noise = np.eye(20, dtype="float32")[[0, 1, 0, 3, 0]]
    compiled = tf.function(partial(ahead, step, choose), jit_compile=True)
    tokens, total = compiled(tf.constant(1), tf.constant(0), noise)
    # 1 + 0; 1 + 1, and 1 more; 3 + 2; 5 + 5, and 3 more; 13 + 10 = 23
    assert tokens.numpy().tolist() == [1, 3, 5, 13, 3]
    assert int(total) == 1 + 1 + 3 + 5 + 13


@pytest.mark.parametrize("alone", [0, 1])
@pytest.mark.parametrize("count", [49, 60, 200])
def test_tokens_a_second(alone, count):
    """Bursts of 16 that take 1.6 s each, after one token that comes alone or none, and a slow beginning."""
    times = [100.0] * alone + [102 + 1.6 * (at // 16) for at in range(count)]
    assert rate(times[:count]) == pytest.approx(10)
    assert rate(times[:32]) is None


@pytest.mark.parametrize("some", [1, 2, 3, 16])
def test_writing_past_the_context(some):
    """The network is a clock: after a token comes the next number. Each call says what was seen."""
    seen = []

    def read(text, length):
        seen.append(("read", text[:length].tolist()))
        return text[length - 1] + 1

    def step(token, place):
        seen.append((token, place))
        return np.arange(some) + token + 1

    text = list(islice(write(read, step, [1, 2, 3, 4, 5], 4), 8))
    assert text == [6, 7, 8, 9, 10, 11, 12, 13]
    # After a full context the last half is read again, and no token is ever predicted from what lies beyond it.
    assert [what for what in seen if what[0] == "read"][:3] == [
        ("read", [2, 3, 4, 5]), ("read", [5, 6]), ("read", [8, 9])
    ]  # fmt: skip
    assert (7, 2) in seen
    assert all(place < 4 for token, place in seen if token != "read")


@pytest.mark.parametrize("network", [gpt, lm])
def test_a_token_costs_the_same_at_any_place(network, monkeypatch):
    """One program, which has no other shapes at the end of a context than at its beginning, writes all of it."""
    programs = []

    def traced(*given):
        programs.append(given)
        return ahead(*given)

    monkeypatch.setattr("zoo.decoding.sampling.ahead", traced)
    tokens = written(writer_of(network(11, 100)), 11, [1, 2, 3], Sampling())
    assert len(list(islice(tokens, 250))) == 250
    assert len(programs) == 1
    assert all(None not in part.shape for part in tf.nest.flatten(programs[0][2:]))


@pytest.mark.parametrize("network", [gpt, lm])
def test_it_writes_in_any_precision(network, policy):
    """What is remembered keeps its type in the loop."""
    tokens = written(writer_of(network(11, 8)), 11, [1, 2, 3], Sampling())
    assert set(islice(tokens, 20)) <= set(range(11))


def text_of(pieces) -> str:
    return "".join(piece["text"] for piece in pieces)


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    # Without XLA, which would take longer than the training; the whole path below is with it.
    recipe = replace(RECIPES["gpt"], data=Text(file=file, context=16, batch=8), epochs=5, xla="off")
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_evaluation_by_hand(run, file):
    """The perplexity of the whole part, window by window, in numpy."""
    report, model = evaluate(run), run.model()
    numbers = Text(file=file, context=16).numbers("test")
    nats = []
    for at in range(0, len(numbers) - 1, 16):
        window = np.zeros(16, np.int32)
        window[: len(numbers[at : at + 16])] = numbers[at : at + 16]
        logits = np.float64(model(window[None]))[0]
        for place, target in enumerate(numbers[at + 1 : at + 17]):
            nats.append(np.log(np.exp(logits[place]).sum()) - logits[place, target])
    assert report["tokens"] == len(nats) == len(numbers) - 1
    assert report["loss"] == pytest.approx(np.mean(nats), rel=1e-4)
    assert report["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)
    assert report["bits_per_character"] == pytest.approx(np.mean(nats) / np.log(2), rel=1e-4)
    assert report["loss"] < 1  # of 2.9 for the 18 characters without learning
    assert evaluate(run, "validation")["loss"] == pytest.approx(run.summary["best"]["val_loss"], rel=1e-3)


def test_generation_is_the_likeliest_text(run):
    """With the memory, and past the context, beside the network without memory."""
    said = text_of(generate(run, prompt="the cat", temperature=0, tokens=40))
    source, model, text = Text(file=Path(run.record["recipe"]["data"]["file"])), run.model(), "the cat"
    seen = len(text)
    for _ in range(40):
        if seen > 16:
            seen = 8  # the last half
        window = np.zeros(16, np.int32)
        window[:seen] = source.codec.encode(text[-seen:]).ids
        text += source.decode([keras.ops.convert_to_numpy(model(window[None]))[0, seen - 1].argmax()])
        seen += 1
    assert "the cat" + said == text

    def drawn(seed):
        return text_of(generate(run, prompt="the cat", seed=seed, tokens=50))

    assert drawn(1) == drawn(1) != drawn(2)


def test_commands(run, zoo_here):
    done = zoo_here("generate", run.path, "--prompt", "a cat", "--tokens", 20, "--temperature", 0)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 21
    words = ("--tokens", 5, "--temperature", 0, "--json", "--prompt", "a cat and a dog sat on the mat")
    done = zoo_here("generate", run.path, *words)
    assert "the prompt has 30 tokens; the network sees the last 16 of them" in done.stderr
    assert len(json.loads(done.stdout)["text"]) == 5
    done = zoo_here("evaluate", run.path)
    assert "perplexity" in done.stdout
    assert (run.path / "test.png").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--prompt", "ZEBRA 7"), "the prompt holds 'Z' 'E' 'B'"),
        (("--prompt", ""), "the prompt came as '', which holds no token: give at least a word"),
        (("--prompt", "a\udcff"), "the prompt came with bytes that are not UTF-8"),
        (("--temperature", "-1"), "--temperature came as -1.0, but must be 0 or more"),
        (("--top-p", "0"), "--top-p came as 0.0, but must be above 0 and at most 1"),
        (("--top-k", "0"), "--top-k came as 0, but must be at least 1"),
        (("--tokens", "0"), "--tokens came as 0, but must be at least 1"),
    ],
)
def test_complaints(run, zoo_here, words, complaint):
    assert_complaint(zoo_here("generate", run.path, *words), complaint)


def test_other_verbs_say_what_a_language_model_is_for(run, zoo_here, tmp_path):
    assert_complaint(zoo_here("predict", run.path, "setup.cfg"), "python -m zoo.generate")
    (tmp_path / "tokenizer.json").write_text("{")
    other = tmp_path / run.path.name
    other.mkdir()
    for name in ("run.json", "model.keras", "summary.json"):
        (other / name).write_bytes((run.path / name).read_bytes())
    assert_complaint(zoo_here("generate", other), "tokenizer.json is missing or is no text: restore it")


def test_board(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run.path / "validation"), size_guidance={"tensors": 0})
    reader.Reload()
    (last,) = [event for event in reader.Tensors("sample") if event.step == 5]
    sample = last.tensor_proto.string_val[0].decode()
    assert "cat" in sample or "dog" in sample or "sat" in sample


def test_bpe_and_words(file, tmp_path):
    for kind in ("words", "bpe"):
        recipe = replace(
            RECIPES["gpt"], data=Text(file=file, context=8, tokens=kind, vocabulary=300), epochs=1, xla="off"
        )
        made = fit(recipe, logs=tmp_path)
        report = evaluate(made)
        text = Text(file=file).text("test")
        assert len(text) - 10 < report["characters"] < len(text)
        said = text_of(generate(made, prompt="the cat", tokens=10, temperature=0))
        assert said.strip()
        assert kind == "bpe" or said[0] in " \n"


@pytest.fixture
def published(tmp_path):
    """A folder as people publish them, its network, and its tokenizer."""
    width, depth, heads = VARIANTS["nano"]
    tokenizer, context = learn("bpe", "To be, or not to be: that is the question. " * 20, 300), 24
    tokenizer.add_special_tokens([END])
    keras.utils.set_random_seed(2)  # with which it writes letters, and not halves of them
    model = gpt(tokenizer.get_vocab_size(), context, variant="nano", bias=True, gelu="tanh")
    sizes = {"n_embd": width, "n_layer": depth, "n_head": heads, "n_positions": context}
    change(tmp_path, sizes | {"vocab_size": tokenizer.get_vocab_size()})
    save_file(weights_of(model), tmp_path / "model.safetensors")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path, model, tokenizer


def change(folder: Path, settings: dict, file: str = "config.json") -> None:
    path = folder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | settings))


def weights_of(model) -> dict:
    return {name: weight.numpy() for name, weight in names_of(model).items()}


def test_published_weights(published, zoo_here):
    """A folder as people publish them writes what the same network writes without a memory."""
    folder, model, tokenizer = published
    words = ("--prompt", "To be", "--tokens", 12, "--temperature", 0, "--json")
    done = zoo_here("generate", "gpt2", "--weights", folder, *words)
    assert done.returncode == 0, done.stderr
    text = tokenizer.encode("To be").ids
    for _ in range(12):
        text.append(int(model(np.array([filled(text, 24)]))[0, len(text) - 1].numpy().argmax()))
    # A letter that is not whole at the end is not written.
    assert "To be" + json.loads(done.stdout)["text"] == tokenizer.decode(text).rstrip("\ufffd")
    assert_complaint(zoo_here("generate", "gpt2"), "is a published network and not a run", "--weights hub")
    assert_complaint(zoo_here("generate", "gpt2", "--weights", folder / "none"), "there is no such folder")
    assert_complaint(zoo_here("generate", folder / "typo", "--file", "in.txt"), "no run at")


@pytest.mark.parametrize("name", [END, "<|stop|>"])
def test_the_end_of_a_text(name, published, zoo_here):
    """A network that says nothing but that a text ends; which token that is, the settings say."""
    folder, model, tokenizer = published
    change(folder, {"eos_token_id": tokenizer.get_vocab_size() - 1})
    written = (folder / "tokenizer.json").read_text(encoding="utf-8").replace(END, name)
    (folder / "tokenizer.json").write_text(written, encoding="utf-8")
    weights = weights_of(model)
    weights["ln_f.weight"][:], weights["ln_f.bias"][:] = 0, np.eye(len(weights["ln_f.bias"]))[0] * 9
    weights["wte.weight"][:, 0], weights["wte.weight"][-1, 0] = 0, 9
    save_file(weights, folder / "model.safetensors")
    words = ("generate", "gpt2", "--weights", folder, "--prompt", "To be", "--tokens", 3)
    done = zoo_here(*words)
    assert (done.returncode, done.stdout) == (0, "\n")
    assert "the network ended the text at once: --endless goes on" in done.stderr
    assert json.loads(zoo_here(*words, "--json").stdout)["ended"] is True
    assert zoo_here(*words, "--endless").stdout == name * 3 + "\n"


def cut(folder: Path) -> list[str]:
    """Weights in two files with an index, as they are published when they are large."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, places = list(tensors), {}
    for number, part in enumerate((names[:9], names[9:]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    change(folder, {"weight_map": places}, "model.safetensors.index.json")
    return sorted(set(places.values()))


def test_weights_in_parts(published, monkeypatch, tmp_path_factory):
    folder, model, _ = published
    parts, asked = cut(folder), []

    def download(repository, allow_patterns, **options):
        """The hub, which sends what is asked for."""
        asked.append(allow_patterns)
        for name in allow_patterns:
            if (folder / name).exists():
                shutil.copy(folder / name, cache)
        return str(cache)

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    for ours in (published_gpt2("gpt2", folder).model, published_gpt2("gpt2", "hub").model):
        for there, here in zip(model.weights, ours.weights, strict=True):
            np.testing.assert_array_equal(there, here)
    assert [set(parts) <= set(names) for names in asked] == [False, True]
    (folder / parts[1]).unlink()
    with pytest.raises(UserError, match=f"lacks {parts[1]}: model.safetensors.index.json says .* in 2 files"):
        published_gpt2("gpt2", folder)
    change(folder, {"weight_map": {"wte.weight": "../else.safetensors"}}, "model.safetensors.index.json")
    with pytest.raises(UserError, match="which is no file of that folder"):
        published_gpt2("gpt2", folder)


def test_an_embedding_larger_or_smaller_than_the_tokenizer(published, capsys):
    folder, model, tokenizer = published
    weights, count = weights_of(model), tokenizer.get_vocab_size()
    rows = np.pad(weights["wte.weight"], ((0, 64 - count % 64), (0, 0)), constant_values=9)
    save_file(weights | {"wte.weight": rows}, folder / "model.safetensors")
    change(folder, {"vocab_size": len(rows)})
    ours = published_gpt2("gpt2", folder).model
    assert f"{len(rows) - count} of the {len(rows)} rows of the embedding" in capsys.readouterr().err
    np.testing.assert_array_equal(ours.weights[0], weights["wte.weight"])
    tokenizer.add_special_tokens(["[PAD]", *(f"[{number}]" for number in range(len(rows) - count))])
    tokenizer.save(str(folder / "tokenizer.json"))
    change(folder, {"vocab_size": count})
    save_file(weights, folder / "model.safetensors")
    found = published_gpt2("gpt2", folder)
    assert "has '[PAD]', '[0]'" in capsys.readouterr().err
    assert max(found.tokenizer.encode("To be [PAD]").ids) < count == found.model.output_shape[-1]


@pytest.mark.parametrize(
    ("named", "form"), [("gelu_pytorch_tanh", "tanh"), ("gelu_fast", "tanh"), ("gelu", "exact"), ("relu", None)]
)
def test_names_of_activations(named, form, published, monkeypatch):
    folder, model, _ = published
    change(folder, {"activation_function": named})
    made = []
    monkeypatch.setattr("zoo.pretrained.gpt2.gpt", lambda *sizes, gelu, **how: made.append(gelu) or model)
    if form is None:
        with pytest.raises(UserError, match="activation_function 'relu' \\(wanted 'gelu_new'\\)"):
            published_gpt2("gpt2", folder)
    else:
        published_gpt2("gpt2", folder)
        assert made == [form]


def little_recipe(name: str, file: Path, **changes):
    """The recipe on the small text, everything else as it is but for the widths of an LSTM."""
    recipe = RECIPES[name]
    model = partial(recipe.model, embedding=16, units=(16, 16)) if name.startswith("lm") else recipe.model
    return replace(recipe, model=model, data=replace(recipe.data, file=file, context=8, windows=60), **changes)


@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Text)])
def test_whole_path(name, file, tmp_path, capsys):
    recipe = little_recipe(name, file, epochs=2)
    run = fit(recipe, logs=tmp_path)
    assert evaluate(run)["perplexity"] > 1
    assert text_of(generate(run, tokens=3))
    assert fit(recipe, logs=tmp_path) == run
    assert "finished already" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "precision"), [("gpt", "mixed_bfloat16"), ("lm", "mixed_float16")])
def test_early_stopping_in_half_precision(name, precision, file, tmp_path):
    settings = {"epochs": 9, "patience": 2, "monitor": "val_loss", "precision": precision, "xla": "off"}
    recipe = little_recipe(name, file, optimizer=Optimizer("sgd", rate=1e-12), **settings)
    run = fit(recipe, logs=tmp_path)
    assert run.summary["epochs"] == len(run.history) == 3
    assert run.summary["best"]["epoch"] == 1
    assert run.model().layers[2].compute_dtype == precision.removeprefix("mixed_")
