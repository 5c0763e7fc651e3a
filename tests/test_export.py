"""Every network in every format, and the folder that a person gets.

`python tests/test_export.py` runs all networks in all formats and writes the table of docs/export.md; tests run
some.
"""

import errno
import json
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from conftest import ROOT, assert_complaint
from test_models import BUILDERS, VOCABULARY, Case, sentences, spelled_sentences

from zoo.errors import UserError
from zoo.export import export
from zoo.exported import FORMATS, TOLERANCE, Network, check_installed, difference, float32_copy, refused, write
from zoo.models import mlp, tagger, textcnn, word2vec
from zoo.opened import opened

DOCUMENT = ROOT / "docs" / "export.md"
YES = "yes"


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 5)).astype("float32")


def words(count: int, near: bool) -> list[np.ndarray]:
    which = np.random.default_rng(3).integers(0, 2, (count, 5, 7)).astype("float32")
    given = [sentences(count, 7 if near else 5), sentences(count, 6, seed=1)]
    return [*given, which] if near else given


MORE = {
    "mlp": Case(partial(mlp, (5,), 3), rows, (3,)),
    "textcnn": Case(partial(textcnn, VOCABULARY, 3, width=6, filters=4), partial(sentences, length=7), (3,)),
    "tagger-crf": Case(partial(tagger, VOCABULARY, 3, 6, width=6, units=4, letters=3), spelled_sentences, (7, 3, 3)),
    "word2vec": Case(partial(word2vec, VOCABULARY, False, width=6), partial(words, near=False), (5, 6)),
    "word2vec-cbow": Case(partial(word2vec, VOCABULARY, True, width=6), partial(words, near=True), (5, 6)),
}
CASES = BUILDERS | MORE
# The networks of the table, each by a tiny one of the same code.
TABLE = {
    "alexnet": "alexnet",
    "bert": "bert",
    "bert_masked": "bert-masked",
    "bert_tagger": "bert-tagger",
    "bigmodel": "bigmodel-regularised",
    "cnn": "cnn",
    "googlenet": "googlenet",
    "gpt": "gpt",
    "gpt (GPT-2's form)": "gpt-2",
    "gru": "gru-both-ways",
    "inception_v3": "inception_v3-modules",
    "lm": "lm-lstm",
    "lstm": "recurrent-loop",
    "lstm (both ways)": "lstm-both-ways",
    "mlp": "mlp",
    "nlinear": "nlinear",
    "resnet20": "resnet20",
    "resnet50": "resnet50",
    "resnet50v2": "resnet50v2",
    "rnn": "rnn",
    "seq2seq (bahdanau)": "seq2seq-bahdanau",
    "seq2seq (cho)": "seq2seq-cho",
    "seq2seq (sutskever)": "seq2seq-sutskever",
    "t5": "t5",
    "t5 (1.1)": "t5-1.1",
    "tagger": "tagger-crf",
    "tagger (no field)": "tagger",
    "textcnn": "textcnn",
    "transformer": "transformer-post",
    "transformer (pre-norm)": "transformer-pre",
    "transformer_classifier": "classifier",
    "vgg11": "vgg11-normalised",
    "vit": "vit",
    "word2vec": "word2vec",
    "word2vec (cbow)": "word2vec-cbow",
    "xception": "xception",
}
# Those that are tried whenever the tests run: of each kind one, the quickest.
TRIED = [
    ("cnn", "onnx"), ("cnn", "litert"), ("cnn", "openvino"), ("mlp", "saved_model"), ("textcnn", "safetensors"),
    ("rnn", "litert"), ("lm", "onnx"), ("nlinear", "openvino"), ("word2vec", "onnx"),
]  # fmt: skip


def tiny(case: Case) -> tuple[Network, list[np.ndarray]]:
    """A network whose weights are away from where they begin, many of them zeros, and inputs."""
    keras.utils.set_random_seed(0)
    model, random = case.build(), np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(weight + 0.05 * random.normal(size=weight.shape))
    inputs = case.inputs(count=4)
    network = Network(
        float32_copy(model), tuple(x.shape[1:] for x in (inputs if isinstance(inputs, list) else [inputs]))
    )
    return network, network.arrays(inputs)


