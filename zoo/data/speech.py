"""Sounds with one class each, by TFDS name or from a user's folder."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from zoo.data import measured
from zoo.data.dtmf import RATE, Dtmf
from zoo.data.features import Pixels
from zoo.data.folder import names_in, refuse_absent, sound_folder
from zoo.data.inputs import Files
from zoo.data.layout import check_groups
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.sounds import RANGE, find_sounds, log_mel, of_one, placed, read_sound, resampled, samples_of
from zoo.data.source import Source, as_paths, counted, knowing
from zoo.data.speakers import parts_apart, speaker_feature, speaker_of
from zoo.data.vary import Vary
from zoo.errors import UserError

EVALUATED = 250  # sounds per batch of validation and test
IN_MEMORY = 4 * 2**30  # bytes of frames; larger data are refused
MELS = (8, 128)  # smallest and largest number of mel bands; more would be narrower than a 25 ms window can resolve


class Heard(NamedTuple):
    """Sounds in the form in which they are kept in memory."""

    frames: np.ndarray
    """(N, steps, mels) float32."""
    labels: np.ndarray
    """(N,) int64."""
    speakers: np.ndarray
    """(N,) names, empty if unknown."""
    sums: np.ndarray
    """(N,) SHA-256 of each sound's original samples, in hexadecimal digits."""


