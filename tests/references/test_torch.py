"""The Vision Transformer and the residual networks of two convolutions a block beside PyTorch."""

import itertools
import sys
from typing import NamedTuple

import numpy as np
import pytest
from compare import pixels, relative

from zoo.models import resnet, vit

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (extra test-references): no ViT and ResNet-18, -34 reference"
)
CLASSES = 7


def kernel(weight) -> np.ndarray:
    """PyTorch's (out, in, ...) as Keras' (..., in, out)."""
    weight = weight.detach().numpy()
    return weight.transpose((2, 3, 1, 0)) if weight.ndim == 4 else weight.T


def kernel_back(weight) -> np.ndarray:
    """Keras' (..., in, out) as PyTorch's (out, in, ...)."""
    weight = np.asarray(weight)
    return weight.transpose((3, 2, 0, 1)) if weight.ndim == 4 else weight.T


def images(shape, scale: float, offset: float):
    """The same pictures for PyTorch: scaled, channels first."""
    return torch.from_numpy(pixels(shape) * scale + offset).permute(0, 3, 1, 2).contiguous()


def randomize(model) -> None:
    """Biases, norms, positions and statistics all differ from how they begin."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if weight.dtype == torch.float32 and (weight.ndim == 1 or "embeddings" in name.split(".")[-1]):
                weight.add_(0.3 * torch.rand_like(weight))


def assert_the_way_back(theirs, written: dict) -> None:
    """What was written from our weights is all that the other network has, to the bit."""
    state = {name: value for name, value in theirs.state_dict().items() if "num_batches" not in name}
    assert written.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(written[name], value.numpy(), name)


class Hybrid(torch.nn.Conv2d):
    """Patches that are cut from what convolutions make of the picture, each of which halves it (Xiao 2021)."""

    def __init__(self, channels: tuple[int, ...], width: int, patch: int):
        super().__init__(channels[-1], width, patch, patch)
        steps = []
        for narrow, wide in itertools.pairwise((3, *channels)):
            norm = torch.nn.BatchNorm2d(wide, eps=1e-3)  # Keras' epsilon
            steps += [torch.nn.Conv2d(narrow, wide, 3, 1, 1, bias=False), torch.nn.MaxPool2d(2), norm, torch.nn.ReLU()]
        self.stem = torch.nn.Sequential(*steps)

    def forward(self, x):
        return super().forward(self.stem(x))


@pytest.mark.parametrize(
    ("variant", "patch", "stem", "shape"),
    [("mini", 4, (), (32, 32, 3)), ("tiny", 16, (), (64, 48, 3)), ("micro", 2, (8, 16), (32, 24, 3))],
)
def test_vit(variant, patch, stem, shape):
    ours = vit(shape, CLASSES, variant=variant, patch=patch, stem=stem)
    width, depth, heads = {"mini": (192, 6, 3), "tiny": (192, 12, 3), "micro": (128, 4, 4)}[variant]
    config = transformers.ViTConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=shape[:2],
        patch_size=patch * 2 ** len(stem),
        num_labels=CLASSES,
        layer_norm_eps=1e-6,
        attn_implementation="eager",
    )
    theirs = transformers.ViTForImageClassification(config).eval()
    projection = "vit.embeddings.patch_embeddings.projection"
    links = {"last_norm": ["vit.layernorm"], "logits": ["classifier"], "patches": [projection]}
    if stem:
        theirs.vit.embeddings.patch_embeddings.projection = Hybrid(stem, width, patch).eval()
        for number in range(len(stem)):
            links[f"stem_conv{number + 1}"] = [f"{projection}.stem.{4 * number}"]
            links[f"stem_norm{number + 1}"] = [f"{projection}.stem.{4 * number + 2}"]
    for number in range(depth):
        name, mine = f"vit.layers.{number}", f"block{number + 1}"
        links |= {
            f"{mine}_norm1": [f"{name}.layernorm_before"],
            f"{mine}_attention_qkv": [f"{name}.attention.{letter}_proj" for letter in "qkv"],
            f"{mine}_attention_out": [f"{name}.attention.o_proj"],
            f"{mine}_norm2": [f"{name}.layernorm_after"],
            f"{mine}_mlp_in": [f"{name}.mlp.fc1"],
            f"{mine}_mlp_out": [f"{name}.mlp.fc2"],
        }
    randomize(theirs)
    state, back = theirs.state_dict(), {}

    def parts_of(layer: str) -> list[str]:
        """Their names for the weights of our layer, in its order."""
        names = ["weight", "bias", "running_mean", "running_var"]
        return names[: len(ours.get_layer(layer).weights)]

    for layer, names in links.items():
        ours.get_layer(layer).set_weights(
            [np.concatenate([kernel(state[f"{name}.{part}"]) for name in names], -1) for part in parts_of(layer)]
        )
    embeddings = {"token": "vit.embeddings.cls_token", "positions": "vit.embeddings.position_embeddings"}
    ours.get_layer("tokens").set_weights(
        [state[embeddings["token"]][0, 0].numpy(), state[embeddings["positions"]][0].numpy()]
    )
    with torch.no_grad():
        expected = theirs(images(shape, 1 / 127.5, -1)).logits.numpy()
    assert relative(ours(pixels(shape)), expected) < 1e-4
    if not stem:  # its moving statistics are not among PyTorch's parameters
        assert ours.count_params() == sum(weight.numel() for weight in theirs.parameters())
    for layer, names in links.items():
        for part, weight in zip(parts_of(layer), ours.get_layer(layer).get_weights(), strict=True):
            for name, one in zip(names, np.split(weight, len(names), -1), strict=True):
                back[f"{name}.{part}"] = kernel_back(one)
    for name, weight in zip(embeddings.values(), ours.get_layer("tokens").get_weights(), strict=True):
        back[name] = weight.reshape(state[name].shape)
    assert_the_way_back(theirs, back)


class Pair(NamedTuple):
    """A convolution and the normalisation after it: names here, modules there."""

    conv: str
    norm: str
    convolution: torch.nn.Module
    normalization: torch.nn.Module


def back_of(ours, theirs, pairs: list[Pair]) -> dict:
    """Our weights under their names."""
    names = {module: name for name, module in theirs.named_modules()}
    head = next(module for module in reversed(names) if isinstance(module, torch.nn.Linear))
    layers = [(head, "logits"), *((pair.convolution, pair.conv) for pair in pairs)]
    layers += [(pair.normalization, pair.norm) for pair in pairs]
    return {
        f"{names[module]}.{part}": kernel_back(weight)
        for module, layer in layers
        for part, weight in zip(
            ("weight", "bias", "running_mean", "running_var"), ours.get_layer(layer).get_weights(), strict=False
        )
    }


def check(ours, theirs, shape, pairs: list[Pair], answer) -> None:
    """Moves the weights, compares outputs, then the moving statistics after one training step."""
    randomize(theirs)
    for pair in pairs:
        norm = pair.normalization
        ours.get_layer(pair.conv).set_weights([kernel(pair.convolution.weight)])
        values = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        ours.get_layer(pair.norm).set_weights([value.detach().numpy().copy() for value in values])
        norm.momentum = 0.01  # PyTorch counts what is new, Keras what is kept: its 0.99
    head = [module for module in theirs.modules() if isinstance(module, torch.nn.Linear)][-1]
    ours.get_layer("logits").set_weights([kernel(head.weight), head.bias.detach().numpy()])
    assert_the_way_back(theirs, back_of(ours, theirs, pairs))
    before = {pair.norm: pair.normalization.running_var.clone() for pair in pairs}
    counts = {}
    for pair in pairs:
        pair.normalization.register_forward_hook(
            lambda _, inputs, out, name=pair.norm: counts.update({name: out.numel() / out.shape[1]})
        )
    with torch.no_grad():
        assert relative(ours(pixels(shape)), answer(theirs.eval()(images(shape, 1 / 255, 0))).numpy()) < 1e-4
        ours(pixels(shape), training=True)
        theirs.train()(images(shape, 1 / 255, 0))
    for pair in pairs:
        layer, norm, count = ours.get_layer(pair.norm), pair.normalization, counts[pair.norm]
        assert relative(layer.moving_mean, norm.running_mean) < 1e-3, pair.norm
        # PyTorch adds the variance of a sample, Keras that of the batch itself.
        kept = 0.99 * before[pair.norm]
        assert relative(layer.moving_variance, kept + (norm.running_var - kept) * (count - 1) / count) < 1e-3, pair.norm


@pytest.mark.parametrize(("variant", "depths"), [("resnet18", [2, 2, 2, 2]), ("resnet34", [3, 4, 6, 3])])
def test_resnet_of_table_1(variant, depths):
    config = transformers.ResNetConfig(
        layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=depths, num_labels=CLASSES
    )
    theirs = transformers.ResNetForImageClassification(config)
    stem = theirs.resnet.embedder.embedder
    pairs = [Pair("stem_conv", "stem_norm", stem.convolution, stem.normalization)]
    for stage, blocks in enumerate(theirs.resnet.encoder.stages, 1):
        for block, module in enumerate(blocks.layers, 1):
            name = f"stage{stage}_block{block}"
            for number, part in enumerate(module.layer, 1):
                pairs.append(
                    Pair(f"{name}_conv{number}", f"{name}_{number}_norm", part.convolution, part.normalization)
                )
            if hasattr(module.shortcut, "convolution"):
                short = module.shortcut
                pairs.append(Pair(f"{name}_short_conv", f"{name}_short_norm", short.convolution, short.normalization))
    shape = (64, 75, 3)
    check(resnet(shape, CLASSES, variant=variant), theirs, shape, pairs, lambda answer: answer.logits)


class Block(torch.nn.Module):
    """Two 3x3 convolutions; a wider block reads every second pixel and pads its shortcut with zeros."""

    def __init__(self, narrow: int, wide: int):
        super().__init__()
        self.stride, self.more = wide // narrow, wide - narrow
        self.conv1 = torch.nn.Conv2d(narrow, wide, 3, self.stride, 1, bias=False)
        self.conv2 = torch.nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = torch.nn.BatchNorm2d(wide), torch.nn.BatchNorm2d(wide)

    def forward(self, x):
        short = x[:, :, :: self.stride, :: self.stride]
        short = torch.nn.functional.pad(short, (0, 0, 0, 0, self.more // 2, self.more // 2))
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + short)


def test_resnet20():
    """He 2015, section 4.2, once more in PyTorch."""
    blocks = [Block(a, b) for a, b in itertools.pairwise([16] * 4 + [32] * 3 + [64] * 3)]
    stem = [torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(16)]
    end = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10)]
    theirs = torch.nn.Sequential(*stem, torch.nn.ReLU(), *blocks, *end)
    pairs = [Pair("stem_conv", "stem_norm", *stem)]
    for number, block in enumerate(blocks):
        name = f"stage{number // 3 + 1}_block{number % 3 + 1}"
        pairs.append(Pair(f"{name}_conv1", f"{name}_1_norm", block.conv1, block.norm1))
        pairs.append(Pair(f"{name}_conv2", f"{name}_2_norm", block.conv2, block.norm2))
    check(resnet((32, 32, 3), 10), theirs, (32, 32, 3), pairs, lambda answer: answer)
