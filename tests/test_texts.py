"""Texts with a class: the source, TextCNN, and the whole path on a few names."""

import json
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import assert_complaint

from zoo.data import Texts
from zoo.data.languages import LANGUAGES, names
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.models import textcnn
from zoo.predict import predict
from zoo.recipes import RECIPES

SMALL = partial(textcnn, width=8, windows=(2, 3), filters=6, dropout=0.0)


@pytest.fixture(scope="module")
def run(data_directory, tmp_path_factory):
    recipe = replace(RECIPES["textcnn"], model=SMALL, data=Texts(directory=data_directory, length=20), epochs=1)
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_number_of_weights():
    """Kim 2014, section 3.1: 300 a word; 100 filters of 3, 4 and 5 words with a bias each; 300 and a bias a class."""
    with keras.StatelessScope(initialize_variables=False):
        model = textcnn(1000, 2)
    assert model.count_params() == 1000 * 300 + 360_300 + 602


def test_by_hand_and_padding():
    """A convolution in numpy, of a text that is shorter than a window too; what is appended changes nothing."""
    keras.utils.set_random_seed(0)
    model = textcnn(9, 3, width=4, windows=(2, 4), filters=5, dropout=0.0)
    for text in ([3, 1, 4, 1, 5], [2, 6], [7]):
        vectors = np.vstack([model.get_layer("tokens").embeddings.numpy()[text], np.zeros((3, 4), "float32")])
        found = []
        for window in (2, 4):
            kernel, bias = (weight.numpy() for weight in model.get_layer(f"window{window}").weights)
            rows = [np.einsum("td,tdf->f", vectors[at : at + window], kernel) + bias for at in range(len(text))]
            found.append(np.maximum(rows, 0).max(0))
        kernel, bias = (weight.numpy() for weight in model.get_layer("logits").weights)
        expected = np.concatenate(found) @ kernel + bias
        for padding in (0, 1, 6):
            seen = model(np.array([text + [0] * padding]))
            np.testing.assert_allclose(keras.ops.convert_to_numpy(seen)[0], expected, rtol=1e-4, atol=1e-5)


def test_each_name_has_one_language(data_directory):
    data = Texts(directory=data_directory)
    assert data.labels == list(LANGUAGES)
    assert names()["Allemagne"] == "fr"
    assert "Paris" not in names()  # which several languages write alike
    texts = [set(data.views(data.arrays(split)[0])) for split in data.splits]
    assert sum(map(len, texts)) == len(set.union(*texts)) == len(names())


def test_training_stream_seeks(data_directory):
    data = Texts(directory=data_directory, batch=8, length=12)
    whole = list(data.load("train", seed=3).take(5).as_numpy_iterator())
    (late,) = data.load("train", seed=3, step=4).take(1).as_numpy_iterator()
    for ours, theirs in zip(late, whole[4], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert whole[0][0].shape == (8, 12)


def test_whole_path(run, zoo_here):
    assert evaluate(run)["accuracy"] > 0.2  # of 26 classes
    first, second = predict(run, ["Deutschland ", ""], top=2)
    assert first["source"] == "Deutschland"
    assert len(first["top"]) == 2
    assert second == {"source": "", "error": "it is empty"}
    done = zoo_here("predict", run.path, "--text", "Ελλάδα", "--json")
    assert json.loads(done.stdout)["top"][0]["label"] == "el", done.stderr
    assert (run.path / "features" / "rows.tsv").read_text(encoding="utf-8").startswith("class\tsaid\ttext\n")
    assert_complaint(zoo_here("predict", run.path), "give either --text TEXT or --file FILE")
    assert_complaint(zoo_here("generate", run.path), "does not generate: try", "--text TEXT")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data.length", "0"), "--data.length came as 0, but must be from 1 to 10000"),
        (("--data.tokens", "bpe", "--data.vocabulary", "100"), "--data.vocabulary came as 100, but must be from 257"),
        (("--data.name", "mnist"), "mnist does not hold texts with one class each: its features are image, label"),
        (("--data.name", "langages"), "no data set is called 'langages'; nearest: languages"),
        (("--model.windows", "0"), "windows came as (0,), but must be one or more numbers of tokens"),
    ],
)
def test_mistakes(words, said, zoo_here, tmp_path):
    assert_complaint(zoo_here("fit", "textcnn", *words, "--logs", tmp_path / "logs"), said)
    assert not (tmp_path / "logs").exists()
