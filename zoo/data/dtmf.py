"""Telephone keys, which need no network: the dialling tones of ITU-T Recommendation Q.23, synthesised.

A key's tone is the sum of two sine waves, one with the frequency of its row and one with that of its column. Everything
that may vary on a telephone line is random for each recording: when and for how long the key is pressed, the volume,
the difference in level between the two waves, the error of each frequency, and the noise.
"""

import numpy as np
import tensorflow_datasets as tfds

# Q.23, figure 1: the frequencies of the keypad's rows and columns in hertz.
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"
OFF = 0.018  # largest relative error of a frequency (Q.23, paragraph 6)
RATE = 8000  # sampling rate in hertz, as in telephony
PARTS = {"train": 3200, "validation": 400, "test": 400}  # recordings, equally many of each key


class Dtmf(tfds.core.GeneratorBasedBuilder):
    """4,000 recordings of one key each, at 8 kHz: train 3,200, validation 400, test 400."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    # Encoded as bytes, because TFDS's Audio takes ten bytes for each negative number.
                    "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding="bytes"),
                    "label": tfds.features.ClassLabel(names=list(KEYS)),
                }
            ),
            supervised_keys=("audio", "label"),
        )

    def _split_generators(self, dl_manager):
        ends = np.cumsum(list(PARTS.values())).tolist()
        parts = zip(PARTS, [0, *ends[:-1]], ends, strict=True)
        return {name: self._generate_examples(range(start, end)) for name, start, end in parts}

    def _generate_examples(self, numbers):
        for number in numbers:
            key = KEYS[number % len(KEYS)]
            # RandomState draws the same numbers in every NumPy version, so the recordings never change.
            yield number, {"audio": recording(key, np.random.RandomState(number)), "label": key}


def recording(key: str, random: np.random.RandomState) -> np.ndarray:
    """One press of a key on a noisy line: 0.04 to 0.9 s as int16 at 8 kHz."""
    row, column = divmod(KEYS.index(key), 4)
    # Seconds; 0.04 is the shortest press that Q.24 requires to be recognised.
    before, pressed, after = random.uniform(0, 0.2), random.uniform(0.04, 0.5), random.uniform(0, 0.2)
    time = np.arange(int(pressed * RATE)) / RATE
    twist = random.uniform(-8, 4)  # decibels of the column over the row, within the limits of 4 and 8 in Q.24
    tone = np.zeros(len(time))
    for frequency, level in ((ROWS[row], -twist / 2), (COLUMNS[column], twist / 2)):
        hertz = frequency * (1 + random.uniform(-OFF, OFF))
        tone += 10 ** (level / 20) * np.sin(2 * np.pi * (hertz * time + random.uniform()))
    line = np.pad(tone, (int(before * RATE), int(after * RATE)))
    strength = tone.std() * 10 ** (-random.uniform(0, 30) / 20)  # 0 to 30 decibels below the tone
    line += strength * random.standard_normal(len(line))
    peak = 10 ** (-random.uniform(3, 40) / 20)  # 3 to 40 decibels below full scale
    return np.int16(np.round(line * (32767 * peak / np.abs(line).max())))
