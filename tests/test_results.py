"""What the documents state is what was measured: every row of the README's tables follows from logs/results.jsonl."""

import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest

ROOT = Path(__file__).parents[1]
LINES = [json.loads(line) for line in (ROOT / "logs" / "results.jsonl").read_text(encoding="utf-8").splitlines()]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def groups() -> dict[tuple, list[dict]]:
    """The evaluations, those that differ in nothing but the seed together."""
    found: dict[tuple, list[dict]] = {}
    for line in LINES:
        if line["kind"] == "evaluation":
            command = re.sub(r" --(seed|logs) \S+", "", line["command"])
            found.setdefault((command, line["data"]["name"], line["data"]["split"]), []).append(line)
    return found


def row(command: str, name: str, split: str, lines: list[dict]) -> str:
    """How the README states them."""
    accuracies = [100 * line["metrics"]["accuracy"] for line in lines]
    spread = f" ± {stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
    seconds = mean(line["seconds"] for line in lines)
    return (
        f"| `{command}` | {name}, {split}, {lines[0]['metrics']['examples']:,} "
        f"| {mean(accuracies):.2f}{spread} | {len(lines)} | {lines[0]['epochs']} | {seconds:.0f} |"
    )


@pytest.mark.parametrize("key", groups(), ids=str)
def test_readme_states_what_was_measured(key):
    lines = groups()[key]
    assert len({line["seed"] for line in lines}) == len(lines), "a seed is recorded twice"
    assert row(*key, lines) in README


def test_readme_states_nothing_else():
    stated = [line for line in README.splitlines() if line.startswith("| `python -m zoo.")]
    assert sorted(stated) == sorted(row(*key, lines) for key, lines in groups().items())


def test_comparisons():
    ratios = {line["name"]: line["ratio"] for line in LINES if line["kind"] == "comparison"}
    assert ratios
    for name, ratio in ratios.items():
        assert re.search(rf"\| {name} \| .*\| {ratio:.2f} \|", README), name


def test_every_result_says_how_to_get_it_again():
    for line in LINES:
        assert {"command", "machine", "versions", "commit"} <= line.keys()
        assert line["command"].startswith("python -m zoo.")
