"""BERT and RoBERTa beside transformers' in PyTorch: the same weights, the same outputs; of a text, the same tokens."""

import json
import shutil
import sys
from pydoc_data.topics import topics

import babel
import keras
import numpy as np
import pytest
from compare import relative
from safetensors.numpy import load_file, save_file

from zoo.data import Masked, read_tokenizer
from zoo.data.tokens import learn
from zoo.errors import UserError
from zoo.opened import published
from zoo.pretrained.bert import published_bert

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (extra test-references): no BERT reference"
)
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TEXTS = ["The cat sat.", "A dog, a log and a cat: that is all.", "sat"]


def spread(model):
    """Weights far from the initial ones, by which a mistake in a bias or a normalisation shows."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=random) * 0.2)
    return model.eval()


def folder_of(kind: str, head: str, folder):
    """A folder as people publish them, of transformers' own making, and the network in it."""
    text = " ".join(TEXTS) * 20
    if kind == "bert":
        tokenizer = learn("wordpiece", text, 100)
        settings = {"pad_token_id": 0, "max_position_embeddings": 24}
        config = transformers.BertConfig(vocab_size=tokenizer.get_vocab_size(), **SIZE, **settings)
        theirs = {"body": transformers.BertModel, "words": transformers.BertForMaskedLM}[head](config)
    else:
        tokenizer = learn("bpe", text, 300, ("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
        ends = {"sep": ("</s>", 2), "cls": ("<s>", 0)}
        written = json.loads(tokenizer.to_str())
        written["post_processor"] = {
            "type": "RobertaProcessing",
            **ends,
            "trim_offsets": True,
            "add_prefix_space": False,
        }
        tokenizer = type(tokenizer).from_str(json.dumps(written))
        settings = {"pad_token_id": 1, "max_position_embeddings": 26, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
        config = transformers.RobertaConfig(vocab_size=tokenizer.get_vocab_size(), **SIZE, **settings)
        theirs = {"body": transformers.RobertaModel, "words": transformers.RobertaForMaskedLM}[head](config)
    spread(theirs).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return theirs, tokenizer


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_published_folder(kind, tmp_path):
    theirs, tokenizer = folder_of(kind, "body", tmp_path)
    ours, file, context = published_bert("whatever", tmp_path, head="pooler")
    assert context == 24
    assert ours.count_params() - 33 == sum(weight.numel() for weight in theirs.parameters())  # but for the last layer
    padding = tokenizer.token_to_id("[PAD]" if kind == "bert" else "<pad>")
    rows, moved = [np.zeros((3, 20), "int32") for _ in range(2)]
    rows += padding
    codec = read_tokenizer(file, padded=True)
    for at, text in enumerate(TEXTS):
        there, here = tokenizer.encode(text).ids, codec.encode(text).ids
        rows[at, : len(there)], moved[at, : len(here)] = there, here
    with torch.no_grad():
        expected = theirs(torch.tensor(rows).long(), attention_mask=torch.tensor(rows != padding).long())
    body = keras.Model(ours.input, [ours.get_layer("block2").output, ours.get_layer("pooler").output])
    encoded, pooled = (part.numpy() for part in body(moved))
    real = rows != padding
    assert relative(encoded[real], expected.last_hidden_state.numpy()[real]) < 1e-4
    assert relative(pooled, expected.pooler_output.numpy()) < 1e-4
    mean = published_bert("whatever", tmp_path).model
    vectors = keras.Model(mean.input, mean.get_layer("features").output)(moved).numpy()
    means = [row[: row_of.sum()].mean(0) for row, row_of in zip(expected.last_hidden_state.numpy(), real, strict=True)]
    assert relative(vectors, np.stack(means)) < 1e-4


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_hidden_words(kind, tmp_path):
    theirs, tokenizer = folder_of(kind, "words", tmp_path)
    found = published(tmp_path.name, str(tmp_path))
    mask = "[MASK]" if kind == "bert" else "<mask>"
    (text, places), _ = found.source.read("the [MASK] sat, and a [MASK]", found.spec)
    there = tokenizer.encode(f"the {mask} sat, and a {mask}").ids
    with torch.no_grad():
        expected = theirs(torch.tensor([there]).long()).logits.numpy()[0]
    logits = np.array(found.model([text[None], np.array([places], "int32")]))[0]
    if kind == "roberta":  # whose padding is 0 here
        logits[:, [0, 1]] = logits[:, [1, 0]]
    assert relative(logits, expected[places]) < 1e-4
    (answer,) = found.task.answers(found.model, found.source, found.task.Ask(top=1), [(text, places)])
    best = [tokenizer.id_to_token(int(number)) for number in expected[places].argmax(-1)]
    assert [mask[0]["token"] for mask in answer["masks"]] == best


def test_parts_older_names_and_a_vocabulary(tmp_path):
    """The forms in which weights lie on the hub: in parts, with the first names of normalisations, with vocab.txt."""
    _, tokenizer = folder_of("bert", "body", tmp_path)
    text = np.array([tokenizer.encode(TEXTS[1]).ids], "int32")
    expected = published_bert("whatever", tmp_path, head="pooler").model.get_layer("pooler").get_weights()
    arrays = load_file(tmp_path / "model.safetensors")
    old = {f"bert.{n.replace('LayerNorm.weight', 'LayerNorm.gamma')}": array for n, array in arrays.items()}
    names_of = sorted(old)
    parts = {"a.safetensors": names_of[::2], "b.safetensors": names_of[1::2]}
    for part, held in parts.items():
        save_file({name: old[name] for name in held}, tmp_path / part)
    index = {"weight_map": {name: part for part, held in parts.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "model.safetensors").unlink()
    known = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in known), encoding="utf-8")
    (tmp_path / "tokenizer.json").unlink()
    ours, file, _ = published_bert("whatever", tmp_path, head="pooler")
    assert file.name == "vocab.txt"
    assert read_tokenizer(file).encode(TEXTS[1]).ids == text[0].tolist()
    for one, other in zip(ours.get_layer("pooler").get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    folder_of("bert", "body", folder)
    return folder


def change(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "which is empty: wanted config.json, model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing or damaged"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: change(folder, model_type="gpt2"), "is of a 'gpt2', and not of one of bert, roberta"),
        (lambda folder: change(folder, hidden_act="relu"), "hidden_act 'relu' \\(wanted 'gelu'\\)"),
        (lambda folder: change(folder, layer_norm_eps=1e-3), "layer_norm_eps 0.001 \\(wanted 1e-12\\)"),
        (lambda folder: change(folder, num_hidden_layers=None), "num_hidden_layers None \\(wanted 1 to 200"),
        (lambda folder: change(folder, intermediate_size=96), "intermediate_size 96 \\(wanted 128, four times"),
        (lambda folder: change(folder, num_hidden_layers=3), "another network: it has no encoder.layer.2.attention"),
        (lambda folder: change(folder, num_hidden_layers=1), "another network: its weights go on with encoder.layer.1"),
        (
            lambda folder: change(folder, max_position_embeddings=9),
            "another network: embeddings.position_embeddings.weight is \\(24, 32\\), wanted \\(9, 32\\)",
        ),
        (lambda folder: change(folder, vocab_size=500), "does not belong to the weights .* but config.json gives 500"),
        (lambda folder: change(folder, pad_token_id=7), "its padding is token 0, but config.json gives 7"),
    ],
)
def test_what_is_no_bert(whole, spoil, words, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "copy")
    spoil(folder)
    with pytest.raises(UserError, match=words):
        published_bert("bert", folder)


def test_rows_that_no_token_has(tmp_path, monkeypatch):
    """Some embeddings are filled up to a round number; those rows are left out, so that the network fits the data."""
    folder_of("bert", "words", tmp_path)
    before, arrays = published("bert", str(tmp_path)), load_file(tmp_path / "model.safetensors")
    for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias"):
        arrays[name] = np.pad(arrays[name], [(0, 1), *[(0, 0)] * (arrays[name].ndim - 1)])
    save_file(arrays, tmp_path / "model.safetensors")
    change(tmp_path, vocab_size=before.spec["vocabulary"] + 1)
    monkeypatch.setattr("zoo.pretrained.bert.FEWER", 0.1)  # the vocabulary is small
    found = published("bert", str(tmp_path))
    assert found.spec["vocabulary"] == found.source.vocabulary_size == before.spec["vocabulary"]
    for ours, theirs in zip(found.model.get_weights(), before.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_body_alone_fills_in_no_words(whole):
    with pytest.raises(UserError, match="holds no head that fills in words: fine-tune it"):
        published("bert", str(whole))


def test_tokens_are_those_of_transformers(tmp_path):
    """Names of countries in ten scripts, and English prose."""
    prose = [part for text in topics.values() for part in text.split("\n\n")]
    scripts = ("de", "ru", "el", "ar", "he", "hi", "th", "ko", "ja", "zh", "vi", "fr")
    names = [name for script in scripts for name in babel.Locale(script).territories.values()]
    texts = names[::4][:600] + prose[::6][:400]
    assert len(texts) == 1000
    ours = learn("wordpiece", "\n".join(texts[::2]), 3000)
    ours.save(str(tmp_path / "tokenizer.json"))
    vocabulary = ours.get_vocab()
    theirs = transformers.BertTokenizer(vocab=vocabulary)
    assert [ours.encode(text).ids for text in texts] == theirs(texts)["input_ids"]
    source = Masked(tokenizer=tmp_path / "tokenizer.json")
    assert source.codec.encode(texts[0]).ids == theirs(texts[0])["input_ids"]
