"""A user's sound files: finding them, reading them with SciPy or libsndfile, and converting them to log-mel frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.signal import resample_poly

from zoo.data.files import files_below
from zoo.data.wav import read_wav

try:
    import soundfile
except (ImportError, OSError):  # OSError: its library libsndfile is missing
    soundfile = None

WAV = {".wav", ".wave"}
MORE = {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".snd", ".w64"}
WINDOW, HOP = 0.025, 0.010  # seconds that a frame covers, and between the starts of two frames
LOWEST = 50  # hertz; leaves out the hum of the mains
RANGE = 2.0  # dynamic range kept below the loudest value, in powers of ten of the amplitude: 40 decibels
FAINTEST = 1e-5  # floor of the amplitude in a band; samples that stay below 10**RANGE times that count as silence
LOUD = 1000.0  # no program writes samples this large if it means the range -1 to 1
SILENT = 1e-4  # standard deviation below which nothing is heard: three steps of 16 bits
FULL, CLIPPED = 0.999, 0.01  # a sound of which more than this share is at full scale is called clipped
OPPOSITE = 0.1  # see `cancelled`
REMARKS = {
    "silent": "nothing is heard of {n}",
    "opposite": "the channels of {n} are in opposite phases: one of them is taken, since their mean is silence",
    "clipped": "{n} are clipped: too loud for their range",
}
RATES_NAMED = 5
RATES = (1_000, 768_000)  # smallest and largest plausible sampling rate of a file, in hertz


def find_sounds(folder: Path) -> list[Path]:
    """All sound files below `folder` that can be read here, in a fixed order; hidden files are left out."""
    return files_below(folder, WAV | (MORE if soundfile else set()))


class Sound(NamedTuple):
    """A sound file as it was read."""

    wave: np.ndarray
    """Its samples in one channel, (N,) float32 in -1..1, at the rate that was asked for."""
    rate: int
    """Its own sampling rate in hertz."""
    seconds: float
    """How long it is."""
    remarks: tuple[str, ...]
    """What is odd about it, of the names in REMARKS."""


def read_sound(path: Path, rate: int) -> np.ndarray:
    """The samples of a sound file, (N,) float32 in -1..1: one channel, resampled to `rate` hertz; see `heard`."""
    return heard(path, rate).wave


def heard(path: Path, rate: int) -> Sound:
    """A sound file, mixed to one channel (see `of_one`) and resampled to `rate` hertz.

    Raises:
        OSError: the file is no sound file, is broken or truncated, or contains no sound; the message says which.
    """
    was, samples = read_wav(path) if path.suffix.lower() in WAV else read_more(path)
    if not samples.size:
        raise OSError("it holds no sound")
    if not RATES[0] <= was <= RATES[1]:
        raise OSError(f"it claims {was} samples a second")
    if not np.isfinite(samples).all():
        raise OSError("it contains NaN or infinity")
    if samples.dtype.kind == "f" and np.abs(samples).max() > LOUD:
        raise OSError(f"its samples reach {np.abs(samples).max():g}, but fractions go from -1 to 1")
    channels = in_range(samples)
    remarks = {
        "silent": channels.std(0).max() < SILENT,
        "opposite": cancelled(channels),
        "clipped": np.mean(np.abs(channels) >= FULL) > CLIPPED,
    }
    said = tuple(name for name, true in remarks.items() if true)
    return Sound(resampled(of_one(samples), was, rate), was, len(samples) / was, said)


def read_more(path: Path) -> tuple[int, np.ndarray]:
    """The sampling rate in hertz and the samples, (N,) or (N, channels) float32, of what libsndfile reads.

    Raises:
        OSError: it cannot read the file, or the file ends early.
    """
    if path.suffix.lower() not in MORE:
        raise OSError(f"{path.suffix or 'a file without an ending'} is no sound that is read")
    if soundfile is None:
        raise OSError(f"{path.suffix} needs a library: pip install soundfile")
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float32")
            if len(samples) < file.frames:
                raise OSError(f"it is cut off: it promises {file.frames:,} samples, and there are {len(samples):,}")
            return file.samplerate, samples
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = getattr(error, "error_string", None) or str(error)
        raise OSError(f"{type(error).__name__}: {reason}") from error


def add_facts(facts: dict, sound: Sound) -> None:
    """Adds a sound to what has been found so far in all of them, in types that JSON can store; see `in_words`."""
    for kind, names in (("rates", [str(sound.rate)]), ("remarks", sound.remarks)):
        counts = facts.setdefault(kind, {})
        counts |= {name: counts.get(name, 0) + 1 for name in names}
    known = facts.get("seconds", [sound.seconds])
    facts["seconds"] = [min(*known, sound.seconds), max(*known, sound.seconds)]


def in_words(facts: dict) -> list[str]:
    """What `add_facts` found, a sentence each."""
    if not facts:
        return []
    rates = sorted(facts["rates"].items(), key=lambda rate: (-rate[1], int(rate[0])))
    listed = ", ".join(f"{int(rate):,} ({count:,})" for rate, count in rates[:RATES_NAMED])
    more = f" and {len(rates) - RATES_NAMED} more rates" if len(rates) > RATES_NAMED else ""
    shortest, longest = facts["seconds"]
    first = (
        f"samples a second (sounds): {listed}{more}; the shortest lasts {shortest:.3g} s, the longest {longest:.3g} s"
    )
    return [first, *(REMARKS[name].format(n=f"{count:,}") for name, count in sorted(facts["remarks"].items()))]


def in_range(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) or (N, channels) of any type as fractions in -1..1, (N, channels)."""
    kind = samples.dtype
    if kind.kind != "f":
        zero = 128 if kind == np.uint8 else 0  # 8-bit WAV files are unsigned
        samples = (samples - np.float64(zero)) / (128 if zero else -float(np.iinfo(kind).min))
    return samples.reshape(len(samples), -1)


