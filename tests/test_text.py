"""Text: tokenizers, windows, and the verbs that deal with language models."""

import json
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_complaint
from tokenizers import Tokenizer

from zoo.data import Text
from zoo.data.tokens import learn, read_tokenizer
from zoo.decoding import Sampling, ahead, write, write_on
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.generate import generate, on_and_on, rate, within_a_context
from zoo.models import gpt, lm
from zoo.recipes import RECIPES
from zoo.training import Optimizer

SENTENCES = ["the cat sat on the mat\n", "the dog sat on the log\n", "a cat and a dog sat\n"]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "my.txt"
    path.write_text("".join(np.random.default_rng(0).choice(SENTENCES, 200)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("characters", "two words\n\nand é, 漢\n"),
        ("words", "two words\nand two more\n"),
        ("bpe", "two  words\r\né 漢 🙂\n"),
    ],
)
def test_tokenizers_give_the_text_back(kind, text):
    tokenizer = learn(kind, text, 300)
    numbers = tokenizer.encode(text).ids
    assert tokenizer.decode(numbers) == text
    assert max(numbers) < tokenizer.get_vocab_size() <= 300


def test_words_that_are_too_rare_are_unknown():
    tokenizer = learn("words", "a a a b b c\n", 3)
    assert tokenizer.decode(tokenizer.encode("a b c").ids) == "a b <unk>"
    assert tokenizer.get_vocab_size() == 3


def test_characters_of_later_parts_are_unknown_but_not_an_error():
    tokenizer = learn("characters", "abc", 0)
    assert tokenizer.decode(tokenizer.encode("abd").ids) == "ab<unk>"


def test_pydocs(data_directory):
    source = Text(directory=data_directory)
    assert source.spec == {"vocabulary": source.codec.get_vocab_size(), "context": 64}
    parts = [source.text(split) for split in ("train", "validation", "test")]
    assert all(len(part) > 10_000 for part in parts)
    assert "lambda" in parts[0]
    paragraphs = [{text.strip() for text in part.split("\n\n") if len(text.strip()) > 62} for part in parts]
    for here, there in ((0, 1), (0, 2), (1, 2)):  # what is predicted was not read before
        assert not paragraphs[here] & paragraphs[there]
    assert min(map(len, parts)) > 0.05 * sum(map(len, parts))
    assert source.decode(source.numbers("validation")[:200]) == parts[1][:200]


def test_every_token_is_predicted_once(file):
    source = Text(file=file, context=7)
    for split in ("validation", "test"):
        numbers, predicted = source.numbers(split), []
        for inputs, targets, weights in source.load(split).as_numpy_iterator():
            predicted += targets[weights > 0].tolist()
            assert set(np.unique(weights)) <= {0, 1}
            np.testing.assert_array_equal(inputs[:, 1:][weights[:, 1:] > 0], targets[:, :-1][weights[:, 1:] > 0])
        assert predicted == numbers[1:].tolist()


