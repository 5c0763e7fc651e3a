"""The Transformer beside PyTorch's: attention, blocks and the whole, the same weights and the same outputs."""

import sys

import keras
import numpy as np
import pytest
from compare import randomize

from zoo.layers import CrossAttention, DecoderBlock, EncoderBlock, SelfAttention
from zoo.models import transformer

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no Transformer reference")

HEADS, WIDTH, HIDDEN = 4, 16, 24
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def vectors(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def real(lengths: list[int], places: int) -> np.ndarray:
    """Which places of sentences of these lengths are not padding."""
    return np.arange(places)[None] < np.array(lengths)[:, None]


def moved(part, prefix: str = "") -> dict:
    """Our weights under the names of PyTorch, whose kernels are (out, in)."""
    if isinstance(part, keras.layers.Dense):
        return {f"{prefix}weight": tensor(part.kernel).T, f"{prefix}bias": tensor(part.bias)}
    if isinstance(part, keras.layers.LayerNormalization):
        return {f"{prefix}weight": tensor(part.gamma), f"{prefix}bias": tensor(part.beta)}
    if isinstance(part, SelfAttention):
        inner = {f"{prefix}in_proj_{name}": value for name, value in moved(part.qkv).items()}
        return inner | moved(part.out, f"{prefix}out_proj.")
    if isinstance(part, CrossAttention):
        query, memory = moved(part.query), moved(part.memory)
        inner = {f"{prefix}in_proj_{name}": torch.cat([query[name], memory[name]]) for name in query}
        return inner | moved(part.out, f"{prefix}out_proj.")
    parts = {"self_attn": part.attention, "linear1": part.mlp_in, "linear2": part.mlp_out}
    parts |= {f"norm{number}": norm for number, norm in enumerate(part.norms, 1)}
    parts |= {"multihead_attn": part.cross} if isinstance(part, DecoderBlock) else {}
    return {name: value for key, inner in parts.items() for name, value in moved(inner, f"{prefix}{key}.").items()}


def tensor(weight) -> "torch.Tensor":
    return torch.from_numpy(np.array(keras.ops.convert_to_numpy(weight)))


def load(theirs, weights: dict) -> None:
    theirs.eval()
    theirs.load_state_dict(weights)


@pytest.fixture(autouse=True)
def nothing_fused():
    """In evaluation PyTorch goes a short cut that leaves padding out of its outputs."""
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention(causal):
    x, kept = vectors(3, 7, WIDTH), real([7, 4, 1], 7)
    ours = SelfAttention(HEADS, causal=causal)
    ours.build(x.shape)
    randomize(ours)
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    load(theirs, moved(ours))
    later = torch.triu(torch.ones(7, 7, dtype=torch.bool), 1) if causal else None
    mine = ours(x, mask=kept[:, None, None])
    y = torch.from_numpy(x)
    expected, _ = theirs(y, y, y, key_padding_mask=torch.from_numpy(~kept), attn_mask=later)
    np.testing.assert_allclose(mine, expected.detach(), **CLOSE)


def test_cross_attention():
    x, memory, kept = vectors(3, 5, WIDTH), vectors(3, 7, WIDTH), real([7, 4, 1], 7)
    ours = CrossAttention(HEADS)
    ours(x, memory)
    randomize(ours)
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    load(theirs, moved(ours))
    y = torch.from_numpy(memory)
    expected, weights = theirs(
        torch.from_numpy(x), y, y, key_padding_mask=torch.from_numpy(~kept), average_attn_weights=False
    )
    np.testing.assert_allclose(ours(x, memory, mask=kept[:, None, None]), expected.detach(), **CLOSE)
    np.testing.assert_allclose(ours.attention_weights(x, memory, kept[:, None, None]), weights.detach(), **CLOSE)
    np.testing.assert_allclose(
        ours(x, mask=kept[:, None, None], keys_and_values=ours.keys_and_values(memory)), expected.detach(), **CLOSE
    )


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_blocks(norm, activation):
    x, memory, kept = vectors(3, 5, WIDTH), vectors(3, 7, WIDTH), real([7, 4, 1], 7)
    settings = {"norm": norm, "activation": activation, "dropout": 0.1}
    options = {"activation": activation, "norm_first": norm == "pre", "batch_first": True}
    ours = EncoderBlock(HEADS, HIDDEN, **settings)
    ours(memory)
    randomize(ours)
    theirs = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **options)
    load(theirs, moved(ours))
    hidden, remembered = torch.from_numpy(~kept), torch.from_numpy(memory)
    np.testing.assert_allclose(
        ours(memory, mask=kept[:, None, None]), theirs(remembered, src_key_padding_mask=hidden).detach(), **CLOSE
    )
    ours = DecoderBlock(HEADS, HIDDEN, **settings)
    ours(x, memory)
    randomize(ours)
    theirs = torch.nn.TransformerDecoderLayer(WIDTH, HEADS, HIDDEN, **options)
    load(theirs, moved(ours))
    later = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    asked = []
    theirs.multihead_attn.register_forward_pre_hook(lambda _, given: asked.append(given[0]))
    expected = theirs(torch.from_numpy(x), remembered, tgt_mask=later, memory_key_padding_mask=hidden)
    options = {"key_padding_mask": hidden, "average_attn_weights": False}
    weights = theirs.multihead_attn(asked[0], remembered, remembered, **options)[1].detach()
    np.testing.assert_allclose(ours.attention_weights(x, memory, kept[:, None, None]), weights, **CLOSE)
    np.testing.assert_allclose(ours(x, memory, mask=kept[:, None, None]), expected.detach(), **CLOSE)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_whole(norm, tied):
    """From tokens to logits, with vectors and waves around PyTorch's Transformer, and padding in both languages."""
    random, vocabulary = np.random.default_rng(0), 20
    source = (random.integers(1, vocabulary, (3, 7)) * real([7, 4, 1], 7)).astype("int32")
    target = (random.integers(1, vocabulary, (3, 5)) * real([2, 5, 3], 5)).astype("int32")
    ours = transformer(
        vocabulary, width=WIDTH, heads=HEADS, depth=2, decoder_depth=3, hidden=HIDDEN, norm=norm, tied=tied
    )
    randomize(ours)
    theirs = torch.nn.Transformer(WIDTH, HEADS, 2, 3, HIDDEN, norm_first=norm == "pre", batch_first=True)
    weights = {}
    for stack, depth in (("encoder", 2), ("decoder", 3)):
        for number in range(depth):
            weights |= moved(ours.get_layer(f"{stack}{number + 1}"), f"{stack}.layers.{number}.")
        if norm == "pre":
            weights |= moved(ours.get_layer(f"{stack}_norm"), f"{stack}.norm.")
        else:  # PyTorch normalises once more, the paper does not
            getattr(theirs, stack).norm = None
    load(theirs, weights)

    def embedded(tokens: np.ndarray, name: str) -> "torch.Tensor":
        vectors = tensor(ours.get_layer("tokens" if tied else name).embeddings)[torch.from_numpy(tokens).long()]
        place, pair = np.arange(tokens.shape[1])[:, None], np.arange(WIDTH // 2)[None]
        angle, waves = place / 10_000 ** (2 * pair / WIDTH), np.zeros((tokens.shape[1], WIDTH))
        waves[:, 0::2], waves[:, 1::2] = np.sin(angle), np.cos(angle)
        return vectors * WIDTH**0.5 + torch.from_numpy(waves.astype("float32"))

    hidden = torch.from_numpy(source == 0)
    x = theirs(
        embedded(source, "source_tokens"),
        embedded(target, "target_tokens"),
        tgt_mask=torch.triu(torch.ones(5, 5, dtype=torch.bool), 1),
        src_key_padding_mask=hidden,
        memory_key_padding_mask=hidden,
        tgt_key_padding_mask=torch.from_numpy(target == 0),
    )
    if tied:
        expected = x @ tensor(ours.get_layer("tokens").embeddings).T
    else:
        head = moved(ours.get_layer("logits"))
        expected = x @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(ours([source, target])[target > 0], expected[target > 0].detach(), **CLOSE)
