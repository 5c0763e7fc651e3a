"""Fine-tuning of whatever has a head: sounds, series and words, besides the pictures of test_finetune.py."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from scipy.io import wavfile
from test_sounds import tone
from test_text import write_text

from zoo.data import Pairs, Series, Speech, Text, Texts
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import finetune, recipe_for
from zoo.fit import fit
from zoo.generate import generate
from zoo.models import gpt, lm, recurrent, tagger, textcnn, transformer
from zoo.models.gpt import VARIANTS, Variant
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.training import Lora, Thaw, Whole, loop
from zoo.training.lora import adapters
from zoo.transfer import with_head

pytestmark = pytest.mark.usefixtures("unshown")

SMALL = partial(recurrent, cell="gru", units=(8,), dense=(8,))
AT_ONCE = Thaw(frozen=0, groups=1)


def test_sounds(tmp_path, data_directory):
    """A network of telephone keys learns tones of its own, heard in the same way."""
    data = Speech(directory=data_directory, steps=30, mels=16, batch=64)
    base = fit(replace(RECIPES["lstm"], model=SMALL, data=data, epochs=1), logs=tmp_path)
    for name, hertz in (("low", 300), ("high", 2500)):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for number in range(12):
            wavfile.write(tmp_path / "sounds" / name / f"{number}.wav", 8000, np.float32(tone(hertz + number)))
    recipe = recipe_for(base)
    assert (recipe.data.steps, recipe.data.mels) == (30, 16)
    mine = replace(recipe.data, folder=tmp_path / "sounds", directory=data_directory, batch=4)
    run = fit(replace(recipe, data=mine, method=AT_ONCE, epochs=6), logs=tmp_path)
    assert run.record["labels"] == ["high", "low"]
    (answer,) = predict(run, [tmp_path / "sounds" / "low" / "3.wav"])
    assert answer["top"][0]["label"] in ("high", "low")
    with pytest.raises(UserError, match=r"inputs are \(None, 40, 16\), but .* was trained on \(None, 30, 16\)"):
        finetune(base, replace(mine, steps=40), logs=tmp_path)


def test_series(tmp_path, data_directory):
    """Another series, of another unit and scale."""
    base = fit(replace(RECIPES["rnn"], data=Series(directory=data_directory, window=5), epochs=1), logs=tmp_path)
    (tmp_path / "my.csv").write_text("x\n" + "\n".join(str(1e6 * np.sin(day / 3)) for day in range(200)) + "\n")
    recipe = recipe_for(base)
    assert recipe.data.window == 5
    run = fit(replace(recipe, data=replace(recipe.data, csv=tmp_path / "my.csv"), epochs=2), logs=tmp_path)
    assert evaluate(run)["windows"] == 20
    (answer,) = predict(run, [tmp_path / "my.csv"])
    assert len(answer["forecast"]) == 1


def test_words(tmp_path):
    """The same tokens, another text; the vectors below stay, the last layer is new."""
    file = write_text(tmp_path / "my.txt")
    data = Text(file=file, tokens="words", context=8, batch=4, windows=80)
    small = partial(lm, embedding=8, units=(8,))
    base = fit(replace(RECIPES["lm"], model=small, data=data, epochs=1), logs=tmp_path)
    (tmp_path / "other.txt").write_text(file.read_text(encoding="utf-8").replace("cat", "dog"), encoding="utf-8")
    recipe = recipe_for(base)
    other = replace(recipe.data, file=tmp_path / "other.txt", windows=40)
    run = fit(replace(recipe, data=other, method=Thaw(frozen=9), epochs=1), logs=tmp_path)
    assert run.record["spec"]["vocabulary"] == base.record["spec"]["vocabulary"]
    kept, new = (made.model().get_layer("tokens").embeddings for made in (base, run))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kept), keras.ops.convert_to_numpy(new))


def test_a_text_with_the_same_head(tmp_path, monkeypatch):
    """A network that writes goes on with another text, its last layer too, which may be its first."""
    monkeypatch.setitem(VARIANTS, "nano", Variant(width=16, depth=1, heads=2))
    file = write_text(tmp_path / "my.txt")
    data = Text(file=file, context=8, batch=4, windows=40)
    base = fit(replace(RECIPES["gpt"], model=gpt, data=data, epochs=1, xla="off"), logs=tmp_path)
    recipe = recipe_for(base)
    assert isinstance(recipe.method, Whole)
    other = replace(recipe.data, file=file, windows=40)
    begun, trained = loop.build(replace(recipe, data=other)), base.model()
    for ours, theirs in zip(begun.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    run = fit(replace(recipe, data=other, epochs=1), logs=tmp_path)
    assert "".join(piece["text"] for piece in generate(run, tokens=5, seed=0))
    with pytest.raises(UserError, match=r"nothing would learn in the first 3 epochs: give --method\.frozen 0"):
        finetune(base, other, method="thaw", logs=tmp_path)
    codec = Text(file=file, tokens="words").codec.to_str()
    (tmp_path / "words.json").write_text(codec, encoding="utf-8")
    with pytest.raises(UserError, match=r"but .* was trained on \d+: .* leave out --data.tokenizer"):
        finetune(base, replace(other, tokenizer=tmp_path / "words.json"), logs=tmp_path)


def test_pairs_with_the_same_head(tmp_path):
    """Two inputs are no more than one where nothing is new."""
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"a{n} b\tb a{n}\n" for n in range(60)), encoding="utf-8")
    small = partial(transformer, width=8, heads=2, depth=1, hidden=8)
    base = fit(replace(RECIPES["transformer"], model=small, data=Pairs(file=file), epochs=1), logs=tmp_path)
    recipe = recipe_for(base, method=Lora(rank=2))
    adapted = loop.build(replace(recipe, data=replace(recipe.data, file=file)))
    assert len(list(adapters(adapted))) == 11  # four in the block of the encoder, seven in that of the decoder
    for ours, theirs in zip(Lora().finish(adapted).weights, base.model().weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))


def test_texts_for_a_network_of_texts(tmp_path):
    """Like a recipe: its data and its task, with the base's tokenizer."""
    mails = tmp_path / "mails.csv"
    mails.write_text("text,label\n" + "".join(f"the cat {n},{'ab'[n % 2]}\n" for n in range(60)), encoding="utf-8")
    small = partial(textcnn, width=4, filters=2, windows=(2,))
    data = Texts(file=mails, length=8, tokens="words")
    base = fit(replace(RECIPES["textcnn"], model=small, data=data, epochs=1), logs=tmp_path)
    recipe = recipe_for(base, like=RECIPES["textcnn"])
    assert (recipe.task, recipe.data.tokens) == (RECIPES["textcnn"].task, "words")
    assert recipe.data.tokenizer == base.path / "tokenizer.json"
    with pytest.raises(UserError, match="reads texts, but cnn reads pictures: --like wants a recipe that reads"):
        recipe_for(base, like=RECIPES["cnn"])


def test_what_has_no_head():
    tied = lm(11, 8, embedding=8, units=(8,), tied=True)
    with pytest.raises(UserError, match="without a layer called logits: it has no head that can be replaced"):
        with_head(tied, "x")
    two = transformer(11, width=8, heads=2, depth=1, hidden=8, tied=False)
    with pytest.raises(UserError, match="holds a network of 2 inputs: those of one can be fine-tuned"):
        with_head(two, "x")
    with pytest.raises(UserError, match="with the layer chain after its head, which a new head would lose"):
        with_head(tagger(11, 3, width=4, units=4), "x")
    plain = tagger(11, 3, width=4, units=4, crf=False)
    assert with_head(plain, "x") is plain
