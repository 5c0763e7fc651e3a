"""How near words are to each other by their vectors, and how well that agrees with what people say of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from zoo.errors import UserError

RESTRICTED = 300_000  # most frequent words of which analogies and pairs are measured, as gensim has it
AT_ONCE = 256  # analogies that are answered at once
ANALOGIES, PAIRS = "questions-words.txt", ("wordsim353.tsv", "simlex999.txt")  # which gensim brings along


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors (N, D) at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def closest(units: np.ndarray, signed: Sequence[tuple[int, int]], top: int) -> list[tuple[int, float]]:
    """The words nearest to a sum of words, without these, and their cosines: 3CosAdd (Levy 2014), as gensim has it.

    Args:
        units: (V, D) of length 1; the first is none.
        signed: sign and number of each word.
        top: how many, at most.
    """
    wanted = unit(sum(sign * units[number] for sign, number in signed))
    cosines = units @ wanted
    cosines[[0, *(number for _, number in signed)]] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(top, np.isfinite(cosines).sum())]
    return [(int(number), float(cosines[number])) for number in order]


def files_of(given: Path | None, names: Sequence[str]) -> list[Path]:
    """The given file, or else those of these names that gensim brings along; gensim itself is not loaded."""
    if given is not None:
        return [given]
    found = importlib.util.find_spec("gensim")
    folder = Path(found.submodule_search_locations[0]) / "test" / "test_data" if found else None
    return [folder / name for name in names if folder and (folder / name).exists()]


def lines_of(path: Path, flag: str) -> list[str]:
    """The lines of a file that a flag names.

    Raises:
        UserError: it cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"--task.{flag} came as {path}, which cannot be read: {reason}") from error


class Uppercase:
    """Words regardless of case, as gensim compares them: the most frequent of those that are written alike counts.

    Args:
        words: by their numbers, the most frequent first after one for none.
    """

    def __init__(self, words: Sequence[str]):
        self.number: dict[str, int] = {}
        self.first = np.array(
            [self.number.setdefault(word.upper(), at) for at, word in enumerate(words[: RESTRICTED + 1])]
        )
        del self.number[words[0].upper()]


def measure_analogies(path: Path, units: np.ndarray, words: Sequence[str]) -> list[dict]:
    """How many analogies of each section are right: a is to b as c is to d, where d is nearest to b - a + c.

    Args:
        path: four words on each line, and lines such as ": capital-common-countries" before those of a section.
        units: (V, D) of length 1.
        words: V.

    Returns:
        For each section `section`, `right`, `asked` (all of whose words are known), and `unknown` (the others).

    Raises:
        UserError: it is no such file.
    """
    known, sections, asked = Uppercase(words), [], []
    for line in lines_of(path, "analogies"):
        if line.startswith(": "):
            sections.append({"section": line.lstrip(": ").strip(), "right": 0, "asked": 0, "unknown": 0})
            continue
        four = line.upper().split()
        if len(four) != 4:
            continue
        if not sections:
            raise UserError(f"--task.analogies came as {path}, whose first line must be a section, such as ': family'")
        numbers = [known.number.get(word) for word in four]
        sections[-1]["unknown" if None in numbers else "asked"] += 1
        if None not in numbers:
            asked.append((*numbers, len(sections) - 1))
    if not sections:
        raise UserError(f"--task.analogies came as {path}, which has no section, such as a line ': family'")
    units = units[: len(known.first)]
    for start in range(0, len(asked), AT_ONCE):
        *three, wanted, section = np.array(asked[start : start + AT_ONCE]).T
        first, second, third = three
        cosines = (units[second] - units[first] + units[third]) @ units.T  # (N, V)
        for given in three:  # whichever way it is written
            cosines[known.first[None] == given[:, None]] = -np.inf
        cosines[:, 0] = -np.inf
        right = known.first[cosines.argmax(1)] == wanted
        for at in section[right]:
            sections[at]["right"] += 1
    return sections


def measure_pairs(path: Path, units: np.ndarray, words: Sequence[str]) -> dict:
    """Spearman's rank correlation of cosines with what people say of pairs of words.

    Args:
        path: two words and a number on each line, separated by tabs; lines that begin with # are left out.
        units: (V, D) of length 1.
        words: V.

    Returns:
        `file`, `rho` (None if fewer than 3 pairs are known, or all are alike), `asked` (pairs whose words are known),
        and `unknown`.

    Raises:
        UserError: it is no such file.
    """
    known, said, cosines, unknown = Uppercase(words), [], [], 0
    for line in lines_of(path, "pairs"):
        try:
            first, second, similarity = line.upper().split("\t")
            similarity = float(similarity)
        except ValueError:  # a comment, or the names of the columns
            continue
        numbers = [known.number.get(word) for word in (first, second)]
        if line.startswith("#") or None in numbers:
            unknown += not line.startswith("#")
            continue
        said.append(similarity)
        cosines.append(float(units[numbers[0]] @ units[numbers[1]]))
    if not said and not unknown:
        raise UserError(f"--task.pairs came as {path}, which has no line of two words and a number, separated by tabs")
    ranked = len(said) > 2 and len({*said}) > 1 and len({*cosines}) > 1  # else there is no order to compare
    rho = float(spearmanr(said, cosines).statistic) if ranked else None
    return {"file": path.stem, "rho": rho, "asked": len(said), "unknown": unknown}
