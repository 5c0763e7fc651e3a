"""Who speaks in the sounds of a TFDS set, and how to split them into parts that share no speaker."""

import numpy as np
import tensorflow_datasets as tfds

from zoo.errors import UserError


def speaker_feature(builder: tfds.core.DatasetBuilder) -> str | None:
    """The feature of a TFDS set that says who speaks; None where none does."""
    known = ("audio/filename",) if builder.name == "spoken_digit" else ("speaker_id", "speaker")
    return next((name for name in known if name in builder.info.features), None)


def speaker_of(feature: str, value: bytes | np.generic) -> str:
    """Who speaks, by that feature of an example."""
    name = value.decode() if isinstance(value, bytes) else str(value)
    return name.split("_")[1] if feature == "audio/filename" else name  # such as 7_jackson_32.wav


def parts_apart(speakers: np.ndarray, fold: int, title: str) -> dict[str, list[str]]:
    """The speakers of train, validation and test.

    Args:
        speakers: of each sound the name, empty where it is not known.
        fold: at which of them, in the order of their names, those of the test begin.
        title: what the data are called.

    Raises:
        UserError: they are not known, or are too few for that fold or at all.
    """
    names = np.unique(speakers).tolist()
    if not all(names):
        raise UserError(f"--data.speakers came as apart, but {title} does not say who speaks, as spoken_digit does")
    if len(names) < 3:
        raise UserError(f"--data.speakers came as apart, but {title} has {len(names)} speakers: wanted 3")
    if fold >= len(names):
        raise UserError(f"--data.fold came as {fold}, but {title} has {len(names)} speakers")
    names, held = names[fold:] + names[:fold], max(1, len(names) // 10)
    return {"train": names[2 * held :], "validation": names[held : 2 * held], "test": names[:held]}
