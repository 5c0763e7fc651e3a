"""T5 beside transformers' in PyTorch: the same weights, logits and answers; and folders that transformers wrote."""

import json
import shutil
import sys
from unittest.mock import patch

import numpy as np
import pytest
from compare import randomize, relative

from zoo.decoding import decode
from zoo.errors import UserError
from zoo.generate import generate
from zoo.models import t5, writer_of
from zoo.models.t5 import FARTHEST, VARIANTS, Variant, buckets_of
from zoo.pretrained.t5 import names_of, published_t5

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (extra test-references): no T5 reference"
)
tokenizers = pytest.importorskip("tokenizers")
VOCABULARY = 97
FORMS = {"t5": Variant(24, 4, 5, 32, 2), "t5-1.1": Variant(24, 4, 5, 32, 2, gated=True, tied=False)}


def config_of(sizes: Variant, vocabulary: int = VOCABULARY):
    return transformers.T5Config(
        vocab_size=vocabulary,
        d_model=sizes.width,
        d_kv=sizes.size,
        d_ff=sizes.hidden,
        num_layers=sizes.depth,
        num_heads=sizes.heads,
        feed_forward_proj="gated-gelu" if sizes.gated else "relu",
        tie_word_embeddings=sizes.tied,
        decoder_start_token_id=0,
    )


def theirs_of(config, sizes: Variant):
    """Their network; they tie the head even where False is asked, so an untied one gets a head of its own."""
    model = transformers.T5ForConditionalGeneration(config).eval()
    if not sizes.tied:
        torch.manual_seed(5)
        model.lm_head = torch.nn.Linear(sizes.width, config.vocab_size, bias=False)
    return model


@pytest.fixture(scope="module", params=FORMS)
def both(request):
    """Our network and theirs with the same weights."""
    sizes = FORMS[request.param]
    with patch.dict(VARIANTS, tiny=sizes):
        ours = t5(VOCABULARY, variant="tiny")
    randomize(ours)
    theirs, moved = theirs_of(config_of(sizes), sizes), {}
    for path, names in names_of(ours).items():
        (weight,) = [weight for weight in ours.weights if weight.path == path]
        whole = torch.tensor(np.asarray(weight))
        moved |= (
            dict(zip(names, [part.T for part in whole.chunk(len(names), -1)], strict=True))
            if (path.endswith("kernel"))
            else {names[0]: whole}
        )
    moved |= {f"{stack}.embed_tokens.weight": moved["shared.weight"] for stack in ("encoder", "decoder")}
    if sizes.tied:
        moved["lm_head.weight"] = moved["shared.weight"]
    theirs.load_state_dict(moved)
    return ours, theirs


def texts() -> tuple[np.ndarray, np.ndarray]:
    """Sources of several lengths, padded, one longer than all distances that have a bucket; and targets."""
    random = np.random.default_rng(0)
    source = random.integers(3, VOCABULARY, (3, 150)).astype("int32")
    source[0, 20:] = source[1, 7:] = 0
    target = random.integers(3, VOCABULARY, (3, 140)).astype("int32")
    target[:, 0] = 0
    return source, target


def test_logits(both):
    ours, theirs = both
    assert ours.count_params() == sum(weight.numel() for weight in theirs.parameters())
    source, target = texts()
    mask = torch.tensor(source != 0).long()
    with torch.no_grad():
        given = {"input_ids": torch.tensor(source).long(), "decoder_input_ids": torch.tensor(target).long()}
        expected = theirs(**given, attention_mask=mask).logits.numpy()
    assert relative(ours([source, target]), expected) < 1e-4
    writer = writer_of(ours)
    _, memory = writer.step(target[:, :130], 0, writer.start(3, source, 140))
    assert relative(writer.step(target[:, 130:], 130, memory)[0], expected[:, 130:]) < 1e-4


