"""What the documents state is what was measured, and what they tell a person to type and to open exists.

The documents are README.md and docs/: every row of their tables of results follows from logs/results.jsonl.
"""

import ast
import importlib
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from statistics import mean, stdev

import pytest

from zoo.__main__ import VERBS
from zoo.command import local_fields
from zoo.data import Texts
from zoo.explained import Settings
from zoo.opened import places_of
from zoo.pretrained import ENCODERS, HUB
from zoo.recipes import RECIPES
from zoo.tasks import Prompted
from zoo.training import METHODS, Distill, Prune

ROOT = Path(__file__).parents[1]
LINES = [json.loads(line) for line in (ROOT / "logs" / "results.jsonl").read_text(encoding="utf-8").splitlines()]
DOCUMENTS = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
STATED = {line for text in DOCUMENTS.values() for line in text.splitlines()}
WIDEST = 120  # characters of a line
LARGEST = 12_288  # bytes of the README

# What was renamed after something was measured: results.jsonl keeps what was typed then, the documents say what is to
# be typed now.
RENAMED = {
    # How the body of a fine-tuning thaws became the method of its recipe.
    "--frozen": "--method.frozen",
    "--groups": "--method.groups",
    "--decay": "--method.decay",
    # The digits follow from the recipe, so they changed when recipes were given a method.
    "logs/cnn-cd5a3a": "logs/cnn-XXXXXX",
}

COMPARISONS = {line["name"]: line for line in LINES if line["kind"] == "comparison"}


def today(command: str) -> str:
    """A command of results.jsonl as it is typed now."""
    return " ".join(RENAMED.get(word, word) for word in command.split(" "))


def kind(metrics: dict) -> str:
    """What a task is about, by what it measures."""
    names = {"bleu": "translation", "hidden": "masked", "perplexity": "language", "rmse": "forecast"}
    names |= {"spans": "tags", "analogies": "vectors"}
    return next((name for metric, name in names.items() if metric in metrics), "classes")


def groups(limited: bool = False) -> dict[tuple, list[dict]]:
    """The evaluations, those that differ in nothing but seed or fold together; limited: of a few examples a class."""
    found: dict[tuple, list[dict]] = {}
    for line in LINES:
        if line["kind"] != "evaluation":
            continue
        # Of pairs of sentences the limit is their length.
        if limited == ("limit" in line["data"] and kind(line["metrics"]) == "classes"):
            command = re.sub(r" --(seed|data\.fold) \S+", "", today(line["command"]))
            found.setdefault((command, line["data"]["name"], line["data"]["split"]), []).append(line)
    return found


def row(command: str, name: str, split: str, lines: list[dict]) -> str:
    """How the documents state them."""
    metrics = [line["metrics"] for line in lines]
    steps, seconds = f"{lines[0]['steps']:,}" if lines[0].get("steps") else "", mean(line["seconds"] for line in lines)

    def of(name: str, digits: int, times: float = 1.0) -> str:
        values = [times * values[name] for values in metrics if name in values]
        return spread(values, digits) if values else "-"

    first, last = f"| `{command}` | {name}, {split}, ", f"| {len(lines)} "
    match kind(metrics[0]):
        case "classes":
            row = f"{metrics[0]['examples']:,} | {accuracy(lines)} {last}| {lines[0]['epochs']}"
        case "language":
            of_text = (
                f"| {metrics[0]['context']} | {of('loss', 3)} | {of('perplexity', 2)} | {of('bits_per_character', 3)}"
            )
            row = f"{metrics[0]['tokens']:,} {of_text} {last}| {steps}"
        case "masked":
            figures = f"| {of('loss', 3)} | {of('perplexity', 2)} | {of('accuracy', 2, 100)}"
            row = f"{metrics[0]['hidden']:,} {figures} {last}| {steps}"
        case "tags":
            figures = f"| {of('precision', 2, 100)} | {of('recall', 2, 100)} | {of('f1', 2, 100)}"
            row = f"{metrics[0]['sentences']:,} {figures} {last}| {lines[0]['epochs']}"
        case "vectors":
            figures = f"| {of('wordsim353_rho', 3)} | {of('simlex999_rho', 3)} | {of('analogies', 2, 100)}"
            row = f"{metrics[0]['words']:,} {figures} {last}| {lines[0]['epochs']}"
        case "forecast":
            naive = " | ".join(f"{metrics[0][f'{who}_rmse']:.2f}" for who in ("naive", "seasonal"))
            figures = f"| {of('rmse', 2)} | {naive} | {of('seasonal_ratio', 3)}"
            row = f"{metrics[0]['windows']:,} {figures} {last}| {lines[0]['epochs']}"
        case "translation":
            figures = f"| {of('exact', 2, 100)} | {of('bleu', 2)} | {of('chrf', 2)} | {of('loss', 3)}"
            row = f"{metrics[0]['sentences']:,} {figures} {last}| {lines[0]['epochs']}"
    return f"{first}{row} | {seconds:.0f} |"


