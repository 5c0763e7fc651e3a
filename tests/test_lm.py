"""The recurrent language model: its facts, what it carries from window to window, and the verbs."""

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import STAGED, stage_originals
from test_text import SENTENCES, write_text

from zoo.data import Text
from zoo.data.ptb import Ptb
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.evaluate import run_command as evaluate_command
from zoo.fit import fit
from zoo.generate import generate
from zoo.generate import run_command as generate_command
from zoo.layers.carry import Forget, forget
from zoo.models import lm
from zoo.recipes import RECIPES
from zoo.training.resume import create_variables

VOCABULARY, CONTEXT, BATCH = 11, 5, 3
BUILDERS = {
    "lstm": partial(lm, embedding=6, units=(8, 4), dropout=0.1),
    "gru_tied": partial(lm, cell="gru", embedding=6, units=(6,), tied=True),
    "rnn": partial(lm, cell="rnn", embedding=6, units=(8,)),
}


def tokens(count: int = BATCH, length: int = CONTEXT) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, (count, length)).astype("int32")


@pytest.fixture(params=BUILDERS)
def build(request):
    keras.utils.set_random_seed(0)
    return partial(BUILDERS[request.param], VOCABULARY)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("text") / "my.txt")


def test_windows_give_the_logits_of_the_whole_text(build):
    """What the layers remember is carried: another way to say that it is as if the text had been read at once."""
    whole, alone, model = build(4 * CONTEXT), build(CONTEXT), build(CONTEXT, BATCH)
    text = tokens(BATCH, 4 * CONTEXT)
    states = [weight for weight in model.weights if "state" in weight.path.split("/")[-1]]
    for other in (alone, model):
        for ours, theirs in zip(other.trainable_weights, whole.trainable_weights, strict=True):
            ours.assign(theirs)
    expected = keras.ops.convert_to_numpy(whole(text))
    for _ in range(2):
        for at in range(0, 4 * CONTEXT, CONTEXT):
            window = text[:, at : at + CONTEXT]
            # Another number of rows is read without a memory, and leaves it alone.
            np.testing.assert_allclose(model(window[:1]), alone(window[:1]), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(model(window), expected[:, at : at + CONTEXT], rtol=1e-4, atol=1e-5)
        assert all(np.abs(state).max() > 0 for state in states)
        forget(model)
        assert not any(np.abs(state).max() for state in states)


def test_each_row_goes_on_where_it_ended(file):
    source = Text(file=file, tokens="words", context=7, batch=4, carried=True)
    numbers = source.numbers("train")
    around = len(numbers) // 7 + 20
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), around))
    assert source.spec == {"vocabulary": source.codec.get_vocab_size(), "context": 7, "carried": 4}
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (4, 7)
    read = np.concatenate([inputs for inputs, _ in batches], 1)
    after = np.concatenate([targets for _, targets in batches], 1)
    np.testing.assert_array_equal(read[:, 1:], after[:, :-1])
    ring = np.tile(numbers, 3).astype(read.dtype).tobytes()  # kept in as few bytes as hold them
    begins = [ring.find(row.tobytes()) // read.itemsize for row in read]
    assert (np.diff(begins) % len(numbers) >= len(numbers) // 4).all()  # they stand equally far apart
    assert (np.diff(begins) % len(numbers) <= len(numbers) // 4 + 1).all()
    for step in (1, 77, around - 1):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        np.testing.assert_array_equal(again, batches[step])
    assert not np.array_equal(next(source.load("train", seed=4).as_numpy_iterator())[0], batches[0][0])


@pytest.mark.parametrize("batch", [1, 4, 500])  # of the last some rows have nothing to read
def test_every_token_is_predicted_once_and_rows_go_on(file, batch):
    source = Text(file=file, tokens="words", context=7, batch=batch, carried=True)
    for split in ("validation", "test"):
        inputs, targets, weights = (
            np.concatenate(part, 1) for part in zip(*source.load(split).as_numpy_iterator(), strict=True)
        )
        assert targets[weights > 0].tolist() == source.numbers(split)[1:].tolist()
        both = (weights[:, 1:] * weights[:, :-1]) > 0
        np.testing.assert_array_equal(inputs[:, 1:][both], targets[:, :-1][both])
        assert set(np.unique(weights)) <= {0, 1}


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    recipe = replace(
        RECIPES["lm"],
        model=partial(lm, embedding=16, units=(16,), dropout=0.1),
        data=Text(file=file, tokens="words", context=7, batch=5, carried=True),
        epochs=3,
    )
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_report_is_that_of_the_whole_part_without_windows(run, file):
    """Each row read at once by a network that carries nothing, and the formula of the perplexity."""
    report, numbers = evaluate(run), Text(file=file, tokens="words").numbers("test")
    assert evaluate(run) == report  # nothing is left of the first
    length = -(-(len(numbers) - 1) // 5)
    whole, trained = lm(report_vocabulary(run), length, embedding=16, units=(16,)), run.model()
    for ours, theirs in zip(whole.trainable_weights, trained.trainable_weights, strict=True):
        ours.assign(theirs)
    nats = []
    for row in range(5):
        part = numbers[row * length : row * length + length + 1]
        filled = np.pad(part[:-1], (0, length - len(part) + 1))
        logits = np.float64(whole(filled[None])[0][: len(part) - 1])
        likely = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        nats += (-likely[np.arange(len(part) - 1), part[1:]]).tolist()
    assert report["tokens"] == len(nats) == len(numbers) - 1
    assert report["rows"] == 5
    assert report["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)
    # Of the validation part all windows are full, so that each batch counts the same.
    assert evaluate(run, "validation")["loss"] == pytest.approx(run.summary["best"]["val_loss"], rel=1e-4)


def report_vocabulary(run) -> int:
    return run.record["spec"]["vocabulary"]


def test_it_learns_and_writes(run, capsys):
    assert evaluate_command([str(run.path)]) == 0
    said = capsys.readouterr().out
    assert "tokens, in 5 rows, each read on and on" in said
    assert (run.path / "test.png").exists()
    assert evaluate(run)["perplexity"] < 2  # of the words' own frequencies it would be 6
    # Longer than the context, which limits nothing here.
    assert (
        generate_command(
            [str(run.path), "--prompt", 3 * "the cat sat on the mat\n", "--tokens", "30", "--temperature", "0"]
        )
        == 0
    )
    said = capsys.readouterr()
    assert not said.err
    written = said.out.rstrip().splitlines()
    assert {line.strip() + "\n" for line in written[:-1]} <= set(SENTENCES), written
    with pytest.raises(UserError, match="the prompt holds 'ZEBRA'"):
        next(generate(run, prompt="ZEBRA"))


@pytest.mark.skipif(not STAGED.exists(), reason="the stored originals are not there: Penn Treebank is not tested")
def test_penn_treebank(tmp_path):
    """Counts of Mikolov 2010 and Zaremba 2014."""
    stage_originals(Ptb, tmp_path)
    source = replace(RECIPES["lm-ptb"].data, directory=tmp_path)
    assert source.spec == {"vocabulary": 10_000, "context": 20, "carried": 20}
    counts = {split: len(source.numbers(split)) for split in source.splits}
    assert counts == {"train": 929_589, "validation": 73_760, "test": 82_430}
    assert source.text("test").startswith("no it was n't black monday\nbut while the new york stock exchange")
    assert source.characters("test") == len(source.text("test")) - len("no ")
    assert {source.codec.token_to_id(word) is None for word in ("<unk>", "<eos>", "N", "aer")} == {False}


def test_penn_treebank_out_of_reach(tmp_path, monkeypatch):
    """Without a network the answer says what to do."""
    monkeypatch.setattr("zoo.data.prepare.silence_of", lambda url: "no network")
    with pytest.raises(
        UserError, match=r"cannot be reached \(no network\).*copy the folder ptb, or use --data.name pydocs"
    ):
        fit(replace(RECIPES["lm-ptb"], data=replace(RECIPES["lm-ptb"].data, directory=tmp_path)), logs=tmp_path)


def test_each_epoch_and_each_validation_begins_without_a_memory():
    model = lm(VOCABULARY, CONTEXT, BATCH, embedding=6, units=(6,))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    create_variables(model, (tokens(), tokens()))
    seen = []

    class Look(keras.callbacks.Callback):
        def remembered(self) -> bool:
            return any(np.abs(state).max() > 0 for state in model.get_layer("lstm1").states)

        def on_train_batch_begin(self, batch, logs=None):
            seen.append(("train", self.remembered()))

        def on_test_batch_begin(self, batch, logs=None):
            seen.append(("test", self.remembered()))

    data = {"x": tokens(2 * BATCH), "y": tokens(2 * BATCH), "batch_size": BATCH, "shuffle": False}
    validation = {"validation_data": (data["x"], data["y"]), "validation_batch_size": BATCH}
    model.fit(**data, **validation, epochs=2, verbose=0, callbacks=[Forget(), Look()])
    assert seen == 2 * [(part, later) for part in ("train", "test") for later in (False, True)]
