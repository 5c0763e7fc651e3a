"""Word vectors: the pairs of words, both networks by hand, and the whole path on a small text."""

import json
import re
import shlex
from collections import Counter
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import assert_complaint

from zoo.data import Words
from zoo.data.pairing import CHUNK, SHARED
from zoo.data.source import knowing
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit, summary
from zoo.models import word2vec
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks import WordVectors, similarity
from zoo.tasks.vectors import NegativeSampling
from zoo.training import Optimizer

KINGS = ("the king rules the land of men", "the queen rules the land of women", "a man may see the king")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Paragraphs of sentences, a few hundred words."""
    path = tmp_path_factory.mktemp("text") / "my.txt"
    random = np.random.default_rng(0)
    paragraphs = [" ".join(KINGS[at] + "," for at in random.integers(0, 3, 6)) + " Well." for _ in range(60)]
    path.write_text("\n\n".join(paragraphs), encoding="utf-8")
    return path


def recipe(text, **data):
    data = Words(file=text, batch=64, sample=0.05, **data)
    return replace(RECIPES["word2vec"], model=partial(word2vec, width=8), data=data, epochs=2, xla="off")


@pytest.fixture(scope="module")
def run(text, tmp_path_factory):
    return fit(recipe(text), logs=tmp_path_factory.mktemp("logs"))


def numbers(model, name):
    return model.get_layer(name).get_weights()[0]


@pytest.mark.parametrize("cbow", [False, True])
def test_by_hand(cbow):
    """Products in numpy; 2,000,000 weights for 10,000 words."""
    with keras.StatelessScope(initialize_variables=False):
        assert word2vec(10_000, cbow).count_params() == 2_000_000
    model, random = word2vec(9, cbow, width=4), np.random.default_rng(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    words, others = random.integers(0, 9, (2, 5)), random.integers(0, 9, (2, 7))
    near = np.float32(random.integers(0, 2, (2, 3, 5)))
    near[0, 0] = 0  # a word that nothing stands beside
    x, y = numbers(model, "vectors")[words], numbers(model, "contexts")[others]
    if cbow:
        x = near @ x / np.maximum(near.sum(-1, keepdims=True), 1)
    seen = model([words, others, near] if cbow else [words, others])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(seen), x @ y.transpose(0, 2, 1), rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    model, inputs = word2vec(9, True, width=4), [np.ones((1, 2), int), np.ones((1, 3), int), np.ones((1, 2, 2))]
    model.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one(inputs)) for one in (model, again)))


def test_loss_is_a_mean_and_its_gradient_that_of_the_sum():
    targets, logits = np.float32([[[1, 0, -2.5], [0, 1, 0]]]), np.float32([[[0.3, 9, -1], [9, -2, 9]]])
    nats = np.log1p(np.exp([-0.3, 2])).sum() + 2.5 * np.log1p(np.exp(-1))
    variable = keras.Variable(logits)
    import tensorflow as tf  # the gradient is that of the backend

    with tf.GradientTape() as tape:
        loss = NegativeSampling()(targets, variable.value)
    assert float(loss) == pytest.approx(nats / 2, rel=1e-5)
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = np.where(targets > 0, sigmoid - 1, -targets * sigmoid)
    np.testing.assert_allclose(tape.gradient(loss, variable.value), expected, rtol=1e-5)


@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_pairs(cbow, split, text):
    """Of every word of a pass, all words as far as drawn, of its paragraph, and false ones for each of them."""
    data = Words(file=text, batch=64, sample=0.0, window=3, cbow=cbow)
    stream, paragraphs = data.load(split, seed=1), re.split(r"\b0\b", " ".join(map(str, data.numbers(split))))
    beside, counted = Counter(), Counter()
    for paragraph in map(str.split, paragraphs):
        words = [int(word) for word in paragraph]
        for at, word in enumerate(words):
            counted[word] += 1
            beside |= {(word, other): 1 for other in words[max(0, at - 3) : at + 4]}
    steps, seen = data.epoch_size // 64 if split == "train" else -1, Counter()
    for (words, others, *near), targets in stream.take(steps).as_numpy_iterator():
        assert words.shape == (len(targets), CHUNK + 6 if cbow else CHUNK)
        false = -targets[..., -SHARED:].sum(-1)
        for row in range(len(targets)):
            for place in range(CHUNK):
                one = others[row, place] if cbow else words[row, place]
                true = words[row, near[0][row, place] > 0] if cbow else others[row, targets[row, place] > 0]
                seen[one] += len(true) > 0
                assert all((one, other) in beside for other in true)
                assert len(true) <= 6
                predicted = [one] * (len(true) > 0) if cbow else true
                same = sum(5 / SHARED * (other == others[row, -SHARED:]).sum() for other in predicted)
                assert false[row, place] == pytest.approx(5 * len(predicted) - same, abs=1e-4)
    if split == "test":  # each has a neighbour
        assert seen == counted


def test_false_neighbours_are_drawn_by_their_counts(text):
    data = Words(file=text, batch=256)
    stream = data.load("train").take(60).as_numpy_iterator()
    drawn = np.concatenate([others[:, -SHARED:].ravel() for (_, others), _ in stream])
    share = data.counts**0.75 / (data.counts**0.75).sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=len(share)) / len(drawn), share, atol=0.02)


@pytest.mark.parametrize("cbow", [False, True])
def test_training_stream_seeks(cbow, text):
    """Within a pass and in a later one, of which this text has 11 batches."""
    data = Words(file=text, batch=128, sample=0.05, cbow=cbow)
    whole = list(data.load("train", seed=3).take(15).as_numpy_iterator())
    for step in (4, 13):
        (late,) = data.load("train", seed=3, step=step).take(1).as_numpy_iterator()
        for ours, theirs in zip((*late[0], late[1]), (*whole[step][0], whole[step][1]), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(whole[4][0][1], whole[14][0][1])


def test_frequent_words_are_thinned_out(text):
    """Mikolov's program: the square root of sample / share, and sample / share."""
    data = Words(file=text, sample=0.01)
    share = data.counts[1:] / data.counts.sum()
    np.testing.assert_allclose(data.kept[1:], np.minimum(np.sqrt(0.01 / share) + 0.01 / share, 1))
    assert data.epoch_size == round(data.counts @ data.kept)
    assert data.words[1] == "the"


