"""T5: padding, its recipes' whole path, texts told apart by a prefix, and published weights that answer a prompt."""

import datetime
import json
import random
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from safetensors.numpy import save_file
from test_models import BUILDERS, array
from test_text import write_text
from test_translation import EPOCHS  # noqa: F401 - its settings of what TensorBoard shows

from zoo.data import Pairs, Spans
from zoo.data.dates_and_numbers import DAYS, FIRST, FORMS, LOCALES, formatted, in_words
from zoo.data.tokens import learn
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.generate import generate
from zoo.metrics import by_prefix
from zoo.models.t5 import VARIANTS, Variant, network
from zoo.predict import predict
from zoo.pretrained.t5 import names_of
from zoo.recipes import RECIPES
from zoo.tasks.translation import TranslationPanel
from zoo.training import loop

TINY = Variant(32, 2, 8, 32, 1)


@pytest.fixture(scope="module", autouse=True)
def little():
    """A T5 of one narrow block, and nothing for TensorBoard, which test_translation.py looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "nano", TINY)
        patch.setattr(TranslationPanel, "epoch", lambda *all: None)
        yield


@pytest.mark.parametrize("name", ["t5", "t5-1.1"])
def test_padding_changes_no_gradient(name):
    """Nor the loss, which is a mean over tokens, whatever the batch; nor do rows with nothing to predict."""
    keras.utils.set_random_seed(0)
    build = BUILDERS[name].build
    model, task = build(dropout=0.0), RECIPES["t5"].task
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=task.loss(), run_eagerly=True)
    (source, target), labels = BUILDERS[name].inputs(count=4), BUILDERS[name].inputs(count=4)[1]
    start = model.get_weights()

    def seen(source, target, labels):
        model.set_weights(start)
        loss = model.train_on_batch((source, target), labels, np.float32(labels != 0))
        return [loss, *(array(weight) for weight in model.trainable_variables)]

    narrow = seen(source, target, labels)
    wide = seen(*(np.pad(part, ((0, 0), (0, more))) for part, more in ((source, 4), (target, 3), (labels, 3))))
    nothing = np.zeros_like(labels[:2])
    longer = seen(np.vstack([source, source[:2]]), np.vstack([target, target[:2]]), np.vstack([labels, nothing]))
    counts = (labels != 0).sum(1)
    each = [seen(source[row : row + 1], target[row : row + 1], labels[row : row + 1])[0] for row in range(4)]
    assert narrow[0] == pytest.approx(np.average(each, weights=counts), rel=1e-5)
    for other in (wide, longer):
        for ours, theirs in zip(other, narrow, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_numbers_in_words():
    said = {0: "zero", 13: "thirteen", 21: "twenty-one", 102: "one hundred and two", 700: "seven hundred"}
    said |= {1001: "one thousand and one", 12_345: "twelve thousand three hundred and forty-five"}
    assert {number: in_words(number) for number in said} == said
    assert in_words(12_345, joined=False) == "twelve thousand three hundred forty-five"
    assert len({in_words(number, joined=joined) for number in range(3000) for joined in (True, False)}) > 3000
    known = {}
    for number in range(0, 100_000, 7):
        for joined in (True, False):
            assert known.setdefault(in_words(number, joined=joined), number) == number


def test_a_date_without_its_place_is_one_day():
    chosen, said = random.Random(0), {}
    for _ in range(300):
        day = FIRST + datetime.timedelta(days=chosen.randrange(DAYS))
        for locale in LOCALES:
            for form in FORMS:
                assert said.setdefault(formatted(day, locale, form), day) == day


def test_dates_and_numbers(data_directory):
    source = Pairs("dates_and_numbers", directory=data_directory)
    parts = {split: source.pairs(split) for split in source.splits}
    assert {split: len(pairs) for split, pairs in parts.items()} == {"train": 24_000, "validation": 3000, "test": 3000}
    answers = {split: {(text[:4], answer) for text, answer in pairs} for split, pairs in parts.items()}
    assert sum(map(len, answers.values())) == 30_000 == len(set().union(*answers.values()))
    assert {("numb", str(number)) for number in range(1000)} <= set().union(*answers.values())
    assert source.understood[1] == "told apart by their beginnings: 15,000 date:, 15,000 number:"


def test_prefixes():
    assert by_prefix(["number: one", "date: 1", "number: two"]) == {"number": [0, 2], "date": [1]}
    assert by_prefix(["number: one", "two"]) == {}
    assert by_prefix(["number: one", "number: two"]) == {}
    assert by_prefix([f"{at}: one" for at in range(51)]) == {}
    assert by_prefix([]) == {}


def write_kinds(path: Path) -> Path:
    """Letters to turn into capitals, or to say how many there are."""
    chosen, lines = random.Random(0), set()
    while len(lines) < 400:
        word = "".join(chosen.choices("abc", k=chosen.randint(2, 6)))
        lines |= {f"large: {word}\t{word.upper()}", f"count: {word}\t{len(word)}"}
    path.write_text("\n".join(sorted(lines)), encoding="utf-8")
    return path


def test_whole_path_of_texts(tmp_path, capsys):
    data = Pairs(file=write_kinds(tmp_path / "my.tsv"), lengths=1, batch=16)
    recipe = replace(RECIPES["t5"], data=data, epochs=2)
    run = fit(recipe, logs=tmp_path)
    said = capsys.readouterr().out
    assert "told apart by their beginnings: " in said
    assert "count:, " in said
    report = evaluate(run)
    assert {kind["prefix"] for kind in report["kinds"]} == {"large", "count"}
    exact = sum(kind["exact"] * kind["sentences"] for kind in report["kinds"]) / report["sentences"]
    assert exact == pytest.approx(report["exact"])
    assert report["exact_lowest"] == min(kind["exact"] for kind in report["kinds"])
    (greedy,), (searched,) = predict(run, ["large: abc"]), predict(run, ["large: abc"], beam=3)
    assert set(greedy) == set(searched) == {"source", "translation"}
    assert fit(recipe, logs=tmp_path) == run
    assert "finished already" in capsys.readouterr().out


def test_whole_path_of_spans(tmp_path, capsys):
    data = Spans(file=write_text(tmp_path / "my.txt"), context=20, vocabulary=400, batch=16)
    recipe = replace(RECIPES["t5-spans"], data=data, epochs=2)
    run = fit(recipe, logs=tmp_path)
    assert "of each 20 tokens 3 left out in 1 spans" in capsys.readouterr().out
    report = evaluate(run)
    assert report["sentences"] == data.count("test")
    assert evaluate(run, "validation")["loss"] == pytest.approx(run.summary["best"]["val_loss"], rel=1e-3)
    (answer,) = predict(run, ["The cat <extra_id_0> mat"])
    assert isinstance(answer["translation"], str)
    assert fit(recipe, logs=tmp_path) == run
    # What was learned from left-out spans goes on with pairs.
    tuned = recipe_for(run, like=RECIPES["t5"])
    tuned = replace(tuned, data=replace(tuned.data, file=write_kinds(tmp_path / "my.tsv")))
    assert tuned.data.numbers("test")
    for ours, theirs in zip(loop.build(tuned).weights, run.model().weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, keras.Model]:
    """A folder in transformers' form with weights of ours; its tokenizer's first tokens are those of T5."""
    folder = tmp_path_factory.mktemp("published")
    tokenizer = learn("bpe", "translate English to German: house, Haus. " * 9, 300, ("<pad>", "</s>", "<unk>"))
    tokenizer.save(str(folder / "tokenizer.json"))
    count = tokenizer.get_vocab_size()
    keras.utils.set_random_seed(2)
    model, stored = network(count, TINY), {}
    for weight in model.weights:
        names, numbers = names_of(model).get(weight.path, []), array(weight)
        if weight.path.endswith("kernel"):
            stored |= {name: part.T.copy() for name, part in zip(names, np.split(numbers, len(names), -1), strict=True)}
        else:
            stored |= dict.fromkeys(names, numbers)
    stored["shared.weight"] = np.pad(stored["shared.weight"], ((0, 5), (0, 0)))  # rows that no token has
    save_file(stored, folder / "model.safetensors")
    sizes = {"d_model": 32, "num_heads": 2, "d_kv": 8, "d_ff": 32, "num_layers": 1, "vocab_size": count + 5}
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", **sizes}))
    return folder, model


def test_published_weights_answer(published, zoo_here):
    folder, _ = published
    prompt = "translate English to German: house"
    done = zoo_here("generate", "t5-small", "--weights", folder, "--prompt", prompt, "--tokens", 7, "--beam", 2)
    assert done.returncode == 0, done.stderr
    (answer,) = generate("t5-small", weights=str(folder), prompt=prompt, tokens=7, beam=2)
    assert done.stdout == f"{answer['text']}\n"
    asked = zoo_here("generate", "t5-small", "--weights", folder, "--prompt", prompt, "--tokens", 7, "--json")
    assert json.loads(asked.stdout)["prompt"] == prompt
    assert json.loads(asked.stdout).keys() >= {"text", "ended", "beam"}


def test_published_weights_complain(published, zoo_here):
    folder, _ = published
    for words, complaint in (
        (("generate", "t5-small", "--weights", folder), "there is nothing to answer: give --prompt TEXT"),
        (("generate", "t5-small", "--weights", folder, "--prompt", "a", "--tokens", 0), "--tokens came as 0"),
        (("predict", "t5-small", "--weights", folder, "--text", "a"), "does not predict: try `python -m zoo.generate"),
        (("generate", "t5-small", "--weights", folder / "none"), "there is no such folder: wanted hub, or a folder"),
        (
            ("generate", "t5-small"),
            "t5-small is a published network and not a run: give its weights too, --weights hub",
        ),
    ):
        assert_complaint(zoo_here(*words), complaint)
    with pytest.raises(UserError, match="--beam came as 0"):
        generate("t5-small", weights=str(folder), prompt="a", beam=0)