def of_one(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) or (N, channels) of any type in one channel, float32 (N,) in -1..1.

    It is the mean of the channels, or if that would cancel them out, the loudest channel.
    """
    channels = in_range(samples)
    if cancelled(channels):
        return np.float32(channels[:, channels.var(0).argmax()])
    return np.float32(channels.mean(1))


def cancelled(channels: np.ndarray) -> bool:
    """Whether the mean of the channels, (N, channels), has almost nothing of them: they are in opposite phases.

    Relative to the channels' power, the mean has as much as there are channels if they are the same, once as much if
    they have nothing in common or only one is not silent, and none if they are opposite.
    """
    count = channels.shape[1]
    return count > 1 and bool(count * channels.mean(1).var() < OPPOSITE * channels.var(0).mean())


def resampled(wave: np.ndarray, was: int, rate: int) -> np.ndarray:
    """The samples (N,), resampled from the rate `was` to `rate`, both in hertz."""
    if was == rate:
        return wave
    shared = math.gcd(was, rate)
    return np.float32(resample_poly(wave, rate // shared, was // shared))


def samples_of(steps: int, rate: int) -> int:
    """The number of samples that `steps` frames cover."""
    return round((steps - 1) * HOP * rate) + round(WINDOW * rate)


def placed(wave: np.ndarray, length: int) -> np.ndarray:
    """The samples (N,) padded with silence at the start to `length`, or the loudest stretch of that length.

    The padding comes first because a recurrent network predicts after the last frame and forgets what lies far back.
    """
    if len(wave) <= length:
        return np.pad(wave, (length - len(wave), 0))
    energy = np.cumsum(np.pad(np.square(wave, dtype=np.float64), (1, 0)))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return wave[start : start + length]


@tf.function(reduce_retracing=True)
def log_mel(waves: tf.Tensor, rate: int, mels: int, centred: bool = False) -> tf.Tensor:
    """Log-mel spectrograms with values in 0..2: samples (B, N) float32 to (B, steps, mels).

    The power spectrum of 25 ms under a Hann window every 10 ms is summed over triangular bands, which overlap by half
    and are equally wide on the mel scale (2595 log10(1 + f / 700)) from 50 Hz to half the rate. Values are powers of
    ten of the amplitude relative to the loudest value of each row of samples: 2 is the loudest, 0 a hundredth of it (40
    decibels less) or anything below. The distance to the microphone therefore makes no difference.

    With `centred`, values are in -2..2: the mean of each band over all frames that are not silent is subtracted from
    these, and silent frames are 0. That removes the constant influence of the microphone and the voice (Atal 1974).
    """
    window = round(WINDOW * rate)
    points = 2 ** math.ceil(math.log2(2 * window))  # fine enough for the lowest band to contain at least one
    power = tf.square(tf.abs(tf.signal.stft(waves, window, round(HOP * rate), points)))  # (B, steps, points / 2 + 1)
    bands = tf.signal.linear_to_mel_weight_matrix(mels, points // 2 + 1, rate, LOWEST, rate / 2)
    decades = tf.math.log(tf.maximum(power @ bands, FAINTEST**2)) / (2 * math.log(10))
    loudest = tf.maximum(tf.reduce_max(decades, (1, 2), keepdims=True), math.log10(FAINTEST) + RANGE)
    frames = tf.maximum(RANGE + decades - loudest, 0)
    if not centred:
        return frames
    heard = tf.cast(tf.reduce_any(frames > 0, 2, keepdims=True), tf.float32)
    mean = tf.reduce_sum(frames, 1, keepdims=True) / tf.maximum(tf.reduce_sum(heard, 1, keepdims=True), 1)
    return (frames - mean) * heard