@dataclass(frozen=True)
class Speech(Source):
    """Sounds with one class each, as log-mel frames every 10 ms: a TFDS data set by name, or the user's own folder."""

    name: str = "dtmf"
    """Name of a TFDS data set with `audio` and a `label`: dtmf (telephone keys, needs no network), spoken_digit, ..."""
    folder: Path | None = None
    """Folder of your own WAV files, with one sub-folder per class, instead of a named data set."""
    groups: str | None = field(default=None, metadata={"later": True})
    r"""What to keep in one split: folder (sounds of one sub-folder of a class), or a regular expression whose first
    group is looked for in each path below the class, such as 'speaker(\d+)'."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    rate: int = 8000
    """Sampling rate in hertz to which sounds are resampled: twice the highest frequency that is kept."""
    steps: int = 100
    """Number of frames, one every 10 ms. A longer sound is cut to its loudest stretch; a shorter one is padded with
    silence at its start."""
    mels: int = 64
    """Number of mel bands."""
    centred: bool = False
    """Whether to subtract the mean of each band over the frames, which differs between voices and between rooms."""
    batch: int = 64
    """Sounds per training step; all of them if there are fewer."""
    speakers: Literal["mixed", "apart"] = "mixed"
    """apart: a tenth of the speakers (at least one) is for the test, as many are for validation, and training has
    neither; mixed: a speaker may be in several splits."""
    fold: int = 0
    """With --data.speakers apart: index, in the order of names, of the first speaker of the test; those of validation
    follow."""
    vary: Vary = field(default_factory=Vary)
    """Random changes of training sounds."""

    kind: ClassVar[str] = "sound"
    meaning: ClassVar[str] = (
        "log-mel frames, a row every 10 ms, as zoo.data.sounds.log_mel computes them of samples at the run's rate"
    )
    Inputs: ClassVar[type] = Files
    usage: ClassVar[str] = "SOUND..."

    def __post_init__(self):
        as_paths(self)
        for name, least, most in (
            ("rate", 4000, 48_000),
            ("steps", 1, 10_000),
            ("mels", *MELS),
            ("batch", 1, None),
            ("fold", 0, None),
        ):
            value = getattr(self, name)
            if value < least or (most is not None and value > most):
                wanted = f"at least {least}" if most is None else f"from {least} to {most}"
                raise ValueError(f"--data.{name} came as {value}, but must be {wanted}")
        if self.groups is not None:
            if self.folder is None:
                raise ValueError(f"--data.groups came as {self.groups}, but needs --data.folder")
            check_groups(self.groups)
        if self.fold and self.speakers == "mixed":
            raise ValueError(f"--data.fold came as {self.fold}, but needs --data.speakers apart")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.folder.name if self.folder else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        apart = f", test speakers {' '.join(self._parts['test'])}" if self.speakers == "apart" else ""
        return f"{len(self.labels)} classes{apart}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        said = [counted(self)]
        if self.folder is not None:
            said += self._prepared.understood
            said.append(f"the network hears {samples_of(self.steps, self.rate) / self.rate:.3g} s of each")
        return said

    @property
    def selection(self) -> dict:
        """How speakers are divided between the splits."""
        return {"speakers": self.speakers} | ({"fold": self.fold} if self.fold else {})

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set or folder, or it does not contain sounds with one class each.
        """
        directory = place_of(self.directory)
        if self.folder is not None:
            return sound_folder(self.folder, self.rate, directory, groups=self.groups)
        if self.name == "dtmf":
            return builder_of(Dtmf, directory)
        builder = known_builder(self.name, directory, "dtmf")
        features = dict(builder.info.features.items())
        if not (
            isinstance(features.get("audio"), tfds.features.Audio)
            and isinstance(features.get("label"), tfds.features.ClassLabel)
        ):
            raise UserError(
                f"{self.name} does not hold sounds with one class each: its features are {', '.join(features)}"
            )
        if not features["audio"].sample_rate:
            raise UserError(f"{self.name} does not say how many samples a second its sounds have")
        return builder

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder, known before anything is downloaded."""
        return {"input_shape": (self.steps, self.mels), "classes": len(self.labels)}

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs."""
        return list(self.builder.info.features["label"].names)

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        if self.speakers == "apart":
            return {split: f"the speakers {' '.join(names)}" for split, names in self._parts.items()}
        return split_names(self._prepared, self.title)

    def count(self, split: str) -> int:
        """The number of examples of a split."""
        if self.speakers == "apart":
            return len(self.arrays(split)[1])
        return self._prepared.info.splits[self.splits[split]].num_examples

    @property
    def epoch_size(self) -> int:
        """An epoch is all training sounds."""
        return self.count("train")

    def of_run(self, folder: Path, labels: Sequence[str]) -> Speech:
        """This source with the run's labels; a run keeps no files of the data."""
        return knowing(self, labels=list(labels))

    def beside(self, folder: Path, spec: dict) -> Speech:
        """Other sounds, converted to frames in the same way."""
        return replace(Speech(batch=32), rate=self.rate, steps=self.steps, mels=self.mels, centred=self.centred)

    def find(self, folder: Path) -> list[Path]:
        """The files in a user's folder that can be read."""
        return find_sounds(folder)

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The frames (steps, mels) float32 of a WAV file.

        Raises:
            OSError: the file cannot be read; the message says why.
        """
        steps, mels = spec["input_shape"]
        wave = placed(read_sound(given, self.rate), samples_of(steps, self.rate))
        return log_mel(wave[None], self.rate, mels, self.centred)[0].numpy(), {}

    def views(self, frames: np.ndarray) -> np.ndarray:
        """The inputs (N, steps, mels) in the form in which they are shown: pictures (N, mels, steps, 1) in 0..255, with
        time to the right and frequency upwards.
        """
        shown = frames + RANGE / 2 if self.centred else frames  # most values are within half the range of the mean
        return 255 / RANGE * np.clip(shown, 0, RANGE).transpose(0, 2, 1)[:, ::-1, :, None]

    def features(self, frames: np.ndarray) -> Pixels:
        """What an input (steps, mels) consists of: a loudness for each band and frame, drawn as in `views`."""
        groups = np.arange(frames.size).reshape(frames.shape)
        axes = ("frame of 10 ms", "mel band")
        return Pixels(groups, [], self.views(frames[None])[0], groups.T[::-1], axes)

    def names(self, split: str) -> list[str]:
        """What each example of validation or test is called: its file within the folder, or its number in the split."""
        part = self.splits[split]
        if self.folder is None:
            return [f"{part}[{number}]" for number in range(self.count(split))]
        return names_in(self._prepared, part, self.labels)

    def other(self, spec: dict, then: dict) -> tuple[measured.Labelled, str] | None:
        """See `zoo.data.Source`."""
        return measured.other(self, spec, then)

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (frames (B, steps, mels) float32 of `zoo.data.sounds.log_mel`, one-hot labels) as tf.data.Dataset.

        Args:
            split: train (endless, shuffled and augmented), validation or test (one pass, unchanged).
            seed: of the order and the augmentation of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        frames, labels = self.arrays(split)
        if split != "train":
            return single_pass(len(labels), self._reader(frames, labels), batch=EVALUATED)
        return self._stream(frames, labels, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random sounds of the right shape, to time training on it."""
        random = np.random.default_rng(0)
        frames = random.random((count, self.steps, self.mels), np.float32)
        labels = random.integers(0, len(self.labels), count)
        return self._stream(frames, labels, seed=0, step=0, stopwatch=stopwatch)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All frames (N, steps, mels) float32 and all labels (N,) int64."""
        heard = self._heard(split)
        return heard.frames, heard.labels

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any sample or label of the split and any setting of the frames.

        The frames themselves are not used, because their last bits differ between processors.
        """
        heard, settings = self._heard(split), (self._rate_of_set, self.rate, self.steps, self.mels, self.centred)
        content = repr((settings, heard.labels.tolist(), heard.sums.tolist()))
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def _heard(self, split: str) -> Heard:
        cache = self.__dict__.setdefault("_parts_heard", {})  # the record is frozen, and its data never change
        if split not in cache:
            if self.speakers == "apart":
                rows = np.isin(self._everything.speakers, self._parts[split])
                heard = Heard(*(part[rows] for part in self._everything))
            else:
                heard = self._read(self.splits[split])
            if not len(heard.labels):
                raise UserError(f"{self.title} has no {split} sounds: give it more")
            if split == "train" and self.folder:
                refuse_absent(heard.labels, self.labels, self.kind)
            cache[split] = heard
        return cache[split]

    def _stream(self, frames: np.ndarray, labels: np.ndarray, *, seed: int, step: int, stopwatch):
        return training_stream(
            len(labels),
            self._reader(frames, labels),
            batch=min(self.batch, len(labels)),
            seed=seed,
            step=step,
            augment=self.vary.function(),
            stopwatch=stopwatch,
        )

    def _reader(self, frames: np.ndarray, labels: np.ndarray):
        """A function for tf.data from (batch,) indices to their frames and one-hot labels."""
        inputs, targets, classes = tf.constant(frames), tf.constant(labels), len(self.labels)
        return lambda indices: (tf.gather(inputs, indices), tf.one_hot(tf.gather(targets, indices), classes))

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        with warnings.catch_warnings():
            # pydub, which TFDS uses to read sounds, warns about a program that WAV files do not need.
            warnings.filterwarnings("ignore", "Couldn't find ffmpeg", RuntimeWarning)
            return prepare(self.builder, "dtmf")

    @cached_property
    def _everything(self) -> Heard:
        return self._read("+".join(self._prepared.info.splits))

    @cached_property
    def _parts(self) -> dict[str, list[str]]:
        return parts_apart(self._everything.speakers, self.fold, self.title)

    def _read(self, split: str) -> Heard:
        """The sounds of a TFDS split, in TFDS's order, which is always the same."""
        count = self._prepared.info.splits[split].num_examples
        if count * self.steps * self.mels * 4 > IN_MEMORY:
            raise UserError(f"{count} sounds of {self.title} do not fit into memory: take fewer --data.steps")
        length = samples_of(self.steps, self.rate)
        frames = np.empty((count, self.steps, self.mels), np.float32)
        labels, speakers, sums, waves = np.empty(count, np.int64), [], [], []
        speaker = speaker_feature(self._prepared)
        features = ("audio", "label", speaker) if speaker else ("audio", "label")
        for at, (samples, label, *names) in enumerate(examples(self._prepared, split, *features)):
            wave = of_one(in_floats(samples))
            sums.append(hashlib.sha256(wave.tobytes()).hexdigest())
            waves.append(placed(resampled(wave, self._rate_of_set, self.rate), length))
            labels[at] = label
            speakers.append(speaker_of(speaker, *names) if speaker else "")
            if len(waves) == EVALUATED or at == count - 1:
                frames[at + 1 - len(waves) : at + 1] = log_mel(np.stack(waves), self.rate, self.mels, self.centred)
                waves.clear()
        return Heard(frames, labels, np.array(speakers), np.array(sums))

    @property
    def _rate_of_set(self) -> int:
        """Sampling rate in hertz of the data that TFDS has prepared."""
        if self.folder is not None:
            return self.rate
        return RATE if self.name == "dtmf" else self.builder.info.features["audio"].sample_rate


def in_floats(samples: np.ndarray) -> np.ndarray:
    """TFDS's samples scaled to -1..1; integers have the range of 16 bits, whatever their type."""
    return samples if samples.dtype.kind == "f" else samples / 2.0**15
