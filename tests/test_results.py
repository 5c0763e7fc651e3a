"""What the documents state is what was measured: every row of the README's tables follows from logs/results.jsonl."""

import json
import re
from pathlib import Path
from statistics import mean, stdev

import pytest

ROOT = Path(__file__).parents[1]
LINES = [json.loads(line) for line in (ROOT / "logs" / "results.jsonl").read_text(encoding="utf-8").splitlines()]
README = (ROOT / "README.md").read_text(encoding="utf-8")


COMPARISONS = {line["name"]: line for line in LINES if line["kind"] == "comparison"}


LANGUAGE = ("| `python -m zoo.fit gpt", "| `python -m zoo.fit lm")  # rows of language models


def groups(limited: bool = False) -> dict[tuple, list[dict]]:
    """The evaluations, those that differ in nothing but the seed together; limited: trained on a few of each class."""
    found: dict[tuple, list[dict]] = {}
    for line in LINES:
        pictures = line["kind"] == "evaluation" and "perplexity" not in line["metrics"]
        if pictures and ("limit" in line["data"]) == limited:
            command = re.sub(r" --(seed|logs) \S+", "", line["command"])
            found.setdefault((command, line["data"]["name"], line["data"]["split"]), []).append(line)
    return found


def row(command: str, name: str, split: str, lines: list[dict]) -> str:
    """How the README states them."""
    seconds = mean(line["seconds"] for line in lines)
    return (
        f"| `{command}` | {name}, {split}, {lines[0]['metrics']['examples']:,} "
        f"| {accuracy(lines)} | {len(lines)} | {lines[0]['epochs']} | {seconds:.0f} |"
    )


def accuracy(lines: list[dict]) -> str:
    """In percent, with the standard deviation where there are several seeds."""
    return spread([100 * line["metrics"]["accuracy"] for line in lines], 2)


def spread(values: list[float], digits: int) -> str:
    """The mean, with the standard deviation where there are several."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def test_language_models():
    """The README states each of them, and no other."""
    found: dict[tuple, list[dict]] = {}
    for line in LINES:
        if line["kind"] == "evaluation" and "perplexity" in line["metrics"]:
            command = re.sub(r" --seed \S+", "", line["command"])
            found.setdefault((command, line["data"]["name"], line["data"]["split"]), []).append(line)
    rows = []
    for (command, name, split), lines in found.items():
        assert len({line["seed"] for line in lines}) == len(lines), "a seed is recorded twice"
        metrics = [line["metrics"] for line in lines]
        loss = [values["loss"] for values in metrics]
        # Where tokens lose some of the text there are none.
        bits = [values["bits_per_character"] for values in metrics if "bits_per_character" in values]
        bits = spread(bits, 3) if bits else "-"
        rows.append(
            f"| `{command}` | {name}, {split}, {metrics[0]['tokens']:,} | {metrics[0]['context']} | {spread(loss, 3)} "
            f"| {bits} | {len(lines)} | {lines[0]['steps']:,} | {mean(x['seconds'] for x in lines):.0f} |"
        )
    stated = [line for line in README.splitlines() if line.startswith(LANGUAGE)]
    assert sorted(stated) == sorted(rows)


@pytest.mark.parametrize("key", groups(), ids=str)
def test_readme_states_what_was_measured(key):
    lines = groups()[key]
    assert len({line["seed"] for line in lines}) == len(lines), "a seed is recorded twice"
    assert row(*key, lines) in README


def test_readme_states_nothing_else():
    rows = [line for line in README.splitlines() if line.startswith("| `python -m zoo.")]
    stated = [line for line in rows if not line.startswith(LANGUAGE)]
    assert sorted(stated) == sorted(row(*key, lines) for key, lines in groups().items())


def test_finetuning_beside_training_from_nothing():
    """A row for each number of pictures a class; both ways see the same pictures for the same epochs."""
    found: dict[int, dict[str, list[dict]]] = {}
    for (command, *_), lines in groups(limited=True).items():
        way = "nothing" if " zoo.fit " in command else "tuned" if " --optimizer.rate " in command else "default"
        ways = found.setdefault(lines[0]["data"]["limit"], {})
        assert way not in ways, f"two commands for one figure: {command}"
        ways[way] = lines
    assert found
    for limit, ways in found.items():
        for field in ("seed", "epochs", "data"):
            assert [line[field] for line in ways["tuned"]] == [line[field] for line in ways["nothing"]]
        figures = " | ".join(accuracy(ways[way]) for way in ("tuned", "nothing", "default"))
        assert f"| {limit} | {figures} |" in README


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name):
    line = COMPARISONS[name]
    stated = (
        f"| {name} | {line['parameters']:,} | {line['batch']} | {1e-9 * line['flop_per_step']:.2f} "
        f"| {line['ours_median']:,.0f} | {line['peer_median']:,.0f} "
        f"| {line['ratio']:.2f} | {min(line['ratios']):.2f} to {max(line['ratios']):.2f} "
        f"| {line['inference_examples_per_second']:,.0f} |"
    )
    assert stated in README, stated


def test_every_result_says_how_to_get_it_again():
    for line in LINES:
        assert {"command", "machine", "versions", "commit"} <= line.keys()
        assert line["command"].startswith("python -m zoo.")
