"""Translation: loss, report, and the verbs that deal with it, on numbers in words to be written in digits."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import sacrebleu
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_crashes import crash_at_saves
from test_pairs import write_pairs

from zoo.data import Pairs
from zoo.errors import UserError
from zoo.evaluate import evaluate, result
from zoo.fit import fit
from zoo.generate import generate
from zoo.models import transformer
from zoo.opened import opened
from zoo.predict import predict, run_command
from zoo.recipes import RECIPES
from zoo.tasks import Translation
from zoo.tasks.translation import SHOWN, SmoothedCrossEntropy, TokenAccuracy, TranslationPanel
from zoo.training import Optimizer

EPOCHS, shown = 12, TranslationPanel.epoch
SMALL = partial(transformer, width=32, heads=2, depth=1, hidden=64, dropout=0.0, norm="pre")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "my.tsv", 400)


@pytest.fixture(scope="module", autouse=True)
def little():
    """Few translations and pictures for TensorBoard, which take longer than an epoch: at a first and at a last one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TranslationPanel, "epoch", lambda *all: shown(*all) if all[-1] in (1, EPOCHS) else None)
        patch.setattr("zoo.tasks.translation.MAPPED", 1)
        yield


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """A network that has learned its task."""
    recipe = replace(
        RECIPES["transformer"],
        model=SMALL,
        data=Pairs(file=file, tokens="words", batch=8, limit=25, lengths=3),
        optimizer=Optimizer("adamw", rate=5e-3, warmup=0.1),
        epochs=EPOCHS,
    )
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def drawn(random, width: int, rows: int = 3, vocabulary: int = 7):
    """Logits, tokens and weights; the last third of the places is padding."""
    logits = random.normal(size=(rows, width, vocabulary)).astype(np.float32)
    labels = random.integers(1, vocabulary, (rows, width))
    labels[:, -width // 3 :] = 0
    return logits, labels, np.float32(labels > 0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_loss_and_accuracy_of_the_formula(smoothing):
    """Beside Keras' loss of one-hot labels, and numpy."""
    logits, labels, weights = drawn(np.random.default_rng(0), 6)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    nats = keras.ops.convert_to_numpy(theirs(np.eye(7)[labels], logits))
    loss = SmoothedCrossEntropy(smoothing)
    assert float(loss(labels, logits, weights)) == pytest.approx((nats * weights).sum() / weights.sum(), rel=1e-5)
    metric = TokenAccuracy()
    metric.update_state(np.pad(labels[:1], ((0, 0), (0, 5))), np.pad(logits[:1], ((0, 0), (0, 5), (0, 0))))
    metric.update_state(labels[1:], logits[1:])
    hits = logits.argmax(-1) == labels
    assert float(metric.result()) == pytest.approx(hits[labels > 0].mean())


def test_padding_changes_nothing():
    """Neither in the loss, nor in its gradients, nor in the metric; nor do rows with nothing to predict."""
    model, task, random = SMALL(11), Translation(label_smoothing=0.1), np.random.default_rng(0)
    model.compile(optimizer="sgd", loss=task.loss(), metrics=task.metrics(), run_eagerly=True)
    source, target, labels = (random.integers(3, 11, shape) for shape in ((4, 5), (4, 6), (4, 6)))
    labels[0, 4:] = target[0, 4:] = source[1, 3:] = 0

    def seen(source, target, labels):
        weights = np.float32(labels != 0)
        values = model.evaluate((source, target), labels, sample_weight=weights, verbose=0, batch_size=99)
        before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables]
        model.train_on_batch((source, target), labels, weights)
        moved = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables]
        model.set_weights(before)
        return values, [after - start for start, after in zip(before, moved, strict=True)]

    narrow = seen(source, target, labels)
    wide = seen(*(np.pad(part, ((0, 0), (0, more))) for part, more in ((source, 4), (target, 3), (labels, 3))))
    nothing = np.zeros((2, 6), int)
    longer = seen(np.vstack([source, source[:2]]), np.vstack([target, target[:2]]), np.vstack([labels, nothing]))
    for other in (wide, longer):
        np.testing.assert_allclose(other[0], narrow[0], rtol=1e-5)
        for ours, theirs in zip(other[1], narrow[1], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_report_by_hand(run, file):
    """Loss pair by pair without any padding; BLEU of sacrebleu's own function on the strings that generate prints."""
    source = Pairs(file=file, tokens="words", limit=25)
    report, model = evaluate(run), run.model()
    nats, hits = [], []
    for tokens, target in source.numbers("test"):
        logits = np.float64(model((np.array([tokens]), np.array([[1, *target]]))))[0]
        for place, token in enumerate([*target, 2]):
            nats.append(np.log(np.exp(logits[place]).sum()) - logits[place, token])
            hits.append(logits[place].argmax() == token)
    assert report["tokens"] == len(nats)
    assert report["loss"] == pytest.approx(np.mean(nats), rel=1e-3)
    assert report["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-3)
    assert report["accuracy"] == pytest.approx(np.mean(hits))
    sources, references = zip(*source.pairs("test"), strict=True)
    said = [answer["translation"] for answer in predict(run, sources)]
    assert report["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, [references]).score)
    assert report["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [references]).score)
    assert report["exact"] == np.mean([ours == theirs for ours, theirs in zip(said, references, strict=True)]) > 0.6
    assert report["bleu_signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert [example["translation"] for example in report["examples"]] == said[:20]
    assert sum(group["sentences"] for group in report["lengths"]) == report["sentences"] == len(said)
    metrics = result(opened(run), "test", report)["metrics"]
    assert metrics["bleu_signature"] == report["bleu_signature"]
    assert evaluate(run, "validation")["accuracy"] == pytest.approx(run.summary["best"]["val_accuracy"], abs=1e-6)


def test_commands(run, zoo_command, zoo_here, tmp_path):
    done = zoo_here("predict", run.path, "--text", "three one two")
    assert (done.returncode, done.stdout) == (0, "3 1 2\n"), done.stderr
    lines = "one\r two\n\n" + "one " * 30 + "\nfive zebra\nfour five\n"
    (tmp_path / "in.txt").write_text(lines)
    of_file = zoo_here("predict", run.path, "--file", tmp_path / "in.txt", "--beam", 3)
    assert of_file.returncode == 1
    said = of_file.stdout.split("\n")
    assert (said[0], said[1], said[2], said[4]) == ("1 2", "", "", "4 5")
    assert "zoo: line 3 cannot be answered: it has 30 tokens, but the network learned from sentences of at most 25" in (
        of_file.stderr
    )
    assert "line 4 contains words that are not in the run's vocabulary" in of_file.stderr
    assert "and are read as unknown: 'zebra'" in of_file.stderr
    piped = zoo_command("predict", run.path, "--file", "-", "--json", input=lines)
    answers = [json.loads(line) for line in piped.stdout.splitlines()]
    assert answers[0] == {"source": "one\r two", "translation": "1 2"}
    assert "error" in answers[2]
    assert [answer["source"] for answer in answers[3:]] == ["five zebra", "four five"]
    assert [answer.get("unknown") for answer in answers[3:]] == [["zebra"], None]
    asked = zoo_here("predict", run.path, "--text", "five zebra")
    assert asked.returncode == 0
    assert "zoo: the text contains words that are not in the run's vocabulary" in asked.stderr
    done = zoo_here("evaluate", run.path)
    assert done.returncode == 0, done.stderr
    assert "BLEU" in done.stdout
    assert "nrefs:1|" in done.stdout
    assert (run.path / "test.png").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "give either --text SENTENCE or --file FILE (- for standard input)"),
        (("--text", "one", "--file", "-"), "give either --text SENTENCE or --file FILE"),
        (("--text", " "), "--text came as ' ', which holds no sentence"),
        (("--text", "one " * 26), "--text cannot be answered: it has 26 tokens"),
        (("--text", "a\udcff"), "--text cannot be answered: it came with bytes that are not UTF-8"),
        (("--file", "nowhere.txt"), "--file came as nowhere.txt, which cannot be read: No such file"),
        (("one",), "there is no file one"),
        (("--text", "one", "--beam", "0"), "--beam came as 0, but must be from 1 to 100"),
    ],
)
def test_complaints(run, words, complaint):
    with pytest.raises(UserError) as caught:  # which commands answer in one line: see test_generate.py
        run_command([str(run.path), *words])
    assert complaint in str(caught.value)


def test_characters_that_were_not_learned(file, tmp_path):
    recipe = replace(RECIPES["transformer"], model=SMALL, data=Pairs(file=file, limit=40), epochs=1)
    made = fit(recipe, logs=tmp_path)
    first, second = predict(made, ["one ZEBRA", "one two"])
    assert first["error"].startswith("it holds 'Z' 'E' 'B' 'R' 'A', for which the run has no token")
    assert "translation" in second
    with pytest.raises(UserError, match=r"does not generate: try `python -m zoo\.predict"):
        next(generate(made, prompt="one"))


def test_board(run, file):
    reader = EventAccumulator(str(run.path / "validation"), size_guidance={"tensors": 0})
    reader.Reload()
    (last,) = [event for event in reader.Tensors("translations") if event.step == EPOCHS]
    rows = [
        [line.split("  ")[-1].strip() for line in row.decode().splitlines()] for row in last.tensor_proto.string_val
    ]
    pairs = Pairs(file=file, tokens="words", limit=25).pairs("validation")[:SHOWN]
    said = [answer["translation"] for answer in predict(run, [source for source, _ in pairs])]
    assert rows == [[*pair, translation] for pair, translation in zip(pairs, said, strict=True)]
    assert any(tag.startswith("attention") for tag in reader.Tags()["tensors"])


def test_crash_at_saves_of_a_translation(tmp_path, monkeypatch):
    recipe = replace(
        RECIPES["transformer"],
        model=partial(transformer, width=16, heads=2, depth=1, hidden=16, dropout=0.2),
        data=Pairs(file=write_pairs(tmp_path / "my.tsv", 70), tokens="words", batch=24, lengths=2),  # three steps
        task=Translation(),
        optimizer=Optimizer("adam"),
        epochs=2,
    )
    monkeypatch.setattr(TranslationPanel, "epoch", lambda *all: None)  # what the network makes follows from its weights
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].model.func is transformer])
def test_whole_path(name, file, tmp_path, capsys):
    """Everything as the recipe has it but for a smaller network, and batches so small that it learns something."""
    data = replace(RECIPES[name].data, file=file, vocabulary=300, lengths=1, batch=16)
    model = partial(RECIPES[name].model, width=32, heads=2, depth=1, hidden=32)
    recipe = replace(RECIPES[name], model=model, data=data, epochs=1)
    made = fit(recipe, logs=tmp_path)
    sources, references = zip(*data.pairs("test"), strict=True)
    said = [answer["translation"] for answer in predict(made, sources, beam=recipe.task.beam)]
    report = evaluate(made)
    assert report["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [references]).score)
    assert [example["translation"] for example in report["examples"]] == said[:20]
    learned = evaluate(made, "validation")["accuracy"]
    assert learned == pytest.approx(made.summary["best"]["val_accuracy"], abs=0.01)  # half precision has ties
    assert learned > 0
    assert fit(recipe, logs=tmp_path) == made
    assert "finished already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"label_smoothing": 1.0}, r"--task\.label-smoothing came as 1\.0, but must be from 0 to less than 1"),
        ({"beam": 0}, r"--task\.beam came as 0, but must be from 1 to 100"),
    ],
)
def test_bad_flags(flags, words):
    with pytest.raises(ValueError, match=words):
        Translation(**flags)