def test_what_is_understood(text, tmp_path):
    said = "\n".join(Words(file=text).understood)
    assert "different words, lower-cased, the most frequent the , king" in said
    assert "54 paragraphs" in said
    (tmp_path / "my.txt").write_text("One<br /><br />TWO it's\n \nx " * 30, encoding="utf-8")
    data = Words(file=tmp_path / "my.txt")
    assert sorted(data.words) == ["", "'", "it", "one", "s", "two", "x"]
    assert np.count_nonzero(data.numbers("train") == 0) >= 50
    (tmp_path / "long.txt").write_text("ab abc " * 10 + "abcdefgh " * 30, encoding="utf-8")
    cut = Words(file=tmp_path / "long.txt")
    assert {word for split in cut.splits for word in cut.text(split).split()} == {"ab", "abc", "abcdefgh"}
    few = "each is in a batch of 1024 about 146 times, and its changes add up: if the loss grows, give --data.batch 16"
    assert few in "\n".join(data.understood)
    assert "add up" not in "\n".join(replace(data, batch=16).understood)
    assert Words(file=text).total("test") >= Words(file=text).count("test") > 0


def test_whole_path(run, text, zoo_here):
    report = evaluate(run)
    assert report["loss"] < report["baselines"][0]["value"]
    assert "king" in report["nearest"] | dict.fromkeys(" ".join(report["nearest"].values()).split())
    answers = list(predict(run, ["King", "king - man + women", "quene", "king man", ""], top=3))
    assert [len(answer["near"]) for answer in answers[:2]] == [3, 3]
    assert not {"king", "man", "women"} & {found["word"] for found in answers[1]["near"]}
    assert "'quene' has no vector: it was never seen, or too seldom; nearest: queen" in answers[2]["error"]
    assert "'king man' is neither a word nor a sum" in answers[3]["error"]
    done = zoo_here("predict", run.path, "--text", "king - man + women", "--top", 2, "--json")
    assert len(json.loads(done.stdout)["near"]) == 2, done.stderr
    assert_complaint(zoo_here("predict", run.path, "--text", "quene"), "nearest: queen")
    assert_complaint(zoo_here("predict", run.path, "--text", "king", "--top", 0), "--top came as 0")
    assert_complaint(zoo_here("generate", run.path), "does not generate: try", "--text")


