"""Multi30k: captions of photographs in English, German and French (Elliott 2016, arXiv:1605.00459; task 1)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

PLACE = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
LANGUAGES = ("en", "de", "fr")
SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
FILES = {  # size in bytes, SHA-256
    "train.en.gz": (568929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "train.de.gz": (637044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "train.fr.gz": (604242, "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c"),
    "val.en.gz": (21650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "val.de.gz": (24681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.fr.gz": (23001, "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9"),
    "test_2016_flickr.en.gz": (21077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
    "test_2016_flickr.de.gz": (22890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    "test_2016_flickr.fr.gz": (22310, "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"),
}


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """29,000 captions for training, 1,014 for validation and the 1,000 of test2016, each in three languages."""

    VERSION = tfds.core.Version("1.0.0")
    # Used in place of TFDS's table of checksums to verify downloads.
    url_infos: ClassVar[dict] = {
        PLACE + name: UrlInfo(size=size, checksum=checksum, filename=name) for name, (size, checksum) in FILES.items()
    }

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.Translation(languages=LANGUAGES),
            homepage="https://github.com/multi30k/dataset",
        )

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({name: PLACE + name for name in FILES})
        return {
            split: self._generate_examples({language: paths[f"{name}.{language}.gz"] for language in LANGUAGES})
            for split, name in SPLITS.items()
        }

    def _generate_examples(self, paths):
        lines = [gzip.decompress(Path(path).read_bytes()).decode().rstrip("\n").split("\n") for path in paths.values()]
        for number, sentences in enumerate(zip(*lines, strict=True)):
            yield number, dict(zip(paths, map(str.strip, sentences), strict=True))
