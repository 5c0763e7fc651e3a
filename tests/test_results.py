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


def kind(metrics: dict) -> str:
    """What a task is about, by what it measures."""
    names = {"bleu": "translation", "perplexity": "language", "rmse": "forecast"}
    return next((name for metric, name in names.items() if metric in metrics), "classes")


def groups(limited: bool = False) -> dict[tuple, list[dict]]:
    """The evaluations, those that differ in nothing but seed or fold together; limited: of a few examples a class."""
    found: dict[tuple, list[dict]] = {}
    for line in LINES:
        if line["kind"] != "evaluation":
            continue
        # Of pairs of sentences the limit is their length.
        if limited == ("limit" in line["data"] and kind(line["metrics"]) == "classes"):
            command = re.sub(r" --(seed|data\.fold) \S+", "", line["command"])
            found.setdefault((command, line["data"]["name"], line["data"]["split"]), []).append(line)
    return found


def row(command: str, name: str, split: str, lines: list[dict]) -> str:
    """How the README states them."""
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
def test_readme_states_what_was_measured(key):
    lines = groups()[key]
    runs = {(line["seed"], line["data"].get("fold")) for line in lines}
    assert len(runs) == len(lines), "a seed is recorded twice"
    assert row(*key, lines) in README, row(*key, lines)


def test_readme_states_nothing_else():
    stated = [line for line in README.splitlines() if line.startswith("| `python -m zoo.")]
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


@pytest.mark.parametrize("line", [line for line in LINES if line["kind"] == "writing"], ids=lambda line: line["name"])
def test_speed_of_writing(line):
    stated = (
        f"| {line['name']} | {line['parameters']:,} | {line['ours_median']:,.0f} | {line['peer_median']:,.0f} "
        f"| {line['ratio']:.2f} | {min(line['ratios']):.2f} to {max(line['ratios']):.2f} |"
    )
    assert stated in README, stated


def test_every_result_says_how_to_get_it_again():
    for line in LINES:
        assert {"command", "machine", "versions", "commit"} <= line.keys()
        assert line["command"].startswith("python -m zoo.")