def test_words_that_are_named_have_vectors(run, text, zoo_here):
    """Of this text woman has none."""
    *_, predicting, _, _ = summary(recipe(text), run).splitlines()
    assert '--text "king' not in predicting
    done = zoo_here(*shlex.split(predicting)[2].split(".")[1:], *shlex.split(predicting)[3:])
    assert done.returncode == 0, done.stderr
    counts = np.array([0, 9, 9, 9])
    royal = knowing(Words(), _counted=(("", "man", "king", "woman"), counts))
    assert royal.usage == '--text "king - man + woman"'
    assert knowing(Words(), _counted=(("", "-", "$", "+"), counts)).usage == "--text '$'"


def test_vectors_are_not_fine_tuned(run):
    said = r"takes cbow .* cannot be fine-tuned: .* python -m zoo.fit word2vec --data.file \.\.\.$"
    with pytest.raises(UserError, match=said):
        recipe_for(run)


def test_what_no_word_is_known_of_is_said(run, tmp_path):
    (tmp_path / "analogies.txt").write_text(": family\nboy girl son daughter\nking man queen girl\n")
    (tmp_path / "pairs.tsv").write_text("boy\tson\t9\nking\tqueen\t2\nking\tmen\t3\n")
    task = WordVectors(analogies=tmp_path / "analogies.txt", pairs=tmp_path / "pairs.tsv")
    report = evaluate(run, task=task)
    said = task.table(report)
    assert "analogies           not measured: of 2 analogies, 0 are of words that all have a vector; train on" in said
    assert "pairs               not measured: of 3 pairs, 2 are of words that all have a vector; " in said
    assert "give --task.pairs FILE with words of yours" in said
    task.draw(report, tmp_path / "drawn.png")
    alike = tmp_path / "alike.tsv"
    alike.write_text("man\tboy\t9\nman\tking\t9\nman\tqueen\t9\n")
    assert similarity.measure_pairs(alike, UNITS, WORDS)["rho"] is None
    same = report | {"pairs_rho": None, "pairs_pairs": 3, "pairs_unknown": 0}
    assert "pairs               not measured: the 3 known pairs are all alike" in task.table(same)


def test_files_of_a_run(run):
    vectors = run.model().get_layer("vectors").get_weights()[0]
    first, *lines = (run.path / "vectors.txt").read_text(encoding="utf-8").splitlines()
    assert first == f"{len(vectors) - 1} 8"
    words = [line.split("\t")[0] for line in (run.path / "words.txt").read_text(encoding="utf-8").splitlines()]
    assert [line.split(" ")[0] for line in lines] == words
    np.testing.assert_allclose([np.float32(line.split(" ")[1:]) for line in lines], vectors[1:], rtol=1e-4, atol=1e-6)
    assert (run.path / "features" / "rows.tsv").read_text(encoding="utf-8").startswith("word\tcount\nthe\t")


