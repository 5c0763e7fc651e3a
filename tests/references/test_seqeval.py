"""Spans beside seqeval's, and the tagger's LSTM beside PyTorch's."""

import sys

import numpy as np
import pytest
from compare import randomize, relative

from zoo.models import tagger
from zoo.tasks.tag_scores import TagScores, spans_of
from zoo.tasks.tagging import compared_spans

LABELS = ("O", "B-a", "I-a", "B-b", "I-b")


def test_spans_are_counted_as_seqeval_does():
    """Tags by chance, most of them in no good order, as a network without a field gives them."""
    seqeval = pytest.importorskip(
        "seqeval.metrics", reason="seqeval is not installed (extra test-references): no counts to compare with"
    )
    random = np.random.default_rng(0)
    for _ in range(50):
        lengths = random.integers(1, 9, 6)
        true = random.integers(0, 5, lengths.sum())
        said = np.where(random.random(len(true)) < 0.5, true, random.integers(0, 5, len(true)))
        cut = np.cumsum(lengths)[:-1]
        texts = [[[LABELS[tag] for tag in row] for row in np.split(tags, cut)] for tags in (true, said)]
        ours = compared_spans(spans_of(true, lengths), spans_of(said, lengths))
        for name in ("precision", "recall", "f1"):
            expected = getattr(seqeval, f"{name}_score")(*texts, zero_division=0)
            assert ours[name] == pytest.approx(expected), name

        # The same while training, in batches with pieces between the words and padding after them.
        targets, outputs = np.full((6, 12), -1), random.normal(size=(6, 12, 5)).astype("float32")
        for row, (one, other) in enumerate(zip(np.split(true, cut), np.split(said, cut), strict=True)):
            places = np.sort(random.choice(12, len(one), replace=False))
            targets[row, places], outputs[row, places] = one, 9 * np.eye(5)[other]
        scores = TagScores()
        scores.update_state(targets, outputs)
        result = {name: float(value) for name, value in scores.result().items()}
        assert result == pytest.approx({"f1": ours["f1"], "accuracy": (true == said).mean()}, abs=1e-6)


def test_tagger():
    # Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
    sys.modules["triton"] = None
    torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    ours = tagger(12, 5, 7, width=4, units=6, letters=3, crf=False)
    randomize(ours)
    random = np.random.default_rng(0)
    tokens = np.array([[3, 4, 5, 6], [2, 7, 0, 0]], np.int32)
    sizes = np.array([[4, 2, 1, 3], [3, 4, 0, 0]])
    letters = (random.integers(1, 7, (2, 4, 4)) * (np.arange(4) < sizes[..., None])).astype("int32")

    def read(layer, size: int, vectors: np.ndarray, lengths: np.ndarray):
        theirs, state = torch.nn.LSTM(size, layer.forward_layer.units, batch_first=True, bidirectional=True), {}
        for way, part in {"": layer.forward_layer, "_reverse": layer.backward_layer}.items():
            kernel, recurrent, bias = map(torch.tensor, part.get_weights())
            state |= {f"weight_ih_l0{way}": kernel.T, f"weight_hh_l0{way}": recurrent.T, f"bias_ih_l0{way}": bias}
            state[f"bias_hh_l0{way}"] = torch.zeros_like(bias)
        theirs.load_state_dict(state)
        packed = pack_padded_sequence(torch.tensor(vectors), lengths, batch_first=True, enforce_sorted=False)
        steps, (last, _) = theirs(packed)
        return pad_packed_sequence(steps, batch_first=True)[0].detach().numpy(), last.detach().numpy()

    spelling = ours.get_layer("spelling")
    vectors = spelling.vectors.embeddings.numpy()[letters.reshape(8, 4)]
    last = read(spelling.lstm, 3, vectors, np.maximum(sizes.ravel(), 1))[1]
    spelled = np.concatenate(list(last), -1).reshape(2, 4, 6)
    words = np.concatenate([ours.get_layer("tokens").embeddings.numpy()[tokens], spelled], -1)
    expected = read(ours.get_layer("lstm"), 10, words, np.array([4, 2]))[0]
    for name in ("features", "logits"):
        kernel, bias = ours.get_layer(name).get_weights()
        expected = expected @ kernel + bias
        expected = np.tanh(expected) if name == "features" else expected
    outputs = np.asarray(ours([tokens, letters]))
    assert relative(outputs[0], expected[0]) < 1e-4
    assert relative(outputs[1, :2], expected[1, :2]) < 1e-4