def accuracy(lines: list[dict]) -> str:
    """In percent, with the standard deviation where there are several seeds."""
    return spread([100 * line["metrics"]["accuracy"] for line in lines], 2)


def spread(values: list[float], digits: int) -> str:
    """The mean, with the standard deviation where there are several."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


@pytest.mark.parametrize("key", groups(), ids=str)
def test_documents_state_what_was_measured(key):
    lines = groups()[key]
    runs = {(line["seed"], line["data"].get("fold")) for line in lines}
    assert len(runs) == len(lines), "a seed is recorded twice"
    assert row(*key, lines) in STATED, row(*key, lines)


def test_documents_state_nothing_else():
    stated = [line for text in DOCUMENTS.values() for line in text.splitlines() if line.startswith("| `python -m zoo.")]
    assert sorted(stated) == sorted(row(*key, lines) for key, lines in groups().items())


def finetunings() -> dict[int, dict[str, tuple[str, list[dict]]]]:
    """By pictures a class and by way: its command without the seed, and its evaluations."""
    found: dict[int, dict[str, tuple[str, list[dict]]]] = {}
    for (command, *_), lines in groups(limited=True).items():
        way = "nothing" if " zoo.fit " in command else "tuned" if " --optimizer.rate " in command else "default"
        ways = found.setdefault(lines[0]["data"]["limit"], {})
        assert way not in ways, f"two commands for one figure: {command}"
        ways[way] = command, lines
    return found


def test_finetuning_beside_training_from_nothing():
    """A row for each number of pictures a class; both ways see the same pictures for the same epochs."""
    assert finetunings()
    for limit, ways in finetunings().items():
        tuned, nothing, default = (ways[way][1] for way in ("tuned", "nothing", "default"))
        for field in ("seed", "epochs", "data"):
            assert [line[field] for line in tuned] == [line[field] for line in nothing]
        assert f"| {limit} | {accuracy(tuned)} | {accuracy(nothing)} | {accuracy(default)} |" in STATED


@pytest.mark.parametrize("way", ["tuned", "nothing"])
def test_the_commands_of_the_finetuning_are_those_that_were_measured(way):
    command, _ = finetunings()[10][way]
    assert command.split(" ") in [words for _, words in commands()]


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name):
    line = COMPARISONS[name]
    stated = (
        f"| {name} | {line['parameters']:,} | {line['batch']} | {1e-9 * line['flop_per_step']:.2f} "
        f"| {line['ours_median']:,.0f} | {line['peer_median']:,.0f} "
        f"| {line['ratio']:.2f} | {min(line['ratios']):.2f} to {max(line['ratios']):.2f} "
        f"| {line['inference_examples_per_second']:,.0f} |"
    )
    assert stated in STATED, stated


@pytest.mark.parametrize("line", [line for line in LINES if line["kind"] == "writing"], ids=lambda line: line["name"])
def test_speed_of_writing(line):
    stated = (
        f"| {line['name']} | {line['parameters']:,} | {line['ours_median']:,.0f} | {line['peer_median']:,.0f} "
        f"| {line['ratio']:.2f} | {min(line['ratios']):.2f} to {max(line['ratios']):.2f} |"
    )
    assert stated in STATED, stated


def test_every_result_says_how_to_get_it_again():
    for line in LINES:
        assert {"command", "machine", "versions", "commit"} <= line.keys()
        assert line["command"].startswith("python -m zoo.")


def test_the_run_that_the_readme_shows_is_that_of_its_command():
    golden = json.loads((ROOT / "tests" / "recipes.json").read_text(encoding="utf-8"))
    shown = re.findall(r"logs/cnn-([0-9a-f]{6})\b", DOCUMENTS[ROOT / "README.md"])
    assert shown
    assert set(shown) == {golden["cnn"]["id"]}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= LARGEST


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_lines_can_be_read(path):
    """Tables and code cannot be broken, all else can."""
    prose = re.sub(r"^```.*?^```$", "", DOCUMENTS[path], flags=re.M | re.S)
    assert not [line for line in prose.splitlines() if len(line) > WIDEST and not line.startswith("|")]


def anchors(text: str) -> set[str]:
    """What the headings of a document are called in an address, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", DOCUMENTS[path], flags=re.M | re.S))
    missing = []
    for link in links:
        if re.match(r"\w+:", link):  # another site
            continue
        file, _, heading = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.is_file() or (heading and heading not in anchors(target.read_text(encoding="utf-8"))):
            missing.append(link)
    assert not missing


