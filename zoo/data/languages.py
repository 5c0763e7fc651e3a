"""Names in 26 languages, which need no network: which language is a name in?

The names of territories, languages, currencies, scripts and cities are those that Babel includes from Unicode's Common
Locale Data Repository. A ninth of the names is the same in several of the languages, and each of these is right.
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
    """About 29,000 names, each with its language and those that it also belongs to; a tenth each is for validation and
    the test.
    """

    VERSION = tfds.core.Version("2.0.0")
    # Each version of Babel has its own version of the repository.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"babel-{babel.__version__}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(LANGUAGES)),
                    "also": tfds.features.Sequence(tfds.features.ClassLabel(names=list(LANGUAGES))),
                }
            ),
            supervised_keys=("text", "label"),
        )

    def _split_generators(self, dl_manager):
        parts: dict[str, list] = {"train": [], "validation": [], "test": []}
        for name, languages in sorted(names().items()):
            # Split by a hash of the name, so that adding names does not move others to another split.
            tenth = hashlib.sha256(name.encode()).digest()[0] % 10
            parts["test" if tenth == 0 else "validation" if tenth == 1 else "train"].append((name, languages))
        return {part: self._generate_examples(pairs) for part, pairs in parts.items()}

    def _generate_examples(self, pairs):
        for name, (language, *others) in pairs:
            yield name, {"text": name, "label": language, "also": others}


def names() -> dict[str, list[str]]:
    """Each name with the languages in which it is called so."""
    found: dict[str, list[str]] = {}
    for language in LANGUAGES:
        locale = babel.Locale(language)
        own = {name for kind in KINDS for code, name in getattr(locale, kind).items() if not code.isdigit()}
        own |= {zone["city"] for zone in locale.time_zones.values() if "city" in zone}
        for name in own:
            found.setdefault(name, []).append(language)
    return found
