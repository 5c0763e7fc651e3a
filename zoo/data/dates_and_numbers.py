"""Two kinds of texts to rewrite in one set, told apart by their first word, which need no network.

"date: 3 March 2021" becomes "2021-03-03": days as 12 locales write them by Unicode's Common Locale Data Repository, in
those of its forms that spell the month out or abbreviate it, or begin with the year, so that nobody has to know the
locale. "number: one hundred and two" becomes "102": English number words, as they are said in Britain and in America.
"""

from __future__ import annotations

import datetime
from typing import ClassVar

import babel
import numpy as np
import tensorflow_datasets as tfds

from zoo.data.dates import DAYS, FIRST, LOCALES, formatted

FORMS = ("long", "full", "yMMMEd")  # unlike the others, they do not leave open which number is the month
NUMBERS = 100_000
EACH = 15_000  # days, and as many numbers
# fmt: off
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class DatesAndNumbers(tfds.core.GeneratorBasedBuilder):
    """15,000 days of the years 1950 to 2049 and 15,000 numbers below 100,000, each once; of each kind a tenth is for
    validation and a tenth for the test.

    All numbers below 1,000 are among them. What is tested is in no form among what is trained on.
    """

    VERSION = tfds.core.Version("1.0.0")
    # Each version of Babel has its own version of the repository.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"babel-{babel.__version__}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.Translation(languages=("text", "answer")),
        )

    def _split_generators(self, dl_manager):
        pairs = [asked(EACH, DAYS, a_date), asked(EACH, NUMBERS, a_number, least=1000)]
        tenth = EACH // 10
        cuts = {"train": slice(2 * tenth, None), "validation": slice(tenth, 2 * tenth), "test": slice(tenth)}
        return {part: self._generate_examples([kind[cut] for kind in pairs]) for part, cut in cuts.items()}

    def _generate_examples(self, kinds):
        for pairs in kinds:
            for text, answer in pairs:
                yield text, {"text": text, "answer": answer}


def asked(count: int, limit: int, make, least: int = 0) -> list[tuple[str, str]]:
    """Pairs of texts from `count` different numbers below `limit`, among them all below `least`, in random order."""
    # RandomState draws the same numbers in every NumPy version, so the splits never change.
    random = np.random.RandomState(0)
    chosen = np.concatenate([np.arange(least), least + random.permutation(limit - least)[: count - least]])
    return [make(int(number), random) for number in random.permutation(chosen)]


def a_date(number: int, random: np.random.RandomState) -> tuple[str, str]:
    """The day of that number in one of the 36 forms, and in ISO 8601."""
    day = FIRST + datetime.timedelta(days=number)
    locale, form = LOCALES[random.randint(len(LOCALES))], FORMS[random.randint(len(FORMS))]
    return f"date: {formatted(day, locale, form)}", day.isoformat()


def a_number(number: int, random: np.random.RandomState) -> tuple[str, str]:
    """The number in words, with or without "and", and in digits."""
    return f"number: {in_words(number, joined=bool(random.randint(2)))}", str(number)


def in_words(number: int, joined: bool = True) -> str:
    """A number below a million in English words, such as "one hundred and two"; not joined: "one hundred two"."""
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{TENS[tens - 2]}-{SMALL[ones]}" if ones else TENS[tens - 2]
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, size)
    said = f"{in_words(many, joined)} {name}"
    if not rest:
        return said
    return f"{said}{' and' if joined and rest < 100 else ''} {in_words(rest, joined)}"