def test_training_stream_seeks(file):
    source = Text(file=file, context=7, batch=5)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 400))  # more than a pass
    for step in (0, 1, 77, 399):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        for ours, theirs in zip(again, batches[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    numbers = source.numbers("train")
    places = {tuple(numbers[at : at + 8]) for at in range(len(numbers) - 7)}
    for inputs, targets in batches:
        assert all((*row, last[-1]) in places for row, last in zip(inputs, targets, strict=True))
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    other = next(source.load("train", seed=4).as_numpy_iterator())[0]
    assert not np.array_equal(other, batches[0][0])


def test_parts_of_a_file(file):
    source, text = Text(file=file), file.read_text(encoding="utf-8")
    assert "".join(source.text(split) for split in ("train", "validation", "test")) == text
    assert len(source.text("train")) == len(text) * 8 // 10
    assert source.characters("test") == len(source.text("test")) - 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: give a file with text"),
        (b" \n", "is empty: give a file with text"),
        (b"abc\xff\xfe", "is not UTF-8 text (byte 3 is 0xff)"),
        (b"abc\0def", "is not text: it holds zero bytes"),
        (b"too short a text", "tokens, which do not fill a window of 64 and one more"),
        (b" " * 9, "is empty: give a file with text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_bad_files(content, words, tmp_path):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        fit(replace(RECIPES["gpt"], data=Text(file=path)), logs=tmp_path)
    assert words in str(caught.value)


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
    assert Sampling(0).choose(np.float32([0, np.nan]), noise[0]) == -1
    assert Sampling().choose(np.float32([0, np.nan]), noise[0]) == -1
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
    written, total = compiled(tf.constant(1), tf.constant(0), noise)
    # 1 + 0; 1 + 1, and 1 more; 3 + 2; 5 + 5, and 3 more; 13 + 10 = 23
    assert written.numpy().tolist() == [1, 3, 5, 13, 3]
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

    def begin(text, length):
        seen.append(("begin", text[:length].tolist()))
        return text[length - 1] + 1

    def go_on(token, place):
        seen.append((token, place))
        return np.arange(some) + token + 1

    written = list(islice(write(begin, go_on, [1, 2, 3, 4, 5], 4), 8))
    assert written == [6, 7, 8, 9, 10, 11, 12, 13]
    # After a full context the last half is read again, and no token is ever predicted from what lies beyond it.
    assert [what for what in seen if what[0] == "begin"][:3] == [
        ("begin", [2, 3, 4, 5]), ("begin", [5, 6]), ("begin", [8, 9])
    ]  # fmt: skip
    assert (7, 2) in seen
    assert all(place < 4 for token, place in seen if token != "begin")


@pytest.mark.parametrize("network", [gpt, lm])
def test_it_writes_in_any_precision(network, policy):
    """What is remembered keeps its type in the loop."""
    model, prompt = network(11, 8), [1, 2, 3]
    if network is lm:
        tokens = write_on(*on_and_on(model, Sampling()), prompt)
    else:
        tokens = write(*within_a_context(model, Sampling()), prompt, 8)
    assert set(islice(tokens, 20)) <= set(range(11))


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    recipe = replace(RECIPES["gpt"], data=Text(file=file, context=16, batch=8), epochs=4)
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
    said = "".join(islice(generate(run, "the cat", Sampling(0)), 40))
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
        return "".join(islice(generate(run, "the cat", Sampling(seed=seed)), 50))

    assert drawn(1) == drawn(1) != drawn(2)


def test_commands(run, zoo_command):
    done = zoo_command("generate", run.path, "--prompt", "a cat", "--tokens", 20)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 21
    done = zoo_command("generate", run.path, "--tokens", 5, "--json", "--prompt", "a cat and a dog sat on the mat")
    assert "the prompt has 30 tokens; the network sees the last 16 of them" in done.stderr
    assert len(json.loads(done.stdout)["text"]) == 5
    done = zoo_command("evaluate", run.path)
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
def test_complaints(run, zoo_command, words, complaint):
    assert_complaint(zoo_command("generate", run.path, *words), complaint)


def test_other_verbs_say_what_a_language_model_is_for(run, zoo_command, tmp_path):
    assert_complaint(zoo_command("predict", run.path, "cat.png"), "python -m zoo.generate")
    (tmp_path / "tokenizer.json").write_text("{")
    other = tmp_path / run.path.name
    other.mkdir()
    for name in ("run.json", "model.keras", "summary.json"):
        (other / name).write_bytes((run.path / name).read_bytes())
    assert_complaint(zoo_command("generate", other), "tokenizer.json is missing or is not a tokenizer")


def test_board(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    reader = EventAccumulator(str(run.path / "validation"), size_guidance={"tensors": 0})
    reader.Reload()
    (last,) = [event for event in reader.Tensors("sample") if event.step == 4]
    sample = last.tensor_proto.string_val[0].decode()
    assert "cat" in sample or "dog" in sample or "sat" in sample


def test_bpe_and_words(file, tmp_path):
    for kind in ("words", "bpe"):
        recipe = replace(
            RECIPES["gpt"], data=Text(file=file, context=8, tokens=kind, vocabulary=300), epochs=1, xla="off"
        )
        keras.utils.set_random_seed(0)
        made = fit(recipe, logs=tmp_path)
        report = evaluate(made)
        text = Text(file=file).text("test")
        assert len(text) - 10 < report["characters"] < len(text)
        said = "".join(islice(generate(made, "the cat"), 10))
        assert said.strip()
        assert kind == "bpe" or said[0] in " \n"


def test_no_bits_per_character_where_spaces_are_lost(tmp_path):
    path = tmp_path / "wide.txt"
    path.write_text("the  cat\n" * 100)
    source = Text(file=path, tokens="words", context=4)
    assert source.characters("test") is None
    report = source.codec.decode(source.numbers("test").tolist())
    assert report.startswith("the cat\n")


@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Text)])
def test_whole_path(name, file, tmp_path, capsys):
    recipe = replace(RECIPES[name], data=Text(file=file, context=8, windows=200), epochs=2)
    run = fit(recipe, logs=tmp_path)
    assert evaluate(run)["perplexity"] > 1
    assert "".join(islice(generate(run), 3))
    assert fit(recipe, logs=tmp_path) == run
    assert "finished already" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "precision"), [("gpt", "mixed_bfloat16"), ("lm", "mixed_float16")])
def test_early_stopping_in_half_precision(name, precision, file, tmp_path):
    still = Optimizer("sgd", rate=1e-12)
    recipe = replace(RECIPES[name], optimizer=still, epochs=9, patience=2, monitor="val_loss", precision=precision)
    run = fit(replace(recipe, data=Text(file=file, context=8, windows=200)), logs=tmp_path)
    assert run.summary["epochs"] == len(run.history) == 3
    assert run.summary["best"]["epoch"] == 1
    assert run.model().layers[2].compute_dtype == precision.removeprefix("mixed_")


@pytest.mark.parametrize(
    "part",
    [
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        {"decoder": {"type": "Strip", "content": " ", "start": 5, "stop": 5}},
    ],
    ids=str,
)
def test_a_tokenizer_over_which_the_library_falls(part, tmp_path):
    written = json.loads(learn("characters", "abc \n", 0).to_str())
    (tmp_path / "tokenizer.json").write_text(json.dumps(written | part))
    with pytest.raises(UserError, match=r"tokenizer\.json is missing or is not a tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_tokenizer_of_somebody_else(file, tmp_path):
    """Cut off, filled up, and with a gap in its numbers: the text is read whole all the same."""
    path, tokenizer = tmp_path / "tokenizer.json", learn("characters", SENTENCES[0] + "dlog\n", 0)
    written = json.loads(tokenizer.to_str())
    written["model"]["vocab"]["z"] = 40
    tokenizer = Tokenizer.from_str(json.dumps(written))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(path))
    source = Text(file=file, tokenizer=path)
    assert len(source.numbers("test")) == len(source.text("test"))
    assert source.spec["vocabulary"] == 41
    path.write_text("{}")
    with pytest.raises(UserError, match="is missing or is not a tokenizer"):
        Text(file=file, tokenizer=path).spec  # noqa: B018 - the property raises


def test_decay_of_vectors():
    """Biases and normalisation are left alone, all else decays."""
    optimizer = RECIPES["gpt"].optimizer.build(10)
    model = RECIPES["gpt"].model(5, 4, bias=True)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        spared = variable.path.split("/")[-1] in ("bias", "gamma", "beta")
        assert optimizer._use_weight_decay(variable) == (not spared), variable.path
