"""The speakers in a TFDS data set of sounds, and splits that share no speaker."""

import numpy as np
import tensorflow_datasets as tfds

from zoo.errors import UserError


def speaker_feature(builder: tfds.core.DatasetBuilder) -> str | None:
    """The feature of a TFDS data set that identifies the speaker; None if there is none."""
    known = ("audio/filename",) if builder.name == "spoken_digit" else ("speaker_id", "speaker")
    return next((name for name in known if name in builder.info.features), None)


def speaker_of(feature: str, value: bytes | np.generic) -> str:
    """The speaker's name, from the value of that feature in an example."""
    name = value.decode() if isinstance(value, bytes) else str(value)
    return name.split("_")[1] if feature == "audio/filename" else name  # such as 7_jackson_32.wav


def parts_apart(speakers: np.ndarray, fold: int, title: str) -> dict[str, list[str]]:
    """The speakers of train, validation and test.

    Args:
        speakers: the name of each sound's speaker, empty if unknown.
        fold: index of the first test speaker, in the order of their names.
        title: the name of the data.

    Raises:
        UserError: speakers are unknown, or there are too few of them in all or for that fold.
    """
    names = np.unique(speakers).tolist()
    if not all(names):
        raise UserError(f"--data.speakers came as apart, but {title} does not say who speaks, as spoken_digit does")
    if len(names) < 3:
        raise UserError(f"--data.speakers came as apart, but {title} has {len(names)} speakers: wanted 3")
    if fold >= len(names):
        raise UserError(f"--data.fold came as {fold}, but {title} has {len(names)} speakers")
    names, held_out = names[fold:] + names[:fold], max(1, len(names) // 10)
    return {"train": names[2 * held_out :], "validation": names[held_out : 2 * held_out], "test": names[:held_out]}
