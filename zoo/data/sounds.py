"""A user's sound files: finding them, reading them with SciPy, and converting them to log-mel frames."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.io import wavfile
from scipy.signal import resample_poly

from zoo.data.files import files_below

WINDOW, HOP = 0.025, 0.010  # seconds that a frame covers, and between the starts of two frames
LOWEST = 50  # hertz; leaves out the hum of the mains
RANGE = 2.0  # dynamic range kept below the loudest value, in powers of ten of the amplitude: 40 decibels
FAINTEST = 1e-5  # floor of the amplitude in a band; samples that stay below 10**RANGE times that count as silence
LOUD = 1000.0  # no program writes samples this large if it means the range -1 to 1
RATES = (1_000, 768_000)  # smallest and largest plausible sampling rate of a file, in hertz


def find_sounds(folder: Path) -> list[Path]:
    """All WAV files below `folder` in a fixed order; hidden files are left out."""
    return files_below(folder, {".wav", ".wave"})


def read_sound(path: Path, rate: int) -> np.ndarray:
    """The samples of a WAV file, (N,) float32 in -1..1: the mean of its channels, resampled to `rate` hertz.

    Raises:
        OSError: the file is not a WAV file, is broken or truncated, or contains no sound; the message says which.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # about chunks such as titles between the samples
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
        try:
            was, samples = wavfile.read(path)
        except OSError:
            raise
        except wavfile.WavFileWarning as error:
            raise OSError(f"it is cut off: {error}") from error
        except Exception as error:  # SciPy raises almost any error on broken input
            raise OSError(f"{type(error).__name__}: {error}") from error
    if not samples.size:
        raise OSError("it holds no sound")
    if not RATES[0] <= was <= RATES[1]:
        raise OSError(f"it claims {was} samples a second")
    if not np.isfinite(samples).all():
        raise OSError("it contains NaN or infinity")
    if samples.dtype.kind == "f" and np.abs(samples).max() > LOUD:
        raise OSError(f"its samples reach {np.abs(samples).max():g}, but fractions go from -1 to 1")
    return resampled(of_one(samples), was, rate)


def of_one(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) or (N, channels) mixed to one channel, float32 (N,); integers of any type are scaled to -1..1."""
    kind = samples.dtype
    if kind.kind != "f":
        zero = 128 if kind == np.uint8 else 0  # 8-bit WAV files are unsigned
        samples = (samples - np.float64(zero)) / (128 if zero else -float(np.iinfo(kind).min))
    return np.float32(samples.reshape(len(samples), -1).mean(1))


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
