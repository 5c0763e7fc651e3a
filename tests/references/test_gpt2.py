"""GPT beside transformers' GPT-2 in PyTorch: the same weights, the same logits."""

import sys

import keras
import numpy as np
import pytest
from compare import randomize, relative

from zoo.models import gpt
from zoo.models.gpt import VARIANTS, cached_step

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (extra test-references): no GPT-2 reference"
)
VOCABULARY, CONTEXT = 97, 24


def weights_of(ours: keras.Model) -> dict:
    """Ours under the names of transformers' GPT-2, whose dense kernels are (in, out) too."""
    tokens, positions = ours.get_layer("tokens"), ours.get_layer("positions")
    found = {"wte.weight": tokens.embeddings, "wpe.weight": positions.positions}

    def pair(name, layer, scale="kernel"):
        found[f"{name}.weight"], found[f"{name}.bias"] = getattr(layer, scale), getattr(layer, "bias", None)

    blocks = [layer for layer in ours.layers if layer.name.startswith("block")]
    for number, block in enumerate(blocks):
        pair(f"h.{number}.attn.c_attn", block.attention.qkv)
        pair(f"h.{number}.attn.c_proj", block.attention.out)
        pair(f"h.{number}.mlp.c_fc", block.widen)
        pair(f"h.{number}.mlp.c_proj", block.narrow)
        for name, norm in (("ln_1", block.norm1), ("ln_2", block.norm2)):
            found[f"h.{number}.{name}.weight"], found[f"h.{number}.{name}.bias"] = norm.gamma, norm.beta
    last = ours.get_layer("last_norm")
    found["ln_f.weight"], found["ln_f.bias"] = last.gamma, last.beta
    return {name: torch.tensor(np.asarray(weight)) for name, weight in found.items()}


@pytest.mark.parametrize("variant", ["nano", "mini"])
def test_gpt2(variant):
    width, depth, heads = VARIANTS[variant]
    ours = gpt(VOCABULARY, CONTEXT, variant=variant, bias=True, gelu="tanh")
    randomize(ours)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=width, n_layer=depth, n_head=heads
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    moved = weights_of(ours)
    assert {name for name, _ in theirs.transformer.named_parameters()} == moved.keys()
    theirs.transformer.load_state_dict(moved, strict=False)
    assert ours.count_params() == sum(weight.numel() for weight in theirs.parameters())
    text = np.random.default_rng(0).integers(0, VOCABULARY, (3, CONTEXT)).astype("int32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(text).long()).logits.numpy()
    assert relative(ours(text), expected) < 1e-4
    start, step = cached_step(ours)
    _, caches = step(text[:, :10], 0, start(3))
    assert relative(step(text[:, 10:], 10, caches)[0], expected[:, 10:]) < 1e-4
