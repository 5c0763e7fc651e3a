"""Yearly sunspot numbers that need no network: statsmodels ships them.

The International Sunspot Number for the years 1700 to 2008 in its first version, as published by NOAA's National
Geophysical Data Center; public domain. It has a cycle of about 11 years (Schwabe 1844), but no two cycles are alike.
"""

import numpy as np
import tensorflow_datasets as tfds
from statsmodels.datasets import sunspots


class Sunspots(tfds.core.GeneratorBasedBuilder):
    """309 years, one per example, in chronological order, as a single split; `Series` divides it."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        # Encoded as bytes, because TFDS stores plain floats in float32.
        exact = tfds.features.Tensor(shape=(), dtype=np.float64, encoding="bytes")
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"year": np.int64, "sunspots": exact}),
            disable_shuffling=True,  # otherwise TFDS orders examples by the hashes of their keys
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for year, number in sunspots.load_pandas().data.itertuples(index=False):
            yield int(year), {"year": int(year), "sunspots": number}
