"""Sound files of a person: found, read with SciPy, and brought to the frames that a network hears."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.io import wavfile
from scipy.signal import resample_poly

from zoo.data.files import files_below

WINDOW, HOP = 0.025, 0.010  # seconds that a frame hears, and from one to the next
LOWEST = 50  # hertz; below is the hum of the mains
RANGE = 2.0  # powers of ten of the amplitude, from the loudest of the samples given down, that are kept: 40 decibels
FAINTEST = 1e-5  # of the amplitude in a band; samples are more than silence where they reach 10**RANGE of that
LOUD = 1000.0  # more than any programme writes where it means -1 to 1
RATES = (1_000, 768_000)  # samples a second of a file


def find_sounds(folder: Path) -> list[Path]:
    """All WAV files below `folder` in a fixed order; hidden files are left out."""
    return files_below(folder, {".wav", ".wave"})


def read_sound(path: Path, rate: int) -> np.ndarray:
    """The samples (N,) float32 of a WAV file, -1 to 1, the mean of its channels, `rate` of them a second.

    Raises:
        OSError: the file is not a WAV file, is broken or cut off, or holds no sound; the text says which.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of titles and the like between the samples
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        try:
            was, samples = wavfile.read(path)
        except OSError:
            raise
        except wavfile.WavFileWarning as error:
            raise OSError(f"it is cut off: {error}") from error
        except Exception as error:  # SciPy raises nearly anything on broken input.
            raise OSError(f"{type(error).__name__}: {error}") from error
    if not samples.size:
        raise OSError("it holds no sound")
    if not RATES[0] <= was <= RATES[1]:
        raise OSError(f"it claims {was} samples a second")
    if not np.isfinite(samples).all():
        raise OSError("it holds what is not a number")
    if samples.dtype.kind == "f" and np.abs(samples).max() > LOUD:
        raise OSError(f"its samples reach {np.abs(samples).max():g}, but fractions go from -1 to 1")
    return resampled(of_one(samples), was, rate)


def of_one(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) or (N, channels) of any type as the mean of the channels, float32 (N,), whole numbers to -1 to 1."""
    kind = samples.dtype
    if kind.kind != "f":
        zero = 128 if kind == np.uint8 else 0  # WAV's bytes have no sign
        samples = (samples - np.float64(zero)) / (128 if zero else -float(np.iinfo(kind).min))
    return np.float32(samples.reshape(len(samples), -1).mean(1))


def resampled(wave: np.ndarray, was: int, rate: int) -> np.ndarray:
    """The samples (N,), of which there were `was` a second, at `rate`."""
    if was == rate:
        return wave
    shared = math.gcd(was, rate)
    return np.float32(resample_poly(wave, rate // shared, was // shared))


def samples_of(steps: int, rate: int) -> int:
    """How many samples that many frames hear."""
    return round((steps - 1) * HOP * rate) + round(WINDOW * rate)


def placed(wave: np.ndarray, length: int) -> np.ndarray:
    """The samples (N,) after silence where they are fewer, else the loudest `length` of them in a row.

    The silence comes first, because a recurrent network that predicts at the end forgets what lies far before that.
    """
    if len(wave) <= length:
        return np.pad(wave, (length - len(wave), 0))
    energy = np.cumsum(np.pad(np.square(wave, dtype=np.float64), (1, 0)))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return wave[start : start + length]


@tf.function(reduce_retracing=True)
def log_mel(waves: tf.Tensor, rate: int, mels: int, centred: bool = False) -> tf.Tensor:
    """How loud each band of pitch is at each moment, 0 to 2: samples (B, N) float32 to (B, steps, mels).

    The power spectrum of 25 ms under a Hann window every 10 ms, in triangles that overlap by half and are equally wide
    on the mel scale (2595 log10(1 + f / 700)) from 50 Hz to half the rate; as powers of ten of the amplitude beside
    the loudest of them in these samples: 2 is the loudest, 0 a hundredth of it (40 decibels less) and below. So it is
    all the same how near the microphone was. Of a longer recording, that is the loudest of what is heard.

    With `centred`, from -2 to 2: less the mean of each band over the frames in which there is something to hear; 0 in
    the others. That takes off what a microphone and a voice add to all of it (Atal 1974).
    """
    window = round(WINDOW * rate)
    points = 2 ** math.ceil(math.log2(2 * window))  # fine enough that even the lowest band has some
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
