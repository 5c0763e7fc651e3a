"""A file of tagged sentences in columns, as CoNLL's shared tasks have them: a token and its tag in each line.

What the tags say of spans is written in several schemes; here all become BIO: B-kind begins a span, I-kind goes on with
it, and O is outside of all.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from zoo.data.plain import read_text
from zoo.errors import UserError

ENDS = re.compile("\r+\n|\r")  # a token may hold what else ends a line elsewhere
SPAN = re.compile(r"([BIOESLUMW])-(.+)")
BEGIN = "-DOCSTART-"  # the token of a line that begins a document
PLACES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
KINDS = 500  # kinds of tags beyond which a column holds something else
NAMED = 5  # tags that are listed at most

Sentence = tuple[list[str], list[str]]  # tokens, and a tag for each


class Tagged(NamedTuple):
    """Sentences with tags in BIO, and how they were read, a sentence each."""

    sentences: list[Sentence]
    notes: list[str]


def read_conll(path: Path, token: int | None = None, tag: int | None = None) -> Tagged:
    """The sentences of a file with columns divided by tabs or blanks, and an empty line after each sentence.

    Args:
        path: of the file.
        token: the number of the column with the tokens, from 1; None: the first.
        tag: the same for the tags; None: the last.

    Raises:
        UserError: it cannot be read, lines have different columns, or tags contradict each other; with the line.
    """
    lines = read_text(Path(path), ENDS).split("\n")
    rows, notes = rows_of(lines, path)
    width = len(next(iter(rows.values())))
    columns = [(token or 1) - 1, (tag or width) - 1]
    for flag, column in zip(("token", "tag"), columns, strict=True):
        if not 0 <= column < width:
            raise UserError(f"--data.{flag} came as {column + 1}, but {path} has {width} columns")
    if width < 2 or columns[0] == columns[1]:
        raise UserError(
            f"{path} has {width} column{'s' * (width > 1)}, and tokens and tags are read from {columns[0] + 1} and "
            f"{columns[1] + 1}: wanted a token, a tab or blanks, and its tag in each line"
        )
    if token is None and all(cells[0].isdecimal() for cells in rows.values()) and width > 2:
        raise UserError(f"the first column of {path} holds only numbers: name that of the tokens with --data.token 2")
    if width > 2:
        notes.append(f"of {width} columns, {columns[0] + 1} is read as the tokens and {columns[1] + 1} as the tags")
    sentences: list[list[tuple[int, str, str]]] = [[]]
    for number in range(1, len(lines) + 1):
        cells = rows.get(number)
        if cells is None or cells[columns[0]] == BEGIN:
            if sentences[-1] and not is_comment(lines[number - 1]):
                sentences.append([])
            continue
        sentences[-1].append((number, cells[columns[0]], cells[columns[1]]))
    sentences = [rows for rows in sentences if rows]
    if not sentences:
        raise UserError(f"{path} holds no tokens: wanted a token and its tag in each line")
    scheme, tags = in_bio([[(number, tag) for number, _, tag in rows] for rows in sentences], path)
    tokens = [[token for _, token, _ in rows] for rows in sentences]
    return Tagged(list(zip(tokens, tags, strict=True)), [f"tags of {Path(path).name}: {scheme}", *notes])


def rows_of(lines: list[str], path: Path) -> tuple[dict[int, list[str]], list[str]]:
    """The cells of each line that has some, by its number from 1, and what to say of the others.

    Raises:
        UserError: lines have different numbers of columns, or an empty cell.
    """
    written = {number: line for number, line in enumerate(lines, 1) if line.strip()}
    if not written:
        raise UserError(f"{path} is empty: wanted a token and its tag in each line")
    tabs = sum("\t" in line for line in written.values()) > len(written) / 2
    rows = {
        number: [cell.strip() for cell in line.rstrip().split("\t")] if tabs else line.split()
        for number, line in written.items()
    }
    width = Counter(map(len, rows.values())).most_common(1)[0][0]
    comments = [number for number, cells in rows.items() if is_comment(written[number]) and len(cells) != width]
    for number in comments:
        del rows[number]
    rows |= {number: [BEGIN] * width for number, cells in rows.items() if cells[0] == BEGIN}
    for number, cells in rows.items():
        if len(cells) != width:
            raise UserError(
                f"{path} has {len(cells)} column{'s' * (len(cells) != 1)} in line {number}, but {width} elsewhere: "
                f"{written[number].strip()[:60]!r}"
            )
        if not all(cells):
            raise UserError(f"{path} has an empty column in line {number}: {written[number].strip()[:60]!r}")
    return rows, [f"comments left out of {Path(path).name}: {len(comments)}"] if comments else []


def is_comment(line: str) -> bool:
    """Whether a line may be a comment: it begins as one."""
    return line.startswith("#")


def in_bio(tags: list[list[tuple[int, str]]], path: Path) -> tuple[str, list[list[str]]]:
    """The name of the scheme in which tags are written, and the tags in BIO.

    Args:
        tags: for each sentence the numbers of its lines and the tags.
        path: of the file, for messages.

    Raises:
        UserError: no scheme allows them; with the number of the line.
    """
    kinds = dict.fromkeys(tag for sentence in tags for _, tag in sentence)
    if len(kinds) > KINDS:
        listed = ", ".join(list(kinds)[:NAMED])
        raise UserError(
            f"{path} has {len(kinds)} different tags, such as {listed}: name the column of the tags with --data.tag"
        )
    for number, tag in (pair for sentence in tags for pair in sentence):
        if len(tag) == 2 and tag[1] in "-_" and tag[0] in PLACES:
            raise UserError(f"{path} has the tag {tag!r} in line {number}, which names no kind: wanted {tag}KIND")
    parts = {tag: SPAN.fullmatch(tag) for tag in kinds}
    if not any(parts.values()):
        return plain(tags)
    for sentence in tags:
        for number, tag in sentence:
            if tag != "O" and parts[tag] is None:
                raise UserError(
                    f"{path} has the tag {tag!r} in line {number}, but others such as "
                    f"{next(tag for tag in kinds if parts[tag])}: no scheme allows both; write B-{tag}, or O"
                )
    split = [
        [(number, *(("O", "") if tag == "O" else (PLACES[parts[tag][1]], parts[tag][2]))) for number, tag in sentence]
        for sentence in tags
    ]
    if any(place in "ES" for sentence in split for _, place, _ in sentence):
        letters = {parts[tag][1] for tag in kinds if parts[tag]}
        check_ends(split, path)
        name = "BILOU" if letters & set("LU") else "BMES" if "M" in letters else "IOBES"
        return name, [[f"{'B' if p in 'BS' else 'I'}-{k}" if p != "O" else "O" for _, p, k in row] for row in split]
    return begins(split, path)


def plain(tags: list[list[tuple[int, str]]]) -> tuple[str, list[list[str]]]:
    """Tags without B- and I-: of parts of speech, where each token is a span, or with O, where equal ones are one."""
    outside = any(tag == "O" for sentence in tags for _, tag in sentence)
    written = []
    for sentence in tags:
        before, row = "O", []
        for _, tag in sentence:
            row.append("O" if tag == "O" else f"I-{tag}" if outside and tag == before else f"B-{tag}")
            before = tag
        written.append(row)
    name = "IO (neighbours of one kind are one span)" if outside else "a kind for each token, each a span of its own"
    return name, written


def begins(split: list[list[tuple[int, str, str]]], path: Path) -> tuple[str, list[list[str]]]:
    """BIO, where each span begins with B; or IOB1, where only a span right after one of its kind does.

    Raises:
        UserError: neither allows the tags.
    """
    first: dict[str, tuple[int, str, str]] = {}  # of what one of the two does not allow
    written = []
    for sentence in split:
        before, row = "", []
        for number, place, kind in sentence:
            if place == "I" and kind != before:
                first.setdefault("BIO", (number, f"I-{kind}", f"B-{kind}"))
            elif place == "B" and kind != before:
                first.setdefault("IOB1", (number, f"B-{kind}", f"I-{kind}"))
            row.append("O" if place == "O" else f"{'I' if place == 'I' and kind == before else 'B'}-{kind}")
            before = kind
        written.append(row)
    if len(first) == 2:
        (number, tag, other), (line, begun, _) = first["BIO"], first["IOB1"]
        raise UserError(
            f"{path} begins a span with {tag} in line {number}, but one with {begun} in line {line}: no scheme allows "
            f"both; write {other} in line {number}"
        )
    return ("IOB1" if "BIO" in first else "BIO"), written


def check_ends(split: list[list[tuple[int, str, str]]], path: Path) -> None:
    """Raises UserError, with the number of the line, where a span of IOBES does not end, or does not begin."""
    for sentence in split:
        inside = ""  # the kind of the span that has not ended
        for number, place, kind in [*sentence, (sentence[-1][0], "", "")]:
            begins = place in "BSO"
            if bool(inside) == begins or (inside and kind != inside):
                what = f"{place}-{kind}" if kind else place or "where the sentence ends"
                raise UserError(
                    f"{path} has a span that is not ended or not begun in line {number} ({what}): in IOBES and BILOU "
                    "each is one S or U, or begins with B and ends with E or L"
                )
            inside = kind if place in "BI" else ""