@pytest.mark.parametrize("beam", [1, 3])
def test_answers(both, beam):
    """Greedy and beam search, beside their generate; theirs divides a text's score by its length."""
    ours, theirs = both
    source, _ = texts()
    given = {"input_ids": torch.tensor(source).long(), "attention_mask": torch.tensor(source != 0).long()}
    how = {"max_new_tokens": 12, "num_beams": beam, "do_sample": False, "length_penalty": 0.0, "bad_words_ids": [[0]]}
    with torch.no_grad():
        expected = theirs.generate(**given, **how, early_stopping=False).tolist()
    found = decode(ours, source, bos=0, eos=1, limit=12, beam=beam, length_penalty=0.0)
    assert found == [[token for token in row[1:] if token > 1] for row in expected]


def test_buckets():
    far = torch.arange(-3 * FARTHEST, 3 * FARTHEST)
    bucket = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket
    clipped = np.minimum(np.abs(far.numpy()), FARTHEST)
    np.testing.assert_array_equal(bucket(far, True), buckets_of(16)[clipped] + 16 * (far.numpy() > 0))
    np.testing.assert_array_equal(bucket(far, False), np.where(far <= 0, buckets_of(32)[clipped], 0))


WORDS = ["translate", "English", "to", "German", ":", "Hello", "house", "Haus", "Hallo", "."]


def tokenizer_of_t5():
    """A small tokenizer of the form of T5's: pieces with probabilities, and what stands for left-out spans last."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{word}", -2.0 - at / 10) for at, word in enumerate(WORDS)]
    pieces += [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyzEGH:."]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, 2))
    tokenizer.normalizer = tokenizers.normalizers.NFKC()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>", "<extra_id_1>", "<extra_id_0>"])
    number = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", number)])
    return tokenizer


@pytest.fixture(scope="module", params=FORMS)
def published(request, tmp_path_factory):
    """A folder as people publish them, of transformers' own making: network, its weights and a tokenizer."""
    folder, sizes = tmp_path_factory.mktemp("published"), FORMS[request.param]
    tokenizer = tokenizer_of_t5()
    torch.manual_seed(3)
    theirs = theirs_of(config_of(sizes, tokenizer.get_vocab_size()), sizes)
    theirs.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    if not sizes.tied:  # as the published ones say it, for which their class has no field any more
        change(folder, tie_word_embeddings=False)
    return folder, theirs


PROMPT = "translate English to German: Hello house."


def test_a_published_folder(published):
    folder, theirs = published
    (answer,) = generate("whatever", weights=str(folder), prompt=PROMPT, tokens=9)
    codec = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    numbers = codec.encode(PROMPT).ids
    assert numbers[-1] == 1
    with torch.no_grad():
        how = {"max_new_tokens": 9, "do_sample": False, "bad_words_ids": [[0]]}
        expected = theirs.generate(torch.tensor([numbers]), **how)[0].tolist()
    assert answer["text"] == codec.decode(expected)


def change(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "missing or damaged"),
        (lambda folder: (folder / "config.json").write_text("{"), "missing or damaged"),
        (lambda folder: change(folder, feed_forward_proj="gated-silu"), "feed_forward_proj 'gated-silu' \\(wanted"),
        (lambda folder: change(folder, d_ff=7), r"wi\S*.weight is \(32, 24\), wanted \(7, 24\)"),
        (lambda folder: change(folder, num_layers=3, num_decoder_layers=3), "it has no encoder.block.2"),
        (lambda folder: change(folder, num_heads=None), "gives no num_heads"),
        (lambda folder: change(folder, num_decoder_layers=1), "num_decoder_layers 1 \\(wanted 2\\)"),
        (lambda folder: change(folder, vocab_size=9), "the tokenizer of .* knows more tokens than the 9"),
        (lambda folder: change(folder, vocab_size=900), "shared.weight is .*, wanted \\(900, 24\\)"),
    ],
)
def test_what_is_no_t5(published, spoil, words, tmp_path):
    folder = shutil.copytree(published[0], tmp_path / "copy")
    spoil(folder)
    with pytest.raises(UserError, match=words):
        published_t5("t5-small", folder)
