"""Runs the notebooks from top to bottom and keeps what they print: `python tutorials/build.py [01_gradients ...]`.

What an English notebook prints goes into its Chinese twin too, whose code is the same. A number in a text that was
measured by a cell above it carries, in a comment that no page shows, the words after which the cell printed it:

    97.2 ± 1.5 %<!-- = validation accuracy -->     the printed number lies within 1.5 of 97.2
    0.93<!-- = smallest -->                        it is 0.93 when it is rounded like this
    90 %<!-- < validation accuracy -->             90 is less than it; > likewise
    98.80 ± 0.16 %<!-- README fit cnn -->          the row of `python -m zoo.fit cnn` in README.md or docs/ says so
    91.25 %<!-- given -->                          not measured here: a paper's, a definition's

A text with a fraction or a percentage that carries none of these is refused, and so is one that its cells contradict.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).parent
LINES = 30  # of a cell at most: one idea each
BYTES = 500_000  # of a notebook, for people who read it on the web
SECONDS = 600  # that a cell may take before it is given up

NUMBER = r"(?:(?<![\d.,])[-+\u2212])?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?"
CLAIM = re.compile(rf"({NUMBER})(?:\s*±\s*({NUMBER}))?\s*%?\s*<!--\s*(=|<|>|README|given)\s*(.*?)\s*-->")
# What is no statement of a number: code, formulas, addresses, sections.
SILENT = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|https?://\S+|arXiv:\S+|(?:§|sections? |第)\s*\d[\d.]*", re.S
)
UNTOLD = re.compile(r"\d+\.\d+|\d+\s*[%\uff05]|\d\s*percent|±")
# What was measured at full size, and is held to logs/results.jsonl by a test of its own.
DOCUMENTS = HERE.parent / "README.md", *sorted((HERE.parent / "docs").glob("*.md"))
ROWS = [line for path in DOCUMENTS for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.S)


def notebooks() -> list[Path]:
    """The English notebooks, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.ipynb"))


def twin(path: Path) -> Path:
    """Where the Chinese form of a notebook is."""
    return path.parent / "zh" / path.name


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook as it is after all its cells, and the solutions of its exercises, have run in `folder`.

    Raises:
        nbclient.exceptions.CellExecutionError: one of them failed.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells, cells = [], notebook.cells
    solutions = []
    for cell in cells:
        notebook.cells.append(cell)
        if cell.cell_type == "markdown":
            solutions += [nbformat.v4.new_code_cell(code) for code in SOLUTION.findall(cell.source)]
    notebook.cells += solutions
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute()
    del notebook.cells[len(cells) :]
    for cell in notebook.cells:  # when it ran changes with each run, and says nothing
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not said_once(output)]
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return notebook


def said_once(output) -> bool:
    """Whether an output is what the zoo says when it prepares data for the first time, and where on this machine."""
    lines = output.text.strip().splitlines() if output.get("name") == "stderr" else ["shown"]
    return all(line.startswith("preparing ") for line in lines)


def with_outputs(chinese: nbformat.NotebookNode, english: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The Chinese notebook with what the English one printed.

    Raises:
        ValueError: their code is not the same.
    """
    ours, theirs = code(chinese), code(english)
    if [cell.source for cell in ours] != [cell.source for cell in theirs]:
        raise ValueError("the Chinese notebook has other code than the English one")
    for cell, shown in zip(ours, theirs, strict=True):
        cell.outputs, cell.execution_count = shown.outputs, shown.execution_count
    chinese.metadata = english.metadata
    return chinese


def code(notebook: nbformat.NotebookNode) -> list:
    """The cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell) -> str:
    """What a cell of code wrote as text."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def number(text: str) -> float:
    """A number as a text has it."""
    return float(text.replace(",", "").replace("\u2212", "-"))


def rounding(text: str) -> float:
    """Half a unit of the last digit of a number as a text has it."""
    mantissa, _, exponent = text.lower().partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What in a notebook that ran is not as it must be, a line each."""
    found, seen = [], ""
    for place, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            seen += printed(cell) + "\n"
            if (lines := cell.source.count("\n") + 1) > LINES:
                found.append(f"cell {place} has {lines} lines, but at most {LINES} are read with pleasure")
            for output in cell.outputs:
                if output.get("name") == "stderr":
                    found.append(f"cell {place} wrote to the standard error: {output['text'][:200]}")
        else:
            found += [f"cell {place}: {fault}" for fault in contradictions(cell.source, seen)]
    if (size := len(nbformat.writes(notebook).encode())) > BYTES:
        found.append(f"it has {size} bytes, but at most {BYTES} are wanted")
    return found


def contradictions(text: str, seen: str) -> list[str]:
    """Where a text states numbers that what was printed above it does not, or does not say where they are from."""
    found, text = [], SILENT.sub(" ", text)
    for told, tolerance, sign, label in CLAIM.findall(text):
        if sign == "given":
            continue
        if sign == "README":
            stated = f"{told} ± {tolerance}" if tolerance else told
            begin = f"| `python -m zoo.{label}` |", f"| {label} |"
            if not any(row.startswith(begin) and f" {stated} " in row for row in ROWS):
                found.append(f"no row of {label!r} in README.md or docs/ says {stated}")
            continue
        lines = re.findall(rf"^\s*{re.escape(label)}\s*[:=]?\s+({NUMBER}|nan|[-+]?inf)", seen, re.M)
        if not lines:
            found.append(f"nothing above it printed a number after {label!r}")
            continue
        value, stated = number(lines[-1]), number(told)
        holds = {
            "=": abs(value - stated) <= (number(tolerance) if tolerance else rounding(told)) * (1 + 1e-9),
            "<": stated < value,
            ">": stated > value,
        }[sign]
        if not holds:
            about = f" ± {tolerance}" if tolerance else ""
            found.append(f"it says {told}{about} ({sign} {label}), printed was {lines[-1]}")
    rest = CLAIM.sub(" ", text)
    found += [f"{mark} follows no number" for mark in re.findall(r"<!--\s*(?:[=<>]|README|given).*?-->", rest)]
    return found + [f"{match!r} does not say where it is from" for match in UNTOLD.findall(rest)]


def build(path: Path) -> list[str]:
    """Runs a notebook, keeps what it printed in it and in its twin, and returns what is wrong with them.

    One of which a cell failed stays as it was.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            english = execute(path, Path(folder))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return [f"{path.name}: a cell failed: {error}"]
    nbformat.write(english, path)
    found = [f"{path.name}: {fault}" for fault in faults(english)]
    if twin(path).exists():
        chinese = with_outputs(nbformat.read(twin(path), as_version=4), english)
        nbformat.write(chinese, twin(path))
        found += [f"zh/{path.name}: {fault}" for fault in faults(chinese)]
    return found


def main() -> int:
    """Builds the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_gradients; all if none is given")
    names = parser.parse_args().names
    known = {path.stem: path for path in notebooks()}
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}: there are {', '.join(known)}")
    found = [fault for name in names or known for fault in build(known[name])]
    print("\n".join(found) or "all that the texts say is what the cells printed")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
