"""Names in 26 languages, which need no network: which language is a name in?

The names of territories, languages, currencies, scripts and cities are those that Babel includes from Unicode's Common
Locale Data Repository. Names that several of the languages share are left out, so that each has one right answer.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

import babel
import tensorflow_datasets as tfds

# fmt: off
LANGUAGES = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it",
    "ja", "ko", "lt", "lv", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "tr",
)
# fmt: on
KINDS = ("territories", "languages", "currencies", "scripts")


class Languages(tfds.core.GeneratorBasedBuilder):
    """About 26,000 names, each with its language; a tenth each is for validation and the test."""

    VERSION = tfds.core.Version("1.0.0")
    # Each version of Babel has its own version of the repository.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"babel-{babel.__version__}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=list(LANGUAGES))}
            ),
            supervised_keys=("text", "label"),
        )

    def _split_generators(self, dl_manager):
        parts: dict[str, list] = {"train": [], "validation": [], "test": []}
        for name, language in sorted(names().items()):
            # Split by a hash of the name, so that adding names does not move others to another split.
            tenth = hashlib.sha256(name.encode()).digest()[0] % 10
            parts["test" if tenth == 0 else "validation" if tenth == 1 else "train"].append((name, language))
        return {part: self._generate_examples(pairs) for part, pairs in parts.items()}

    def _generate_examples(self, pairs):
        for name, language in pairs:
            yield name, {"text": name, "label": language}


def names() -> dict[str, str]:
    """Each name that occurs in only one of the languages, with that language."""
    languages: dict[str, str | None] = {}
    for language in LANGUAGES:
        locale = babel.Locale(language)
        own = {name for kind in KINDS for code, name in getattr(locale, kind).items() if not code.isdigit()}
        own |= {zone["city"] for zone in locale.time_zones.values() if "city" in zone}
        languages |= {name: None if name in languages else language for name in own}
    return {name: language for name, language in languages.items() if language is not None}
