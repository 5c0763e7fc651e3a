"""Recurrent encoders and decoders beside PyTorch's LSTM and GRU with the same weights, and attention in numpy."""

import sys

import numpy as np
import pytest
from compare import randomize, relative
from test_torch_rnn import moved

from zoo.models import seq2seq, writer_of

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
VOCABULARY, WIDTH, UNITS = 17, 6, 5
SOURCE, TARGET = np.array([[3, 4, 5, 6, 0, 0]], "int32"), np.array([[1, 7, 8, 9]], "int32")


def tensor(weight) -> "torch.Tensor":
    return torch.tensor(np.asarray(weight))


def network(variant: str):
    ours = seq2seq(VOCABULARY, variant=variant, width=WIDTH, units=UNITS)
    randomize(ours)
    return ours, {layer.name: layer for layer in ours.layers}


def recurrent(kind: type, cell, inputs: int):
    """A layer of PyTorch with the weights of one of ours, or of a cell."""
    theirs = kind(inputs, UNITS, batch_first=True)
    theirs.load_state_dict({f"{name}_l0": tensor(weight) for name, weight in moved(cell.get_weights()).items()})
    return theirs


def embedded(layer, tokens) -> "torch.Tensor":
    return tensor(layer.embeddings)[torch.tensor(np.asarray(tokens)).long()]


def dense(layer, x: "torch.Tensor") -> "torch.Tensor":
    return x @ tensor(layer.kernel) + (tensor(layer.bias) if layer.use_bias else 0)


def test_sutskever():
    """Two layers that read the four real words backwards, and two that begin with their states."""
    ours, named = network("sutskever")
    x = embedded(named["source_tokens"], SOURCE[:, :4][:, ::-1].copy())
    y = embedded(named["target_tokens"], TARGET)
    for number, cell in enumerate(named["decoder"].cell.cells, 1):
        x, state = recurrent(torch.nn.LSTM, named[f"encoder{number}"], x.shape[-1])(x)
        y, _ = recurrent(torch.nn.LSTM, cell, y.shape[-1])(y, state)
    assert relative(ours([SOURCE, TARGET]), dense(named["logits"], y).detach()) < 1e-4


def readout(named: dict, x: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
    pairs = dense(named["readout"].dense, torch.cat([x, y], -1))
    return dense(named["logits"], pairs.unflatten(-1, (-1, 2)).amax(-1))


def test_cho():
    """The last state begins the decoder, and stands beside each word."""
    ours, named = network("cho")
    _, last = recurrent(torch.nn.GRU, named["encoder1"], WIDTH)(embedded(named["source_tokens"], SOURCE[:, :4]))
    y = embedded(named["target_tokens"], TARGET)
    context = last[0][:, None].expand(-1, y.shape[1], -1)
    decoder = recurrent(torch.nn.GRU, named["decoder"].cell.cells[0], WIDTH + UNITS)
    x, _ = decoder(torch.cat([y, context], -1), torch.tanh(dense(named["bridge"], last)))
    expected = readout(named, torch.cat([x, context], -1), y)
    assert relative(ours([SOURCE, TARGET]), expected.detach()) < 1e-4


def test_bahdanau():
    ours, named = network("bahdanau")
    x = embedded(named["source_tokens"], SOURCE[:, :4])
    both = named["encoder1"]
    forward, _ = recurrent(torch.nn.GRU, both.forward_layer, WIDTH)(x)
    backward, last = recurrent(torch.nn.GRU, both.backward_layer, WIDTH)(x.flip(1))
    memory = torch.cat([forward, backward.flip(1)], -1)  # (1, 4, 2 * UNITS)
    cell = named["decoder"].cell
    decoder, state = recurrent(torch.nn.GRU, cell.cells[0], WIDTH + 2 * UNITS), torch.tanh(dense(named["bridge"], last))
    y, outputs, looks = embedded(named["target_tokens"], TARGET), [], []
    keys = dense(cell.key, memory).detach().numpy()[0]
    for place in range(y.shape[1]):
        # Section A.1.2: e = v' tanh(W s + U h), and a softmax over the words of the source.
        query = state[0, 0].detach().numpy() @ np.asarray(cell.query.kernel)
        scores = np.exp(np.tanh(query + keys) @ np.asarray(cell.score.kernel)[:, 0])
        looks.append(scores / scores.sum())
        context = torch.tensor(looks[-1]) @ memory[0]
        step, state = decoder(torch.cat([y[0, place], context])[None, None], state)
        outputs.append(torch.cat([step[0, 0], context]))
    expected = readout(named, torch.stack(outputs)[None], y)
    assert relative(ours([SOURCE, TARGET]), expected.detach()) < 1e-4
    found = writer_of(ours).attention_weights(SOURCE, TARGET)[0][0, 0]
    np.testing.assert_allclose(found, np.pad(looks, ((0, 0), (0, 2))), rtol=1e-4, atol=1e-6)
