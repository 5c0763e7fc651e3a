"""Rows of a table with one class each: a set that scikit-learn includes, or a user's CSV file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import sklearn.datasets
import tensorflow as tf
import typeguard
import tyro
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from zoo.data.cells import Cells, packed
from zoo.data.features import Features
from zoo.data.inputs import AT_ONCE, Read, in_batches
from zoo.data.layout import some
from zoo.data.numbers import Notation, is_gap
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.row_columns import RowColumn, kind_of, learned, written_in
from zoo.data.source import Source, as_paths, counted, knowing
from zoo.data.table import Table, read_table
from zoo.errors import UserError

EVALUATED = 1024  # rows per batch of validation and test
FORM = "columns.json"  # file in a run's folder that holds what its columns are
FEWEST = 3  # rows of a class
NO_GAPS = ("-", "none")  # as labels they are classes, although in other columns they stand for a gap
FEW = 10_000  # rows up to which trees are quick enough with one thread
CLASSES = 100  # more different labels than this are taken for numbers or names
SPLITS = ("train", "validation", "test")
EACH = typeguard.CollectionCheckStrategy.ALL_ITEMS
NUMBER = Notation(".,")  # of labels, with either decimal mark


@dataclass(frozen=True)
class RowFiles:
    """CSV files with the columns of the training data, whose rows are answered one by one."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """CSV files with names in their first line; the column of the labels is not needed."""

    @classmethod
    def of(cls, paths: Iterable[Path | str]) -> RowFiles:
        """A record of these paths."""
        return cls(tuple(map(Path, [paths] if isinstance(paths, str | Path) else paths)))

    def read(self, source: Rows, spec: dict) -> Iterator[list[Read]]:
        """Reads the rows, in batches.

        Raises:
            UserError: no file was named.
        """
        if not self.files:
            raise UserError(f"no CSV files were named: wanted {source.usage} after the run")
        yield from in_batches((row for path in self.files for row in read_rows(source, path)), AT_ONCE)

    def line(self, answer: dict, text: str) -> str:
        """The line to print for an answer, given the task's text for it."""
        where = f"{answer['file']}:{answer['row']}" if "row" in answer else answer["file"]
        return f"{where}\t{answer.get('error', text)}"

    def remarks(self, number: int, answer: dict) -> list[str]:
        """What to print about a row besides its line."""
        return (
            [f"row {answer['row']} of {answer['file']}: {'; '.join(answer['strange'])}"] if "strange" in answer else []
        )


def read_rows(source: Rows, path: Path) -> Iterator[Read]:
    """Each row of a file as the source reads it, or the file's error."""
    try:
        table = read_table(path)
        missing = [column.name for column in source.columns if column.name not in table.names]
        if missing:
            raise UserError(f"{path} has no column {', '.join(missing)}: it has {', '.join(table.names)}")
        for column in source.columns:
            table.find(column.name)  # which refuses two of that name
    except UserError as error:
        yield {"file": str(path), "error": f"cannot be read: {error}"}, None
        return
    for number, cells in enumerate(table.rows, 1):
        value, more = source.read(dict(zip(table.names, cells, strict=True)), {})
        yield {"file": str(path), "row": number} | more, value


