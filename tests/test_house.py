"""The rules of the house: who may know whom, what is loaded when, and what every public name must say."""

import ast
import configparser
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

ZOO = ROOT / "zoo"
VERBS = (
    *("fit", "finetune", "prune", "distill", "evaluate", "predict", "generate", "explain", "export", "serve"),
    *("look", "bench", "runs"),
)
# Each may import what stands further to the right, and itself.
ORDER = (
    ("__main__",),
    VERBS,
    ("served",),
    ("transfer", "teacher", "explained", "exported"),
    ("command", "opened", "stored"),
    ("recipes",),
    ("training",),
    ("tasks",),
    ("decoding", "pretrained", "exported"),
    ("models", "data"),
    ("layers",),
    ("metrics", "backend"),
    ("errors",),
)
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
FILES = sorted(ZOO.rglob("*.py"))
OF_EXTRAS = [path for path in FILES if path.parent.name == "served"]  # which import what they are about
EACH = [pytest.param(path, marks=pytest.mark.extra) if path in OF_EXTRAS else path for path in FILES]
each_file = pytest.mark.parametrize("path", EACH, ids=lambda path: str(path.relative_to(ZOO)))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at whatever depth, by its whole name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def known(path: Path) -> set[str]:
    """What a file imports of other parts of the package, without the package's name."""
    whole = {name.removeprefix("zoo.") for name in imports(path) if name.startswith("zoo.")} - {"__version__"}
    return {name for name in whole if name.split(".")[0] != part_of(path)}


def part_of(path: Path) -> str:
    return path.relative_to(ZOO).parts[0].removesuffix(".py")


@each_file
def test_who_knows_whom(path):
    part, others = part_of(path), known(path)
    if part == "__init__":
        assert not others
        return
    # No verb knows another, but any may call fit.
    below = {name for name in others if LEVEL[name.split(".")[0]] > LEVEL[part]}
    assert others - below <= {name for name in others if part in VERBS and name.split(".")[0] == "fit"}
    roots = {name.split(".")[0] for name in others}
    if "pretrained" in roots:
        assert part in ("opened", "transfer", "finetune")
    if part == "training":  # knows any network and any data, by their contracts
        particular = {name for name in others if name.split(".")[0] in ("tasks", "decoding", "models", "data")}
        assert all(name.startswith(("tasks.task.", "data.source.")) for name in particular), particular
    if part == "tasks":
        assert "data" not in roots


@each_file
def test_backends_and_pipelines_stay_where_they_belong(path):
    roots, part = {name.split(".")[0] for name in imports(path)}, part_of(path)
    assert "torch" not in roots
    if part in ("models", "layers", "recipes"):
        assert not roots & {"tensorflow", "jax"}
    if part != "data":
        assert "tensorflow_datasets" not in roots
        assert "data.Dataset." not in path.read_text(encoding="utf-8")  # pipelines are made in data alone


def test_commands_that_compute_nothing_load_nothing_large():
    large = {"keras", "tensorflow", "tensorflow_datasets"}
    script = f"import sys, zoo.__main__; print(sorted({large} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", sorted(ZOO.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_whoever_computes_sets_keras_first(folder):
    """Whatever is imported first, Keras is the same: a person's keras.json decides no number."""
    if folder.parent.name in ("recipes", "pretrained"):  # tables of names, which load nothing
        assert "zoo.backend" not in imports(folder)
        return
    ours = [ast.unparse(node) for node in ast.parse(folder.read_text(encoding="utf-8")).body]
    assert next(line for line in ours if line.startswith(("import zoo", "from zoo"))) == "import zoo.backend"


@each_file
def test_every_public_name_is_explained(path):
    if path in OF_EXTRAS:
        pytest.importorskip("gradio", reason='pip install -e ".[serve]"')
    module = importlib.import_module(
        ".".join(("zoo", *path.relative_to(ZOO).with_suffix("").parts)).removesuffix(".__init__")
    )
    assert module.__doc__, path
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert thing.__doc__, f"{path}: {name}"


def required() -> dict[str, list[Requirement]]:
    """What setup.cfg asks for, by the extra that needs it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    parts = {"": setup["options"]["install_requires"], **setup["options.extras_require"]}
    lines = {
        extra: [line for line in text.splitlines() if line and not line.startswith("#")]
        for extra, text in parts.items()
    }
    return {extra: [Requirement(line) for line in asked] for extra, asked in lines.items()}


def test_every_package_has_bounds():
    assert [asked.name for asked in required()["gpu"]] == ["tensorflow"]  # whose bounds stand above
    for extra, asked in required().items():
        for package in asked if extra != "gpu" else ():
            assert {bound.operator for bound in package.specifier} - {"!="} == {">=", "<"}, package


def test_the_locked_versions_are_within_the_bounds_and_have_hashes():
    """After a change of a bound, the command in the first lines of requirements.lock writes it anew."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text(encoding="utf-8"))[1:]
    locked: dict[str, list[Requirement]] = {}
    for entry in entries:
        assert "--hash=sha256:" in entry, entry
        package = Requirement(entry.split(" \\\n")[0])
        locked.setdefault(package.name, []).append(package)
    for asked in required()[""] + required()["test"]:
        versions = [next(iter(package.specifier)).version for package in locked[asked.name.replace("_", "-")]]
        assert all(asked.specifier.contains(version) for version in versions), (asked, versions)


def test_saved_layers_have_names_of_their_own():
    """Keras finds the class of a saved layer by its name alone: of two with one name it takes the later."""
    named = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            marks = node.decorator_list if isinstance(node, ast.ClassDef) else ()
            named += [node.name for mark in marks if "register_keras_serializable" in ast.unparse(mark)]
    assert len(named) > 10
    assert len(named) == len(set(named)), sorted(name for name in named if named.count(name) > 1)
