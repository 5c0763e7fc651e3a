"""The notebooks say what they print and are the same in both languages; tests/notebooks runs each from scratch."""

import re
import sys

import nbformat
import pytest
from conftest import ROOT, TUTORIALS, load_build
from nbclient.exceptions import CellExecutionError

build = load_build()

SEEN = "validation accuracy 97.22 %\nbelow: -3\nmany 1,234\nfew 2.1e-9\ngain +0.5\nlost 2\nlost nan\n"
every = pytest.mark.parametrize("path", build.notebooks(), ids=lambda path: path.stem)


def test_each_notebook_is_run():
    files = sorted((ROOT / "tests" / "notebooks").glob("test_*.py"))
    assert [file.stem.removeprefix("test_") for file in files] == [path.stem for path in build.notebooks()]


@every
def test_stored_outputs_are_there_and_agree(path):
    for stored in (path, build.twin(path)):
        notebook = nbformat.read(stored, as_version=4)
        assert build.faults(notebook) == []
        assert all(cell.execution_count for cell in build.code(notebook))
    ours, theirs = (build.code(nbformat.read(form, as_version=4)) for form in (path, build.twin(path)))
    assert [(cell.source, cell.outputs) for cell in ours] == [(cell.source, cell.outputs) for cell in theirs]
    texts = (nbformat.read(form, as_version=4).cells for form in (path, build.twin(path)))
    ours, theirs = ([code for cell in cells for code in build.SOLUTION.findall(cell.source)] for cells in texts)
    assert ours == theirs


@pytest.mark.parametrize(
    "text, fault",
    [
        ("97.0 ± 1.5 %<!-- = validation accuracy -->", None),
        ("97.22<!-- = validation accuracy -->", None),
        ("90 %<!-- < validation accuracy -->", None),
        ("`0.5`, $0.5$, section 3.1 and 91.25 %<!-- given -->", None),
        ("\u22123<!-- = below -->", None),
        ("between 3-4 %<!-- < validation accuracy -->", None),
        ("1,234<!-- = many -->, 2e-9<!-- = few -->, 0.5<!-- = gain -->", None),
        ("99 %<!-- > validation accuracy -->", None),
        ("97 %<!-- > validation accuracy -->", "printed was 97.22"),
        ("3e-9<!-- = few -->", "printed was 2.1e-9"),
        ("2<!-- = lost -->", "printed was nan"),
        ("7 seconds<!-- = many -->", "follows no number"),
        ("95 ± 1.5 %<!-- = validation accuracy -->", "printed was 97.22"),
        ("97.3<!-- = validation accuracy -->", "printed was 97.22"),
        ("98 %<!-- < validation accuracy -->", "printed was 97.22"),
        ("1<!-- = accuracy -->", "nothing above it printed"),
        ("99.49 ± 0.02 %<!-- README fit cnn --data.name mnist -->", None),
        ("99.40 ± 0.02 %<!-- README fit cnn --data.name mnist -->", "no row of 'fit cnn"),
        ("99.49 %<!-- README fit cnn --data.name mnist -->", None),
        ("99.49 ± 0.02 %<!-- README fit cnn -->", "no row of 'fit cnn"),
        ("It reaches 97 %.", "does not say where it is from"),
        ("It reaches 0.97.", "does not say where it is from"),
    ],
)
def test_numbers_of_a_text(text, fault):
    found = build.contradictions(text, SEEN)
    assert len(found) == bool(fault)
    assert not fault or fault in found[0]


def test_other_code_in_the_twin_is_refused():
    english, chinese = (
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"print({number})")]) for number in (1, 2)
    )
    with pytest.raises(ValueError, match="other code"):
        build.with_outputs(chinese, english)


def test_a_solution_that_fails_is_found(tmp_path):
    hidden = "<details><summary>Solution</summary>\n\n```python\nassert x == 2\n```\n</details>"
    cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_markdown_cell(hidden)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "wrong.ipynb")
    with pytest.raises(CellExecutionError):
        build.execute(tmp_path / "wrong.ipynb", tmp_path)


def test_what_is_too_long_is_found(monkeypatch):
    cells = [nbformat.v4.new_code_cell("\n".join("x" * lines)) for lines in (build.LINES, build.LINES + 1)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert build.faults(notebook) == ["cell 2 has 31 lines, but at most 30 are read with pleasure"]
    monkeypatch.setattr(build, "BYTES", 10)
    assert "at most 10 are wanted" in build.faults(notebook)[-1]


def test_build_command(tmp_path, monkeypatch, capsys):
    """What ran is stored, also in the twin; what failed is named and stays as it was."""
    monkeypatch.setattr(build, "HERE", tmp_path)
    (tmp_path / "zh").mkdir()
    for name, code in {"01_good": "print('seen: 3')", "02_bad": "1 / 0"}.items():
        cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_markdown_cell("3<!-- = seen -->")]
        for folder in (tmp_path, tmp_path / "zh"):
            nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    bad = (tmp_path / "02_bad.ipynb").read_bytes()
    monkeypatch.setattr(sys, "argv", ["build.py"])
    assert build.main() == 1
    said = capsys.readouterr().out
    assert "02_bad.ipynb: a cell failed: " in said and "ZeroDivisionError" in said and "01_good" not in said
    assert (tmp_path / "02_bad.ipynb").read_bytes() == bad
    assert build.printed(nbformat.read(tmp_path / "zh" / "01_good.ipynb", as_version=4).cells[0]) == "seen: 3\n"
    monkeypatch.setattr(sys, "argv", ["build.py", "03_none"])
    with pytest.raises(SystemExit):
        build.main()
    assert "there is no 03_none: there are 01_good, 02_bad" in capsys.readouterr().err


# A notebook and what follows its name: headings in the maps, one heading in the errata.
NAMED = {
    "README.md": re.compile(r"\[(\d\d_\w+)\]\(\1\.ipynb\)(?:: |\uff1a)([^|\[]+)"),
    "errata.md": re.compile(r"\[(\d\d_\w+)\]\(\1\.ipynb\)(?:, |\uff0c)([^|;\uff1b]+)"),
}


@pytest.mark.parametrize("language", ["", "zh"])
@pytest.mark.parametrize("document", NAMED)
def test_headings_that_are_named_are_there(document, language):
    folder, missing, count = TUTORIALS / language, [], 0
    for name, words in NAMED[document].findall((folder / document).read_text(encoding="utf-8")):
        cells = nbformat.read(folder / f"{name}.ipynb", as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        headings = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
        for word in re.split("; |\uff1b", words) if document == "README.md" else [words]:
            wanted = re.sub(r"[ \uff08(]*[\uff08(]\d[\uff09)]|\s*\u2026\s*$", "", word).strip()
            # The tables say "planned" of what no notebook has yet.
            if wanted and "planned" not in word and "\u8ba1\u5212\u4e2d" not in word:
                count += 1
                if not any(heading.startswith(wanted) for heading in headings):
                    missing.append((name, wanted))
    assert count > 20
    assert not missing


def test_where_data_were_prepared_is_not_stored(tmp_path):
    lines = ("preparing digits in /somewhere (once)", "a warning")
    cells = [nbformat.v4.new_code_cell(f"import sys\nprint({line!r}, file=sys.stderr)") for line in lines]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "first.ipynb")
    notebook = build.execute(tmp_path / "first.ipynb", tmp_path)
    assert notebook.cells[0].outputs == []
    assert build.faults(notebook) == ["cell 2 wrote to the standard error: a warning\n"]