def tried(network: Network, inputs: list[np.ndarray], name: str) -> str:
    """Writes a network in a format, reads it back and compares it, for batches of several sizes: yes, or why not."""
    form, written = FORMATS[name], False
    why = refused(form, network)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            form.write(network, Path(folder))
            written = True
            run, own = form.load(Path(folder)), network.compiled()
            batches = [[x[:count] for x in inputs] for count in (4, 1, 3)]
            share = max(difference(own(batch), run(batch)).share for batch in batches)
        except Exception as error:  # whatever the format's own programs raise
            print(f"{network.model.name} as {name}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
            return f"no: {why or ('not run' if written else 'not converted')}"
    return YES if share <= TOLERANCE else f"no: {why or 'other outputs'}"


def stated() -> dict[tuple[str, str], str]:
    """The table of the document: by network and format yes, or why not."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    names, *rest = [line for line in lines if len(line) == 1 + len(FORMATS)]
    return {(line[0].strip("`"), name): cell for line in rest for name, cell in zip(names[1:], line[1:], strict=True)}


def test_the_table_has_every_network_and_every_format():
    assert set(stated()) == {(row, name) for row in TABLE for name in FORMATS}


@pytest.mark.extra
@pytest.mark.parametrize(("row", "name"), TRIED)
def test_what_the_table_says(row, name):
    for package in FORMATS[name].NEEDS:
        pytest.importorskip(package, reason='pip install -e ".[export]"')
    assert tried(*tiny(CASES[TABLE[row]]), name) == stated()[row, name]


@pytest.mark.extra
def test_the_folder_is_enough_by_itself(run, zoo_here, tmp_path):
    """Of a network of digits: answer.py runs where there is no zoo, and says what the network says."""
    pytest.importorskip("onnxruntime", reason='pip install -e ".[export]"')
    out = tmp_path / "a" / "digits"
    done = zoo_here("export", run[0], "--to", "onnx", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "compared on the validation part, 180 examples" in done.stdout
    assert "100.00% of 180 answers are equal" in done.stdout
    names = {"answer.py", "example.npz", "labels.json", "model.json", "model.onnx"}
    assert {path.name for path in out.iterdir()} == names
    assert not list(out.parent.glob(".part*"))
    card = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert card["inputs"] == [{"name": "pixels", "shape": ["batch", 28, 28, 1], "dtype": "float32"}]
    assert card["compared"]["share"] <= TOLERANCE
    assert "pixels from 0 to 255" in card["input"]
    lines = (out / "answer.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 35
    command = [sys.executable, "-I", out / "answer.py"]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    example = np.load(out / "example.npz")
    said = [card["labels"][place] for place in example["output"].argmax(-1)]
    assert done.stdout.splitlines()[0] == str(said)
    assert float(done.stdout.split()[-1]) < 1e-3
    found = opened(run[0])
    np.testing.assert_allclose(found.model.predict(example["pixels"], verbose=0), example["output"], atol=1e-4)


def test_what_is_answered(run, zoo_here, tmp_path):
    """Bad input: nothing is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for words, said in (
        (["export", run[0], "--to", "onxx", "--out", tmp_path / "out"], ["--to", "onxx"]),
        (["export", run[0], "--out", tmp_path / "out"], ["--to is missing"]),
        (["export", run[0], "--to", "onnx"], ["--out is missing"]),
        (["export", run[0], "--to", "onnx", "--out", tmp_path / "full"], ["full, which is not empty"]),
        (["export", run[0], "--to", "onnx", "--out", tmp_path / "file"], ["file, which is a file"]),
        (["export", run[0], "--to", "onnx", "--out", tmp_path / "file" / "in"], ["file is a file"]),
        (["export", tmp_path / "no", "--to", "onnx", "--out", tmp_path / "out"], ["no run at"]),
        (["export", "--to", "onnx"], ["--to came before a run"]),
        (["bench", tmp_path / "full", "--engine", "onnx"], ["full is not a run"]),
        (["bench", run[0], "--engine", "tensorrt"], ["tensorrt"]),
    ):
        assert_complaint(zoo_here(*words), *said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_what_a_format_cannot_hold(tmp_path):
    network, inputs = tiny(CASES["word2vec"])
    with pytest.raises(UserError, match=r"litert cannot hold word2vec, .*: choose another format with --to"):
        write(FORMATS["litert"], network, tmp_path / "out", batches=lambda: [inputs], about={}, files={})
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(FORMATS["onnx"], "NEEDS", ("no_such_package",))
    with pytest.raises(UserError, match=r'onnx needs no_such_package: pip install -e ".\[export\]"'):
        check_installed(["onnx"])


def test_other_outputs_are_an_error(run, tmp_path, monkeypatch):
    """A file that answers otherwise is not left behind, and neither is one that its program refuses."""
    form = FORMATS["saved_model"]
    load = form.load

    def off(folder):
        right = load(folder)
        return lambda inputs: right(inputs) + 0.1

    monkeypatch.setattr(form, "load", off)
    with pytest.raises(UserError, match=r"gives other outputs than in Keras: they differ by up to 0.1"):
        export(run[0], "saved_model", tmp_path / "out")
    monkeypatch.setattr(form, "load", lambda folder: 1 / 0)
    with pytest.raises(
        UserError, match=r"cnn could not be written as saved_model .ZeroDivisionError: division by zero"
    ):
        export(run[0], "saved_model", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_disk_is_full_or_the_process_was_killed(run, tmp_path, monkeypatch):
    """Then nothing is left of the folder, or only what the next export removes."""
    (tmp_path / ".part-out").mkdir()
    (tmp_path / ".part-out" / "old").write_text("half")
    with monkeypatch.context() as full:
        full.setattr("numpy.savez", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(UserError, match=r"the disk is full: .*out could not be written, and nothing is left of it"):
            export(run[0], "safetensors", tmp_path / "out")
    assert not list(tmp_path.iterdir())
    export(run[0], "safetensors", tmp_path / "out")
    names = {"example.npz", "labels.json", "model.json", "model.safetensors", "network.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["textcnn", "recurrent-loop", "classifier"])
def test_half_precision_is_exported_in_float32(name, policy):
    keras.config.set_dtype_policy(policy)
    model = CASES[name].build()
    copy = float32_copy(model)
    keras.config.set_dtype_policy("float32")
    same = CASES[name].build()
    same.set_weights(model.get_weights())
    inputs = CASES[name].inputs(count=4)
    np.testing.assert_array_equal(copy(inputs), same(inputs))


def test_nothing_is_carried():
    """A language model that goes on from batch to batch is exported as one that reads each window on its own."""
    network, inputs = tiny(CASES["lm-lstm"])
    own = network.compiled()
    first = own(inputs)
    np.testing.assert_array_equal(own(inputs), first)
    np.testing.assert_allclose(own([x[:1] for x in inputs]), first[:1], atol=1e-6)


def test_unrolled_layers_know_what_is_padding():
    """Those that read backwards too, of which Keras 3.15 blanks the wrong places."""
    network, inputs = tiny(CASES["tagger"])
    real = inputs[-1] > 0
    np.testing.assert_allclose(
        network.function(fixed=True)(*inputs).numpy()[real], network.compiled()(inputs)[real], atol=1e-6
    )


def test_differences():
    wanted = np.array([[1.0, 2.0], [3.0, -1e9]])
    assert difference(wanted, wanted) == (0, 0, 1, 2)
    found = difference(wanted, wanted + np.array([[0, 0], [0.3, 0]]))
    assert found.largest == pytest.approx(0.3)
    assert found.share == pytest.approx(0.1)
    assert difference(wanted, wanted[:, ::-1]).equal == 0
    assert difference(wanted, np.array([[1.0, 2.0], [3.0, -2e9]])).share == 1
    assert difference(wanted, wanted * np.nan).share == np.inf
    assert difference(wanted, wanted[:1]).share == np.inf


@pytest.mark.extra
def test_bench_of_engines(run, zoo_here):
    pytest.importorskip("onnxruntime", reason='pip install -e ".[export]"')
    done = zoo_here("bench", run[0], "--engine", "onnx", "--seconds", 0.01, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["parameters"] == 225_034
    assert record["processor"]
    assert list(record["engines"]) == ["keras", "onnx"]
    for measured in record["engines"].values():
        assert measured["batch_1_ms_median"] > 0
        assert measured["batch_250_per_second"] > 0


def write_table(*only: str) -> None:
    """Tries all networks, or some, in all formats, and writes the document's table anew, a network after another."""
    found = stated()
    for row in only or TABLE:
        network, inputs = tiny(CASES[TABLE[row]])
        found |= {(row, name): tried(network, inputs, name) for name in FORMATS}
        keras.backend.clear_session()
        lines = [f"| network | {' | '.join(FORMATS)} |", f"|---|{'---|' * len(FORMATS)}"]
        lines += [f"| `{row}` | {' | '.join(found.get((row, name), '?') for name in FORMATS)} |" for row in TABLE]
        print(lines[2 + list(TABLE).index(row)], flush=True)
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(
            re.sub(r"\| network .*?\n\n", "\n".join(lines) + "\n\n", text, flags=re.S), encoding="utf-8"
        )


if __name__ == "__main__":
    write_table(*sys.argv[1:])
