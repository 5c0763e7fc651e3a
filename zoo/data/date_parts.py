"""Dates as 12 locales write them, whose characters are tagged year, month, day or weekday; they need no network.

The formats are those of `zoo.data.dates`, without the name of the locale: which part is which must be seen from the
text itself. Of a few that is open, since 3/4/26 is written for the third of April as well as for the fourth of March.
"""

from __future__ import annotations

import datetime
from typing import ClassVar

import babel
import numpy as np
import tensorflow_datasets as tfds
from babel.dates import DateTimeFormat, get_date_format, match_skeleton, tokenize_pattern

from zoo.data.dates import DAYS, FIRST, FORMS, manners

# The kinds of a pattern's fields: https://www.unicode.org/reports/tr35/tr35-dates.html#Date_Field_Symbol_Table
KINDS = {"y": "year", "M": "month", "L": "month", "d": "day", "E": "weekday", "c": "weekday", "e": "weekday"}


class DateParts(tfds.core.GeneratorBasedBuilder):
    """The 36,525 days of the years 1950 to 2049, each once, in one of 72 formats; a tenth each is held out twice."""

    name = "date_parts"
    VERSION = tfds.core.Version("1.0.0")
    # Each version of Babel has its own version of the repository.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"babel-{babel.__version__}")]

    def _info(self):
        text = tfds.features.Sequence(tfds.features.Text())
        return tfds.core.DatasetInfo(
            builder=self, description=__doc__, features=tfds.features.FeaturesDict({"tokens": text, "tags": text})
        )

    def _split_generators(self, dl_manager):
        # RandomState draws the same numbers in every NumPy version, so the splits never change.
        test, validation, train = np.split(np.random.RandomState(2).permutation(DAYS), [DAYS // 10, DAYS // 10 * 2])
        return {
            "train": self._generate_examples(train),
            "validation": self._generate_examples(validation),
            "test": self._generate_examples(test),
        }

    def _generate_examples(self, days):
        formats = manners()
        drawn = np.random.RandomState(3).randint(len(formats), size=DAYS)
        for number in map(int, days):
            text, tags = tagged(FIRST + datetime.timedelta(days=number), *formats[drawn[number]])
            yield number, {"tokens": list(text), "tags": tags}


def tagged(day: datetime.date, locale: str, form: str) -> tuple[str, list[str]]:
    """The day in that form or skeleton, and the tag of each character (BIO)."""
    known = babel.Locale.parse(locale)
    if form in FORMS:
        pattern = get_date_format(form, known)
    else:
        pattern = known.datetime_skeletons[match_skeleton(form, known.datetime_skeletons)]
    text, tags, written = "", [], DateTimeFormat(day, known)
    for what, part in tokenize_pattern(pattern.pattern):
        if what == "chars":
            piece, kind = part, None
        else:
            piece, kind = written[part[0] * part[1]], KINDS.get(part[0])
        text += piece
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(piece) - 1)] if kind else ["O"] * len(piece)
    return text, tags
