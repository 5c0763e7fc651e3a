"""The rules of the house: who may know whom, and what every public name must say."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ZOO = Path(__file__).parents[1] / "zoo"
VERBS = {"fit", "finetune", "evaluate", "predict", "generate", "bench", "__main__"}
# What each part may import of the zoo. A part may always import itself.
MAY_KNOW = {
    "models": {"layers"},
    "layers": {"backend"},
    "backend": set(),
    "metrics": set(),
    "decoding": set(),
    "translating": {"decoding", "models"},
    "errors": set(),
    "network": set(),
    "weights": {"errors", "models", "network"},
    "gpt2": {"data", "errors", "models"},
    "data": {"errors", "network"},
    "training": {"decoding", "errors", "metrics", "translating"},
    "recipes": {"models", "data", "training"},
    "command": {"errors", "recipes", "training"},
    **{verb: {"command", "data", "errors", "metrics", "recipes", "training", "weights", "fit"} for verb in VERBS},
    "sentences": {"data", "errors", "fit", "training"},
    "generate": {"sentences", "command", "data", "decoding", "errors", "gpt2", "models", "training", "translating"},
    "__main__": VERBS | {"command", "recipes"},
}
FILES = sorted(ZOO.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at whatever depth, by its whole name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ZOO).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ZOO)))
def test_layers_of_the_house(path):
    part = part_of(path)
    if part == "__init__":
        assert not any(name.startswith("zoo") for name in imports(path))
        return
    own = {"zoo.__version__", "zoo.hushed"}
    known = {name.split(".")[1] for name in imports(path) - own if name.startswith("zoo.")}
    assert known <= MAY_KNOW[part] | {part}, known - MAY_KNOW[part]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ZOO)))
def test_backends_and_pipelines_stay_where_they_belong(path):
    roots = {name.split(".")[0] for name in imports(path)}
    if part_of(path) in ("models", "layers", "recipes"):
        assert not roots & {"tensorflow", "jax", "torch"}
    assert "torch" not in roots
    if part_of(path) != "data":
        assert "tensorflow_datasets" not in roots
        text = path.read_text(encoding="utf-8")
        assert "data.Dataset." not in text  # pipelines are made in data alone


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ZOO)))
def test_every_public_name_is_explained(path):
    module = importlib.import_module(
        ".".join(("zoo", *path.relative_to(ZOO).with_suffix("").parts)).removesuffix(".__init__")
    )
    assert module.__doc__, path
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert thing.__doc__, f"{path}: {name}"
