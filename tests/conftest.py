"""What the tests share: commands in processes of their own, tiny data, and reading event files back."""

import ctypes
import gc
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

# TensorFlow's own allocator keeps for ever the most that it once held; it looks for this when it is loaded.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download import resource

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "tutorials"
TIMED = "09_speed"  # measures times, which another test at the same time spoils: its stored ones are held to its text
STAGED = ROOT.parent / "shared" / "datasets" / "stage.py"


def pytest_collection_modifyitems(items):
    """The notebooks first: minutes each, at the end of all they would leave one of two workers without work."""
    items.sort(key=lambda item: "/notebooks/" not in item.nodeid)


def pytest_collection_finish():
    """What was imported stays. Python looks for what is gone only where a quarter is new, of all that it looks at."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def freed():
    """Networks of a file that are gone take no memory in the next: a process would end with many times its need."""
    yield
    keras.backend.clear_session()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def float32():
    """A fit in this process leaves its recipe's precision behind."""
    keras.config.set_dtype_policy("float32")


@pytest.fixture(params=["float32", "mixed_bfloat16", "mixed_float16"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def unshown(monkeypatch):
    """No pictures after each epoch, which take longer than that of a small network: test_board.py looks at them."""
    monkeypatch.setattr("zoo.tasks.classification.ClassificationPanel.epoch", lambda *all: None)


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory) -> Path:
    """Where TFDS keeps the data of all tests; `digits` is prepared there once."""
    return tmp_path_factory.mktemp("tensorflow_datasets")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three classes that a network can tell apart: where the bright half lies."""
    folder, random = tmp_path_factory.mktemp("tiny"), np.random.default_rng(0)
    for label in range(3):
        (folder / f"class{label}").mkdir()
        for number in range(20):
            pixels = random.integers(0, 60, (16, 16, 3), np.uint8)
            pixels[:, label * 5 : label * 5 + 5] += 150
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def zoo_command(data_directory):
    """Runs `python -m zoo.VERB WORD...` as a person would, and returns the finished process."""

    def run(verb: str, *words, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", f"zoo.{verb}" if verb else "zoo", *map(str, words)]
        return subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=environment(data_directory),
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    return run


@pytest.fixture
def zoo_here(data_directory, monkeypatch, capsys):
    """Like zoo_command, but in this process: a new one would spend its time on loading TensorFlow."""

    def run(verb: str, *words) -> subprocess.CompletedProcess:
        monkeypatch.setenv("TFDS_DATA_DIR", str(data_directory))
        monkeypatch.setattr(sys, "argv", [verb, *map(str, words)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        capsys.readouterr()
        try:
            # Imported here, since tests of networks alone run where TensorFlow is not the backend.
            code = importlib.import_module("zoo.command").main(importlib.import_module(f"zoo.{verb}").run_command)
        except SystemExit as stop:
            code = stop.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def run(zoo_command, tmp_path_factory):
    """A short run on digits, and what the command printed."""
    logs = tmp_path_factory.mktemp("logs")
    done = zoo_command("fit", "cnn", "--epochs", 3, "--logs", logs)
    assert done.returncode == 0, done.stderr
    path = done.stdout.splitlines()[-1].removeprefix("run: ")
    return path, done.stdout


@pytest.fixture
def faults_of_notebook(request, tmp_path, data_directory, monkeypatch) -> list[str]:
    """Runs the notebook after which the test's file is named: what in it and in its twin is not as it must be."""
    import nbformat

    build, path = load_build(), TUTORIALS / f"{request.path.stem.removeprefix('test_')}.ipynb"
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_directory))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    english = build.execute(path, tmp_path)
    chinese = build.with_outputs(nbformat.read(build.twin(path), as_version=4), english)
    found = build.faults(english) + build.faults(chinese)
    return [fault for fault in found if path.stem != TIMED or "printed was" not in fault]


def load_build() -> ModuleType:
    """tutorials/build.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("build", TUTORIALS / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build


def environment(data_directory: Path) -> dict[str, str]:
    """This process's environment, with the tests' data directory and the package on the path."""
    return os.environ | {"TFDS_DATA_DIR": str(data_directory), "PYTHONPATH": str(ROOT)}


def stage_originals(builder: type[tfds.core.DatasetBuilder], directory: Path) -> None:
    """Puts the stored files of a builder of ours where TFDS, with its data in `directory`, looks for its downloads."""
    (directory / "downloads").mkdir()
    for url, info in builder.url_infos.items():
        path = directory / "downloads" / resource.get_dl_fname(url, info.checksum)
        shutil.copyfile(STAGED.parent / builder.name / info.filename, path)
        url_info = {"checksum": info.checksum, "filename": info.filename, "size": info.size}
        about = {"dataset_names": [builder.name], "original_fname": info.filename, "url_info": url_info, "urls": [url]}
        path.with_name(f"{path.name}.INFO").write_text(json.dumps(about), encoding="utf-8")


def assert_complaint(done: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 2, no traceback, one line or the box of tyro, and in it the words."""
    said = done.stderr + done.stdout
    assert done.returncode == 2, said
    assert "Traceback" not in said, said
    flat = " ".join(said.replace("│", " ").split())
    for word in words:
        assert word in flat, f"{word!r} not in {flat}"
    if "For full helptext" not in said:  # which ends tyro's box
        complaints = [line for line in done.stderr.splitlines() if line.startswith("zoo: ")]
        assert len(complaints) == 1, said
