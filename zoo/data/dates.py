"""Dates as written in 12 locales and in ISO 8601: pairs to translate that need no network.

The formats are those that Babel includes from Unicode's Common Locale Data Repository. Nobody can tell which day
03/04/26 is, but here a text always determines it: it starts with the name of its locale, which gives the order of day
and month, and all days are within a hundred years, which gives the century of a year with two digits.
"""

from __future__ import annotations

import datetime
from typing import ClassVar

import babel
import numpy as np
import tensorflow_datasets as tfds
from babel.dates import format_date, format_skeleton

LOCALES = ("de", "en_GB", "en_US", "es", "fr", "it", "ja", "nl", "pl", "pt_BR", "ru", "sv")
FORMS = ("short", "medium", "long", "full")  # formats of the repository; full includes the day of the week
SKELETONS = ("yMd", "yMMMEd")  # skeletons of the repository: digits only, and with abbreviated names
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
DAYS = (LAST - FIRST).days + 1


class Dates(tfds.core.GeneratorBasedBuilder):
    """The 36,525 days of the years 1950 to 2049, each once, in one of 72 formats; a tenth each for validation and test.

    As each day occurs only once, no day of the test occurs in training, in any format.
    """

    VERSION = tfds.core.Version("1.0.0")
    # Each version of Babel has its own version of the repository.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"babel-{babel.__version__}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.Translation(languages=("date", "iso")),
        )

    def _split_generators(self, dl_manager):
        # RandomState draws the same numbers in every NumPy version, so the splits never change.
        test, validation, train = np.split(np.random.RandomState(0).permutation(DAYS), [DAYS // 10, DAYS // 10 * 2])
        return {
            "train": self._generate_examples(train),
            "validation": self._generate_examples(validation),
            "test": self._generate_examples(test),
        }

    def _generate_examples(self, days):
        formats = manners()
        drawn = np.random.RandomState(1).randint(len(formats), size=DAYS)
        for number in map(int, days):
            day = FIRST + datetime.timedelta(days=number)
            yield number, {"date": written(day, *formats[drawn[number]]), "iso": day.isoformat()}


def manners() -> list[tuple[str, str]]:
    """All 72 formats: pairs of a locale and a form or skeleton."""
    return [(locale, form) for locale in LOCALES for form in (*FORMS, *SKELETONS)]


def written(day: datetime.date, locale: str, form: str) -> str:
    """The locale's name and the day in that form or skeleton, such as "en_US: Mar 4, 2026"."""
    return f"{locale}: {formatted(day, locale, form)}"


def formatted(day: datetime.date, locale: str, form: str) -> str:
    """The day in that form or skeleton, such as "Mar 4, 2026"."""
    return format_date(day, form, locale=locale) if form in FORMS else format_skeleton(form, day, locale=locale)