def test_a_stopped_training_ends_with_the_same_bits(text, tmp_path):
    def stop(epoch, logs):
        raise KeyboardInterrupt

    what = recipe(text, cbow=True)
    whole = fit(what, logs=tmp_path / "whole", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        fit(
            what,
            logs=tmp_path,
            quiet=True,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch and stop(epoch, logs))],
        )
    again = fit(what, logs=tmp_path, quiet=True)
    for ours, theirs in zip(again.model().get_weights(), whole.model().get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert again.history == whole.history


UNITS = similarity.unit(np.float32([[0, 0], [1, 0], [1, 1], [0, 1], [-1, 1], [1, 0.1]]))
WORDS = ("", "man", "king", "queen", "woman", "boy")


def test_analogies(tmp_path):
    path = tmp_path / "analogies.txt"
    path.write_text(": family\nman king woman queen\nMan King boy queen\nman king child queen\nodd\n: none\n")
    first, second = similarity.measure_analogies(path, UNITS, WORDS)
    assert first == {"section": "family", "right": 2, "asked": 2, "unknown": 1}
    assert second == {"section": "none", "right": 0, "asked": 0, "unknown": 0}


def test_similar_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("# a comment\nword 1\tword 2\tmean\nman\tboy\t9\nMan\tking\t5\nman\tqueen\t3\nman\tchild\t1\n")
    assert similarity.measure_pairs(path, UNITS, WORDS) == {"file": "pairs", "rho": 1.0, "asked": 3, "unknown": 1}


def test_files_of_ones_own(run, text, tmp_path, zoo_here):
    (tmp_path / "analogies.txt").write_text(": family\nking men queen women\n")
    (tmp_path / "pairs.tsv").write_text("king\tqueen\t9\nking\tland\t2\nking\tmen\t3\n")
    task = WordVectors(analogies=tmp_path / "analogies.txt", pairs=tmp_path / "pairs.tsv")
    report = evaluate(run, task=task)
    assert report["analogies_asked"] == 1
    assert report["pairs_pairs"] == 3
    assert "family" in task.table(report)
    task.draw(report, tmp_path / "drawn.png")
    files = ("--task.analogies", task.analogies, "--task.pairs", task.pairs)
    done = zoo_here("evaluate", run.path, *files, "--json")
    assert json.loads(done.stdout) == {"run": str(run.path)} | report, done.stderr
    assert_complaint(zoo_here("evaluate", run.path, "--task.pairs", tmp_path), "--task.pairs came as", "cannot be read")


def test_files_that_are_missing_are_said(run, monkeypatch):
    monkeypatch.setattr(similarity.importlib.util, "find_spec", lambda name: None)
    report = evaluate(run)
    assert "analogies" not in report
    assert "not measured, for want of a file: analogies and pairs of similar words;" in WordVectors().table(report)


@pytest.mark.parametrize(
    ("field", "written", "words"),
    [
        ("analogies", "man king woman queen", "whose first line must be a section"),
        ("analogies", "", "which has no section"),
        ("analogies", None, "which cannot be read: No such file"),
        ("pairs", "man king 3", "which has no line of two words and a number"),
        ("pairs", b"\xff\xfe\x00", "which cannot be read: it is not UTF-8 text"),
    ],
)
def test_files_that_are_none(field, written, words, tmp_path):
    path = tmp_path / "file.txt"
    if written is not None:
        path.write_bytes(written if isinstance(written, bytes) else written.encode())
    measure = similarity.measure_analogies if field == "analogies" else similarity.measure_pairs
    with pytest.raises(UserError, match=f"--task.{field} came as .*{words}"):
        measure(path, UNITS, WORDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data.window", "0"), "--data.window came as 0, but must be at least 1"),
        (("--data.batch", "100"), "--data.batch came as 100, but must be a multiple of 16"),
        (("--data.sample", "1"), "--data.sample came as 1.0, but must be from 0 (none) to less than 1"),
        (("--data.name", "mnist"), "mnist does not hold text: its features are image, label"),
        (("--model.width", "0"), "width came as 0, but must be at least 1"),
    ],
)
def test_mistakes(words, said, zoo_here, tmp_path):
    assert_complaint(zoo_here("fit", "word2vec", *words, "--logs", tmp_path / "logs"), said)
    assert not (tmp_path / "logs").exists()


def test_a_text_that_is_too_short(tmp_path, zoo_here):
    (tmp_path / "my.txt").write_text("one two three " * 20)
    done = zoo_here("fit", "word2vec", "--data.file", tmp_path / "my.txt", "--logs", tmp_path / "logs")
    assert_complaint(done, "has 3 different words that occur 5 times or more", "smaller --data.minimum")
    rare = " ".join(f"rare{number}" for number in range(60))  # more than the last tenth
    (tmp_path / "my.txt").write_text(" ".join(LETTERS) * 40 + " " + rare)
    with pytest.raises(UserError, match=r"the validation part of my\.txt has no two words that training knows"):
        Words(file=tmp_path / "my.txt").numbers("validation")


def test_words_of_a_run_that_are_damaged(run, tmp_path):
    (tmp_path / "words.txt").write_text("one two\n")
    with pytest.raises(UserError, match=r"is missing or is no words\.txt of a run"):
        _ = Words().of_run(tmp_path, ()).words


def test_linear_rate():
    rate = Optimizer("sgd", rate=0.5, schedule="linear").learning_rate(10)
    np.testing.assert_allclose([float(rate(step)) for step in (0, 5, 10)], [0.5, 0.25, 0])