def commands() -> list[tuple[Path, list[str]]]:
    """The words of each command of the zoo in a code block, without its comment, and where it stands."""
    found = []
    for path, text in DOCUMENTS.items():
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S):
            lines = (shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines())
            found += [(path, words) for words in lines if words[:2] == ["python", "-m"]]
    return found


def flags_of(verb: str, name: str) -> set[str]:
    """The flags that a verb takes for a recipe, or for a run or the published weights of one."""
    prompted = [name for name in HUB if "t5-" in name]
    published = {"gpt2": "gpt", **dict.fromkeys(prompted, "t5"), **dict.fromkeys(ENCODERS, "bert")}
    recipe = RECIPES[published.get(name, name.removeprefix("logs/").removesuffix("-XXXXXX"))]
    task, data = Prompted() if name in prompted else recipe.task, recipe.data
    more = {
        # A record leaves out what came later and is not set.
        "fit": recipe.leaves().keys() | {"minutes"} | {f"data.{field}" for field in names(data)},
        "bench": recipe.leaves().keys() | {"engine"},
        "export": set(),
        "look": recipe.leaves().keys(),
        "prune": recipe.leaves().keys() | {f"method.{field}" for field in names(Prune)},
        "distill": recipe.leaves().keys() | {f"method.{field}" for field in names(Distill)},
        "finetune": recipe.leaves().keys()
        | {f"method.{field}" for kind in METHODS.values() for field in names(kind)}
        | ({f"data.{field}" for field in names(Texts)} if name.startswith(("bert", "logs/bert", "minilm")) else set()),
        "predict": {"weights"} | names(task.Ask) | names(data.Inputs) if task.verb == verb else set(),
        "generate": {"weights"} | names(task.Ask) if task.verb == verb else set(),
        "serve": {"weights"},
        "explain": {"weights"} | names(Settings) | names(task.Explain) | {"class"} | names(data.Inputs),
        "evaluate": {f"data.{field}" for field in places_of(data)} | {f"task.{field}" for field in local_fields(task)},
    }
    return names(importlib.import_module(f"zoo.{verb}").Options) | more[verb]


def names(record: type) -> set[str]:
    return {field.name for field in fields(record)}


def test_what_is_typed_exists():
    """Each verb, recipe and flag."""
    missing, seen = [], set()
    for path, (_, _, module, *typed) in commands():
        name, *words = typed or [""]
        verb = module.removeprefix("zoo.")
        seen.add(verb)
        if verb == "runs" or "mine" in name:  # it takes no recipe; the flags of a user's own recipe are its own
            continue
        flags = {word[2:].replace("-", "_").replace(".no_", ".") for word in words if word.startswith("--")}
        missing += [(name_of(path), verb, name, flag) for flag in flags - flags_of(verb, name)]
    assert not missing
    assert seen == {verb.split()[0] for verb in VERBS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_imports_what_exists(path):
    for block in re.findall(r"^```python\n(.*?)^```$", DOCUMENTS[path], re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("zoo"):
                missing = {name.name for name in node.names} - vars(importlib.import_module(node.module)).keys()
                assert not missing, f"{node.module} has no {', '.join(missing)}"