@dataclass(frozen=True)
class Rows(Source):
    """Rows of a table with one class each: numbers standardised, categories as one input per value, gaps as inputs.

    A tenth of the rows, chosen by a hash of their cells, is for the test and another tenth for validation. Equal rows
    therefore lie in one split, and so do rows of the same group.
    """

    name: Literal["breast_cancer", "iris", "wine"] = "breast_cancer"
    """A set that scikit-learn includes: breast_cancer, iris or wine."""
    csv: Path | None = None
    """Your own CSV file instead, in UTF-8, with column names in its first line."""
    label: str | None = None
    """Name of the column to predict."""
    groups: str | None = None
    """Name of a column, such as a person: rows with the same value lie in one split. The network does not see it."""
    number: tuple[str, ...] = ()
    """Names of columns to read as numbers, whatever they look like."""
    category: tuple[str, ...] = ()
    """Names of columns to read as categories, such as codes that are written as numbers."""
    drop: tuple[str, ...] = ()
    """Names of columns to leave out."""
    form: Path | None = None
    """A columns.json from another run, to use instead of learning what the columns are."""
    batch: int = 32
    """Rows per training step; all of them if there are fewer."""

    kind: ClassVar[str] = "row"
    meaning: ClassVar[str] = "the columns of a row in the order and on the scale that columns.json says"
    Inputs: ClassVar[type] = RowFiles
    usage: ClassVar[str] = "ROWS.csv"

    def __post_init__(self):
        as_paths(self)
        if self.batch < 1:
            raise ValueError(f"--data.batch came as {self.batch}, but must be at least 1")
        if self.csv is None and self.label is not None:
            raise ValueError(f"--data.label came as {self.label}, but no --data.csv FILE whose column it is")
        named = [*self.number, *self.category, *self.drop, *filter(None, (self.label, self.groups))]
        twice = [name for name, count in Counter(named).items() if count > 1]
        if twice:
            raise ValueError(f"the column {twice[0]} came twice: a column is one thing")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.csv.name if self.csv else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.labels)} classes, {len(self.columns)} columns"

    @property
    def understood(self) -> list[str]:
        """What was read: the classes, what each column is, what is left out, and equal rows."""
        if self.form is not None:
            self._check_columns()
        table, label, left_out = self._table
        said = [counted(self), *table.said]
        counts = Counter(map(label_of, table.cells(label)))
        said.append(f"{label} is predicted: " + ", ".join(f"{name} ({counts[name]:,})" for name in self.labels))
        kinds = {name: kind for name, (kind, _) in self._kinds.items()}
        for kind in ("number", "category"):
            names = [column.name for column in self.columns if column.kind == kind]
            if names:
                said.append(f"{'numbers' if kind == 'number' else 'categories'} ({len(names)}): {', '.join(names)}")
        said += [f"{name} is {kind}" for name, kind in kinds.items() if kind.startswith("left out")]
        said += [one for kind, written in self._kinds.values() if kind == "number" for one in written.said]
        gaps = [column.name for column in self.columns if column.gaps]
        said += [f"with gaps, which are inputs of their own: {', '.join(gaps)}"] if gaps else []
        said += [f"left out: {some(left_out, 'row')} without a label"] if left_out else []
        equal = len(self._keys) - len(np.unique(self._keys))
        what = f"the same {self.groups}" if self.groups else "the same cells"
        if equal:
            have = "has" if equal == 1 else "have"
            said.append(f"{some(equal, 'row')} {have} {what} as another, and lie in its split")
        return said + (self._strange() if self.form is not None else [])

    def _strange(self) -> list[str]:
        """What did not occur in the training of the run whose columns these are, a sentence a column."""
        said = []
        for column in self.columns:
            counts = Counter(self._table[0].cells(column.name))
            odd = [cell for cell in counts if column.problem(cell)]
            if odd:
                count, more = sum(counts[cell] for cell in odd), len(odd) - 1
                others = f" (and {some(more, 'more text')} like it)" * bool(more)
                said.append(f"in {some(count, 'row')} {column.problem(odd[0])}{others}")
        return said

    @property
    def selection(self) -> dict:
        """How rows are divided between the splits."""
        return {"groups": self.groups} if self.groups else {}

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs.

        Raises:
            UserError: they are no classes, or one has too few rows.
        """
        table, label, _ = self._table
        counts = Counter(map(label_of, table.cells(label)))
        if len(counts) < 2:
            raise UserError(f"the column {label} of {self.title} has one value: a classifier needs at least 2")
        numbers = NUMBER.read(counts)
        if not np.isnan(numbers).any() and ((numbers % 1 != 0).any() or len(counts) > 20):
            raise UserError(
                f"the column {label} of {self.title} holds numbers, {len(counts)} different ones: predicting a number "
                "is not offered for rows; replace it by a class, such as low and high"
            )
        if len(counts) > CLASSES:
            raise UserError(
                f"the column {label} of {self.title} has {len(counts)} values: classes are {CLASSES} at most"
            )
        rare = [name for name, count in counts.items() if count < FEWEST]
        if rare:
            raise UserError(
                f"{rare[0]} occurs {counts[rare[0]]} times in the column {label} of {self.title}: a class needs at "
                f"least {FEWEST} rows; remove these or join them with another class"
            )
        return sorted(counts, key=lambda name: (NUMBER.number(name), name) if name.isdigit() else (np.inf, name))

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        return {"input_shape": (sum(column.width for column in self.columns),), "classes": len(self.labels)}

    @property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        what = f"of {self.groups}" if self.groups else "of rows"
        return dict(zip(SPLITS, (f"the rest {what}", f"a tenth {what}", f"a tenth {what}"), strict=True))

    def count(self, split: str) -> int:
        """The number of rows of a split."""
        return len(self._parts[split])

    @property
    def epoch_size(self) -> int:
        """An epoch is all training rows."""
        return self.count("train")

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All inputs (N, features) float32 and all labels (N,) int64."""
        table, label, _ = self._table
        if self.form is not None:
            self._check_columns()
        rows = self._parts[split]
        numbers = {name: number for number, name in enumerate(self.labels)}
        targets = np.fromiter((numbers[label_of(cell)] for cell in table.cells(label)), np.int64)[rows]
        return self._encoded({column.name: at(table.cells(column.name), rows) for column in self.columns}), targets

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (inputs (B, features) float32, one-hot labels) as a tf.data.Dataset; see `Source.load`."""
        rows, labels = self.arrays(split)
        if split != "train":
            return single_pass(len(labels), self._reader(rows, labels), batch=EVALUATED)
        return self._stream(rows, labels, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random rows, to time training on it."""
        random = np.random.default_rng(0)
        rows = random.standard_normal((count, *self.spec["input_shape"]), np.float32)
        return self._stream(rows, random.integers(0, len(self.labels), count), seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any input or label of the split."""
        rows, labels = self.arrays(split)
        return hashlib.sha256(rows.astype("<f4").tobytes() + labels.tobytes()).hexdigest()[:12]

    def files(self) -> dict[str, str]:
        """The file that a run keeps: what the columns are."""
        return {FORM: json.dumps([dataclasses.asdict(column) for column in self.columns], indent=1) + "\n"}

    def of_run(self, folder: Path, labels: Sequence[str]) -> Rows:
        """This source with the run's columns and labels."""
        return knowing(replace(self, form=folder / FORM), labels=list(labels))

    def beside(self, folder: Path, spec: dict) -> Rows:
        """Other rows with the same columns."""
        return Rows(form=folder / FORM, batch=self.batch)

    def read(self, given: dict[str, str], spec: dict) -> tuple[np.ndarray, dict]:
        """The inputs (features,) float32 of one row, its cells by the names of their columns.

        What is unknown or missing in it, and was not in training, is in the answer as `strange`.
        """
        strange = [said for column in self.columns if (said := column.problem(given[column.name]))]
        cells = {column.name: [given[column.name]] for column in self.columns}
        return self._encoded(cells)[0], {"strange": strange} if strange else {}

    def names(self, split: str) -> list[str]:
        """What each row of a split is called: by its line in the file, or its number in a set from 1."""
        lines = self._table[0].lines
        if lines is None:
            return [f"{self.title}, row {row + 1}" for row in self._parts[split].tolist()]
        return [f"{self.title}, line {line}" for line in lines[self._parts[split]].tolist()]

    def rivals(self, split: str) -> dict[str, np.ndarray]:
        """What gradient-boosted trees answer, which are often better on tables: scikit-learn's
        HistGradientBoostingClassifier with its default settings.
        """
        rows, labels = self.arrays("train")
        # Threads that wait for each other take many times as long for a small table where other programs run.
        with threadpool_limits(1 if len(rows) < FEW else None, "openmp"):
            trees = HistGradientBoostingClassifier(random_state=0).fit(rows, labels)
            return {"boosted trees": trees.predict(self.arrays(split)[0])}

    def views(self, inputs: np.ndarray) -> list[str]:
        """The inputs (N, features) in the form in which they are shown: as texts."""
        ends = np.cumsum([column.width for column in self.columns])
        parts = [np.split(row, ends[:-1]) for row in inputs]
        return [", ".join(map(shown, self.columns, row)) for row in parts]

    def features(self, inputs: np.ndarray) -> Features:
        """What an input (features,) consists of: the columns of the table, each with its value in this row."""
        widths = [column.width for column in self.columns]
        parts = np.split(inputs, np.cumsum(widths)[:-1])
        return Features(np.repeat(np.arange(len(widths)), widths), list(map(shown, self.columns, parts)))

    @cached_property
    def columns(self) -> list[RowColumn]:
        """What the network sees, in the order of its inputs.

        Raises:
            UserError: the file of the run is missing or damaged, or no column can be used.
        """
        if self.form is not None:
            return read_form(self.form)
        table, rows = self._table[0], self._parts["train"]
        kinds = {name: kind for name, kind in self._kinds.items() if kind[0] in ("number", "category")}
        return [learned(name, kind, at(table.cells(name), rows), how) for name, (kind, how) in kinds.items()]

    @cached_property
    def _kinds(self) -> dict[str, tuple[str, Notation]]:
        """What each column but the label and the groups is, and how its numbers are written: see `kind_of`."""
        table, label, _ = self._table
        kinds = {}
        for name in table.names:
            if name in (label, self.groups):
                continue
            if name in self.drop or name in self.category:
                kinds[name] = ("left out: --data.drop" if name in self.drop else "category", Notation())
                continue
            cells = table.cells(name)
            written = written_in(name, cells, table.delimiter)
            if name in self.number and written.strange is not None:
                raise UserError(
                    f"--data.number came with {name}, but {cells[written.strange]!r} in {table.place(written.strange)} "
                    "is no number: correct it, or leave the cell empty"
                )
            kinds[name] = ("number" if name in self.number else kind_of(name, cells, written, table.place), written)
        if not {kind for kind, _ in kinds.values()} & {"number", "category"}:
            said = "; ".join(f"{name} is {kind}" for name, (kind, _) in kinds.items()) or f"there is only {label}"
            raise UserError(f"{self.title} has no column to learn from: {said}")
        return kinds

    @cached_property
    def _table(self) -> tuple[Table, str, int]:
        """The rows with a label, the name of its column, and the number of rows without one."""
        table = read_table(self.csv) if self.csv is not None else included(self.name)
        if self.csv is not None and self.label is None:
            raise UserError(
                f"{self.csv} has the columns {', '.join(table.names)}: name the one to predict, --data.label"
            )
        label = self.label or "class"
        for name in (label, self.groups, *self.number, *self.category, *self.drop):
            if name is not None:
                table.find(name)
        double = [name for name, count in Counter(table.names).items() if count > 1]
        if double:
            raise UserError(f"{table.path} has {double[0]!r} twice among its columns: rename one")
        table.refuse_totals()
        known = np.fromiter((not is_gap(cell) or cell.casefold() in NO_GAPS for cell in table.cells(label)), bool)
        if not known.any():
            raise UserError(f"the column {label} of {table.path} is empty: wanted a class for each row")
        count = int((~known).sum())
        if count:
            columns = tuple(Cells(compress(column, known)) for column in table.columns)
            lines = None if table.lines is None else table.lines[known]
            table = replace(table, columns=columns, lines=lines)
        return table, label, count

    @cached_property
    def _keys(self) -> np.ndarray:
        """What decides the split of each row: a hash of its group, or of the cells that are not left out; (rows,)."""
        table = self._table[0]
        if self.groups:
            keys = table.cells(self.groups)
        else:
            names = [name for name, (kind, _) in self._kinds.items() if kind in ("number", "category")]
            keys = map(json.dumps, zip(*map(table.cells, names), strict=True))
        return np.fromiter((hashlib.sha256(key.encode()).digest() for key in keys), "S32", len(table.rows))

    @cached_property
    def _parts(self) -> dict[str, np.ndarray]:
        """The indices of the rows of each split."""
        order = np.argsort(self._keys, kind="stable")
        count, ranked = len(order), self._keys[order]
        anew = np.concatenate([[True], ranked[1:] != ranked[:-1]])
        start = np.empty(count, np.int64)
        start[order] = np.maximum.accumulate(np.where(anew, np.arange(count), 0))  # where equal keys begin
        tenth = max(1, count // 10)
        place = np.where(start < tenth, 2, np.where(start < 2 * tenth, 1, 0))
        parts = {split: np.flatnonzero(place == number) for number, split in enumerate(SPLITS)}
        empty = [split for split, rows in parts.items() if not len(rows)]
        if empty:
            raise UserError(f"{self.title} has too few different rows or groups: {empty[0]} would be empty")
        table, label, _ = self._table
        here = set(map(label_of, at(table.cells(label), parts["train"])))
        absent = [name for name in self.labels if name not in here]
        if absent:
            raise UserError(f"no row to train on is of {', '.join(absent)}: give more rows or groups of each class")
        return parts

    def _check_columns(self) -> None:
        """Raises UserError unless the table has the columns of the run, with numbers that are written alike."""
        table = self._table[0]
        for column in self.columns:
            table.find(column.name)
        for column in self.columns:
            if column.name not in self._kinds:
                raise UserError(
                    f"the column {column.name} of {self.title} is predicted or names groups, but the run sees it: "
                    "choose another, or train anew with fit"
                )
            column.check(table.cells(column.name), self._kinds[column.name][1], table.place)

    def _encoded(self, cells: dict[str, Sequence[str]]) -> np.ndarray:
        return np.hstack([column.encode(cells[column.name]) for column in self.columns])

    def _stream(self, rows: np.ndarray, labels: np.ndarray, *, seed: int, step: int, stopwatch):
        reader, batch = self._reader(rows, labels), min(self.batch, len(labels))
        return training_stream(len(labels), reader, batch=batch, seed=seed, step=step, stopwatch=stopwatch)

    def _reader(self, rows: np.ndarray, labels: np.ndarray):
        """A function for tf.data from (batch,) indices to inputs and one-hot labels."""
        inputs, targets, classes = tf.constant(rows), tf.constant(labels), len(self.labels)
        return lambda indices: (tf.gather(inputs, indices), tf.one_hot(tf.gather(targets, indices), classes))


def label_of(cell: str) -> str:
    """The class that a cell names: 1.0, as pandas writes whole numbers with gaps between them, is 1."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", cell)


def at(cells: Cells, rows: np.ndarray) -> Cells:
    """The cells at these indices, which ascend."""
    there = np.zeros(len(cells), bool)
    there[rows] = True
    return Cells(compress(cells, there))


def included(name: str) -> Table:
    """A set that scikit-learn includes, with its labels in the column class."""
    loaded = getattr(sklearn.datasets, f"load_{name}")()
    rows = [
        (*map(repr, numbers), str(loaded.target_names[label]))
        for numbers, label in zip(loaded.data.tolist(), loaded.target, strict=True)
    ]
    names = (*loaded.feature_names, "class")
    return Table(Path(name), names, packed(rows, len(names)))


def shown(column: RowColumn, inputs: np.ndarray) -> str:
    """The inputs (width,) of a column as text."""
    if column.gaps and inputs[-1]:
        return f"{column.name} missing"
    if column.kind == "number":
        return f"{column.name} {inputs[0] * column.deviation + column.mean:.4g}"
    there = inputs[: len(column.values)]
    return f"{column.name} {column.values[there.argmax()] if there.any() else 'unknown'}"


def read_form(path: Path) -> list[RowColumn]:
    """The columns in a run's file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        columns = [RowColumn(**column | {"values": tuple(column["values"])}) for column in kept]
        hints = typing.get_type_hints(RowColumn)
        for column in columns:
            for name, value in vars(column).items():
                typeguard.check_type(value, hints[name], collection_check_strategy=EACH)
            if not (math.isfinite(column.mean) and 0 < column.deviation < math.inf):
                raise ValueError(f"{column.name} has a mean of {column.mean} and a deviation of {column.deviation}")
        return columns
    except (OSError, ValueError, KeyError, TypeError, typeguard.TypeCheckError) as error:
        raise UserError(f"{path} is missing or does not hold columns ({error}): give the file of a run") from error
