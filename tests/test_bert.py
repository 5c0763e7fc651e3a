"""BERT: what it hides, what padding changes (nothing), and the whole path from hidden words to classes of texts."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.data import Masked, Texts, read_tokenizer
from zoo.data.hiding import Hiding
from zoo.data.padding import padding_of, with_padding_first
from zoo.data.tokens import learn
from zoo.data.wordpiece import numbers_of
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import bert, bert_masked, bert_tagger, tuning_of
from zoo.models.bert import VARIANTS, Variant, headed
from zoo.predict import predict
from zoo.pretrained.bert import Published
from zoo.recipes import RECIPES
from zoo.tasks import Classification, MaskedLanguageModel
from zoo.training import Whole, loop

TEXT = "The cat sat on the mat. The dog sat on the log, and the cat saw the dog.\n" * 40
HEADS = {
    "first": partial(bert, 30, 3),
    "mean": partial(bert, 30, 3, pooling="mean"),
    "roberta": partial(bert, 30, 3, pooling="mean", roberta=True),
    "tagger": partial(bert_tagger, 30, 3),
    "masked": partial(bert_masked, 30, 20),
}


@pytest.fixture(autouse=True)
def nano(monkeypatch):
    monkeypatch.setitem(VARIANTS, "nano", Variant(16, 2, 2))


@pytest.fixture(scope="module")
def run(data_directory, tmp_path_factory):
    data = Masked(directory=data_directory, context=16, vocabulary=300, batch=16, windows=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "nano", Variant(16, 2, 2))
        recipe = replace(RECIPES["bert"], model=partial(bert_masked, variant="nano"), data=data, epochs=2, xla="off")
        return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


@pytest.mark.parametrize("head", HEADS)
def test_padding_changes_nothing(head):
    """No output, and no gradient of any weight."""
    keras.utils.set_random_seed(0)
    model = HEADS[head](variant="nano")
    for weight in model.trainable_variables:
        weight.assign(np.random.default_rng(0).normal(0, 0.2, weight.shape))
    text = np.random.default_rng(1).integers(1, 30, (3, 7)).astype("int32")
    found = []
    for padding in (0, 5):
        inputs = np.pad(text, ((0, 0), (0, padding)))
        inputs = [inputs, np.array([[1, 4], [2, 6], [0, 3]], "int32")] if head == "masked" else inputs
        with tf.GradientTape() as tape:
            logits = model(inputs)
            total = tf.reduce_sum(tf.sin(logits[:, :7] if head == "tagger" else logits))
        gradients = tape.gradient(total, [weight.value for weight in model.trainable_variables])
        found.append([total, *map(tf.convert_to_tensor, gradients)])
    for short, long in zip(*found, strict=True):
        np.testing.assert_allclose(short, long, rtol=1e-4, atol=1e-5)


def test_no_texts_and_too_long_ones():
    model = bert(30, 2, variant="nano", context=8, pooling="mean")
    assert np.isfinite(model(np.zeros((2, 5), "int32"))).all()
    with pytest.raises(UserError, match=r"^texts have 9 tokens, but the network has 8 positions: .* --data.length"):
        model(np.ones((2, 9), "int32"))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (partial(bert, 9, 2, variant="huge"), "variant came as 'huge', but the known ones are tiny, mini, .*, "),
        (partial(bert, 9, 2, variant="nano", pooling="last"), "pooling came as 'last', but must be first or mean"),
        (partial(bert_tagger, 9, 2, context=0), "context came as 0, but must be at least 1"),
    ],
)
def test_settings_that_do_not_fit(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_what_is_hidden():
    """Devlin 2018, section 3.1: 15 % of the tokens; of these 80 % are masked, 10 % others, 10 % left; no marks."""
    hide = Hiding(tuple(range(5, 1000)), 4, 1000, 0.15, 15)
    tokens = np.random.default_rng(0).integers(5, 1000, (400, 102)).astype("int32")
    tokens[:, 0], tokens[:, 101], tokens[:200, 52:] = 2, 3, 0  # marks, and padding
    (hidden, places), labels, weights = hide(tf.constant(tokens), tf.constant([1, 2], tf.int64))
    hidden, places, labels, weights = (part.numpy() for part in (hidden, places, labels, weights))
    np.testing.assert_array_equal(weights.sum(1), [8] * 200 + [15] * 200)
    rows = np.arange(400)[:, None]
    np.testing.assert_array_equal(tokens[rows, places][weights > 0], labels[weights > 0])
    assert not labels[weights == 0].any()
    assert labels[weights > 0].min() >= 5
    now = hidden[rows, places][weights > 0]
    assert np.mean(now == 4) == pytest.approx(0.8, abs=0.03)
    assert np.mean(now == labels[weights > 0]) == pytest.approx(0.1, abs=0.03)
    assert all(len(set(row)) == 15 for row in places)
    untouched = np.ones_like(tokens, bool)
    untouched[np.repeat(rows, 15, 1)[weights > 0], places[weights > 0]] = False
    np.testing.assert_array_equal(hidden[untouched], tokens[untouched])


def test_a_batch_follows_from_seed_and_step(data_directory):
    data = Masked(directory=data_directory, context=16, vocabulary=300, batch=4)

    def batches(count, **how):
        return [tf.nest.flatten(batch) for batch in data.load("train", **how).take(count).as_numpy_iterator()]

    whole, (late,), (other,) = batches(5, seed=3), batches(1, seed=3, step=4), batches(1, seed=4, step=4)
    assert all(map(np.array_equal, late, whole[4]))
    assert not np.array_equal(late[0], other[0])
    (text, places), labels, _ = next(data.load("validation").as_numpy_iterator())
    (again, same), theirs, _ = next(replace(data).load("validation").as_numpy_iterator())
    assert np.array_equal(text, again)
    assert np.array_equal(places, same)
    assert np.array_equal(labels, theirs)
    restored = text.copy()
    np.put_along_axis(restored, places, labels, 1)
    np.testing.assert_array_equal(restored[:3, 1:-1].ravel(), data.numbers("validation")[: 3 * 14])
    assert set(text[:, 0]) == {data.codec.token_to_id("[CLS]")}
    assert set(text[:3, -1]) == {data.codec.token_to_id("[SEP]")}


def test_the_loss_is_a_mean_over_hidden_tokens():
    """Whichever batch they stand in: of a batch it is what its halves have, by the numbers of their tokens."""
    random, loss = np.random.default_rng(0), MaskedLanguageModel().loss()
    logits, labels = random.normal(size=(4, 6, 9)).astype("float32"), random.integers(1, 9, (4, 6))
    weights = (np.arange(6) < np.array([[6], [1], [3], [2]])).astype("float32")
    halves = [(loss(labels[at], logits[at], weights[at]), weights[at].sum()) for at in (slice(2), slice(2, 4))]
    whole = sum(float(nats) * count for nats, count in halves) / weights.sum()
    assert float(loss(labels, logits, weights)) == pytest.approx(whole, rel=1e-5)


def test_the_same_text_gives_the_same_tokens():
    """The library alone would number them otherwise each time."""
    text = Path(__file__).read_text(encoding="utf-8") + "Ünïcode 中国人 Ωmega °C"
    first, *others = (learn("wordpiece", text, 400).to_str() for _ in range(4))
    assert set(others) == {first}


def test_pieces_of_a_long_text_are_those_of_the_whole(monkeypatch):
    tokenizer = learn("wordpiece", TEXT, 100)
    end = tokenizer.token_to_id("[SEP]")
    whole = [*tokenizer.encode(TEXT, add_special_tokens=False).ids, end, end]
    monkeypatch.setattr("zoo.data.wordpiece.pieces", lambda text: text.splitlines(keepends=True))
    np.testing.assert_array_equal(numbers_of(tokenizer, [TEXT, "", "\n"]), whole)


def test_a_text_is_framed(tmp_path):
    tokenizer = learn("wordpiece", TEXT, 100)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    data = Texts(tokenizer=tmp_path / "tokenizer.json", length=6)
    start, end = map(tokenizer.token_to_id, ("[CLS]", "[SEP]"))
    short, long = (data.read(text, {})[0] for text in ("The cat", "The cat sat on the mat and the log"))
    assert tokenizer.decode(short.tolist()) == "the cat"
    assert (short[0], short[3], *short[4:]) == (start, end, 0, 0)
    assert (long[0], long[5]) == (start, end)
    with pytest.raises(UserError, match="it is empty"):
        data.read(" ", {})


def test_padding_comes_first():
    tokenizer = learn("words", "a b", 10, ("<s>", "<pad>"))
    tokenizer.add_special_tokens(["<s>", "<pad>"])
    assert padding_of(tokenizer.to_str()) == 1
    moved = type(tokenizer).from_str(with_padding_first(tokenizer.to_str()))
    assert [moved.id_to_token(number) for number in range(3)] == ["<pad>", "<s>", tokenizer.id_to_token(2)]
    assert with_padding_first(moved.to_str()) == moved.to_str()


def test_whole_path(run, zoo_here):
    report = evaluate(run)
    assert report["perplexity"] == pytest.approx(np.exp(report["loss"]))
    assert {baseline["metric"] for baseline in report["baselines"]} == {"loss", "accuracy"}
    both, none, long = predict(run, ["The [MASK] of an [MASK] is", "nothing", "a [MASK] " * 16], top=2)
    assert [len(mask) for mask in both["masks"]] == [2, 2]
    assert "write [MASK] where a word is missing" in none["error"]
    assert "but the network sees 16" in long["error"]
    done = zoo_here("predict", run.path, "--text", "The [MASK] of it")
    assert done.returncode == 0
    assert len(done.stdout.strip().split("\t")) == 5
    assert zoo_here("look", "bert", "--data.context", 16, "--data.vocabulary", 300).returncode == 0


@pytest.mark.usefixtures("unshown")
def test_fine_tuned_to_tell_texts_apart(run, data_directory, tmp_path):
    rows = [f"{'The value of a name' if at % 2 else 'An error is raised'} {at},{at % 2}" for at in range(60)]
    (tmp_path / "my.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    keras.utils.clear_session()  # names begin anew, as in a process of its own, and must not be those of the run
    recipe = recipe_for(run)
    assert isinstance(recipe.task, Classification)
    assert recipe.data.length == 16
    tuned = fit(replace(recipe, data=replace(recipe.data, file=tmp_path / "my.csv", batch=8), epochs=1), logs=tmp_path)
    before, after = run.model(), tuned.model()
    names = {layer.name for layer in before.layers if layer.weights} & {layer.name for layer in after.layers}
    assert {"tokens", "positions", "block1", "block2"} <= names
    moved = np.abs(after.get_layer("block1").get_weights()[0] - before.get_layer("block1").get_weights()[0]).max()
    assert 0 < moved < 0.01  # what was learned is where it began
    assert evaluate(tuned)["examples"] == 6
    assert (
        read_tokenizer(tuned.path / "tokenizer.json").to_str() == read_tokenizer(run.path / "tokenizer.json").to_str()
    )
    (answer,) = predict(tuned, ["An error is raised 7"])
    assert answer["top"][0]["label"] in ("0", "1")
    with pytest.raises(UserError, match=r"^texts have 99 tokens, but the network has 16 positions"):
        fit(replace(recipe, data=replace(recipe.data, file=tmp_path / "my.csv", length=99)), logs=tmp_path)
    foreign = replace(recipe.data, file=tmp_path / "my.csv", tokenizer=None, tokens="characters")
    with pytest.raises(UserError, match=r"the tokenizer knows \d+ tokens, but .* was trained on 300: give its own"):
        fit(replace(recipe, data=foreign), logs=tmp_path)


@pytest.mark.usefixtures("unshown")
def test_hidden_words_of_another_text(run, tmp_path):
    """Nothing is new: head, tokenizer and context are those of the run."""
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    recipe = recipe_for(run, like=replace(RECIPES["bert"], data=Masked(context=64)))
    assert (recipe.task, recipe.data.context, recipe.data.batch) == (MaskedLanguageModel(), 16, 16)
    assert isinstance(recipe.method, Whole)
    assert recipe.monitor == "val_loss"
    recipe = replace(recipe, data=replace(recipe.data, file=tmp_path / "my.txt"), epochs=1, xla="off")
    for ours, theirs in zip(loop.build(recipe).get_weights(), run.model().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    tuned = fit(recipe, logs=tmp_path)
    assert tuned.record["spec"] == run.record["spec"]
    kept, new = ((path / "tokenizer.json").read_text(encoding="utf-8") for path in (run.path, tuned.path))
    assert kept == new
    assert evaluate(tuned)["loss"] > 0
    classes = recipe_for(tuned)  # and then on to classes
    assert isinstance(classes.data, Texts)
    assert (classes.data.length, classes.data.tokenizer) == (16, tuned.path / "tokenizer.json")


def test_which_heads_are_new():
    made = {name: build(variant="nano") for name, build in HEADS.items()}
    same = {(name, each) for name, model in made.items() for each in (False, True) if headed(model, each=each) is model}
    assert same == {("first", False), ("mean", False), ("roberta", False), ("tagger", True)}
    keras.utils.clear_session()
    for each, shape in ((False, (None, 1)), (True, (None, None, 1))):
        assert headed(made["masked"], each=each).output_shape == shape
    assert headed(made["tagger"], each=False).output_shape == (None, 1)
    assert tuning_of(made["tagger"]).head is headed


def test_recipes_for_published_weights(monkeypatch, tmp_path):
    tokenizer = learn("wordpiece", TEXT, 100)
    tokenizer.save(str(tmp_path / "any.json"))
    found = Published(bert(tokenizer.get_vocab_size(), 1, variant="nano", context=24), tmp_path / "any.json", 24)
    monkeypatch.setattr("zoo.pretrained.bert.published_bert", lambda name, weights: found)
    recipe = recipe_for("owner/mine", "hub")
    assert (recipe.name, recipe.task, recipe.monitor) == ("finetuned-mine", Classification(), "val_accuracy")
    assert (recipe.epochs, recipe.optimizer.clip) == (4, 1.0)
    assert recipe.data == Texts(tokens="wordpiece", tokenizer=tmp_path / "any.json", length=24, batch=32)
    recipe = recipe_for("owner/mine", "hub", like=RECIPES["tagger"])
    assert (recipe.data.tokenizer, recipe.data.length, recipe.data.batch) == (tmp_path / "any.json", 24, 32)
    assert recipe.model.keywords["each"]
    with pytest.raises(UserError, match="owner/mine reads texts, but cnn reads pictures"):
        recipe_for("owner/mine", "hub", like=RECIPES["cnn"])
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    hidden = recipe_for("owner/mine", "hub", like=RECIPES["bert"])
    with pytest.raises(UserError, match="owner/mine tells classes apart, and predicts no tokens: give --like a recipe"):
        loop.build(replace(hidden, data=replace(hidden.data, file=tmp_path / "my.txt")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"context": 3}, "--data.context came as 3, but must be from 4"),
        ({"hidden": 1.0}, "--data.hidden came as 1.0, but must be between 0 and 1"),
        ({"vocabulary": 7}, "--data.vocabulary came as 7, but must be from 100"),
        ({"windows": 0}, "--data.windows came as 0, but must be at least 1"),
    ],
)
def test_settings_of_the_source(settings, words):
    with pytest.raises(ValueError, match=words):
        Masked(**settings)


def test_files_that_do_not_fit(tmp_path):
    (tmp_path / "my.txt").write_text(TEXT[:300], encoding="utf-8")
    with pytest.raises(UserError, match=r"part of my.txt has \d+ tokens, which do not fill a window of 62"):
        Masked(file=tmp_path / "my.txt", context=64).numbers("test")
    learn("words", TEXT, 20).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match=r"tokenizer.json lacks \[PAD\], .*\[MASK\], but must have \[PAD\]"):
        _ = Masked(tokenizer=tmp_path / "tokenizer.json").codec
    (tmp_path / "vocab.txt").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"vocab.txt is .* not a tokenizer: it lacks \[PAD\], \[UNK\], .* of BERT"):
        read_tokenizer(tmp_path / "vocab.txt")


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8")
    data = Masked(file=tmp_path / "my.txt", context=16, vocabulary=100)
    said = " ".join(data.understood)
    assert "my.txt: " in said
    assert "lines that stand in train too" in said
    assert "2 of the 14 in a window are hidden" in said
