"""GPT beside transformers' GPT-2 in PyTorch: the same weights, the same logits."""

import json
import shutil
import sys

import numpy as np
import pytest
from compare import randomize, relative

from zoo.data import read_tokenizer
from zoo.data.tokens import learn
from zoo.errors import UserError
from zoo.models import gpt, writer_of
from zoo.models.gpt import VARIANTS
from zoo.pretrained.gpt2 import names_of, published_gpt2

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (extra test-references): no GPT-2 reference"
)
VOCABULARY, CONTEXT = 97, 24


@pytest.mark.parametrize("variant", ["nano", "mini"])
def test_gpt2(variant):
    width, depth, heads = VARIANTS[variant]
    ours = gpt(VOCABULARY, CONTEXT, variant=variant, bias=True, gelu="tanh")
    randomize(ours)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=width, n_layer=depth, n_head=heads
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    moved = {name: torch.tensor(np.asarray(weight)) for name, weight in names_of(ours).items()}
    assert {name for name, _ in theirs.transformer.named_parameters()} == moved.keys()
    theirs.transformer.load_state_dict(moved, strict=False)
    assert ours.count_params() == sum(weight.numel() for weight in theirs.parameters())
    text = np.random.default_rng(0).integers(0, VOCABULARY, (3, CONTEXT)).astype("int32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(text).long()).logits.numpy()
    assert relative(ours(text), expected) < 1e-4
    writer = writer_of(ours)
    _, memory = writer.step(text[:, :10], 0, writer.start(3))
    assert relative(writer.step(text[:, 10:], 10, memory)[0], expected[:, 10:]) < 1e-4


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder as people publish them, of transformers' own making: network, its weights and a tokenizer."""
    folder = tmp_path_factory.mktemp("published")
    width, depth, heads = VARIANTS["nano"]
    tokenizer = learn("bpe", "To be, or not to be: that is the question. " * 20, 300)
    vocabulary = tokenizer.get_vocab_size()
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=CONTEXT, n_embd=width, n_layer=depth, n_head=heads
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    return folder, theirs


@pytest.mark.parametrize("form", ["tokenizer.json", "vocab.json"])
def test_a_published_folder(published, form, tmp_path):
    folder, theirs = shutil.copytree(published[0], tmp_path / "copy"), published[1]
    if form == "vocab.json":
        (folder / "tokenizer.json").unlink()
    ours, tokenizer, _ = published_gpt2("whatever", folder)
    text = "To be, or not to be: é"
    numbers = tokenizer.encode(text).ids
    assert tokenizer.decode(numbers) == text
    assert numbers == read_tokenizer(published[0] / "tokenizer.json").encode(text).ids
    with torch.no_grad():
        expected = theirs(torch.tensor([numbers])).logits.numpy()
    filled = np.zeros((1, CONTEXT), "int32")
    filled[0, : len(numbers)] = numbers
    assert relative(np.asarray(ours(filled))[:, : len(numbers)], expected) < 1e-4


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "missing or damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "missing or damaged"),
        (lambda folder: (folder / "config.json").write_text("{"), "missing or damaged"),
        (lambda folder: change(folder, model_type="llama"), "model_type 'llama' \\(wanted 'gpt2'\\)"),
        (lambda folder: change(folder, n_embd=96), "width, depth and heads \\(96, 4, 4\\)"),
        (lambda folder: change(folder, n_positions=7), "wpe.weight is \\(24, 128\\), wanted \\(7, 128\\)"),
        (lambda folder: change(folder, n_layer=None), "gives no n_layer"),
        (lambda folder: change(folder, n_positions=10**19), "which no GPT-2 has"),
        (lambda folder: (folder / "config.json").write_text("[" * 100_000), "missing or damaged"),
    ],
)
def test_what_is_no_gpt2(published, spoil, words, tmp_path):
    folder = shutil.copytree(published[0], tmp_path / "copy")
    spoil(folder)
    with pytest.raises(UserError, match=words):
        published_gpt2("gpt2", folder)


def change(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
