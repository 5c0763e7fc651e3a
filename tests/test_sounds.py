"""Sound files and their frames: read, placed, heard and varied as the formulas say."""

import struct
import wave

import numpy as np
import pytest
from scipy.io import wavfile

from zoo.data import Vary
from zoo.data.layout import layout_of
from zoo.data.sounds import add_facts, find_sounds, heard, in_words, log_mel, placed, read_sound, samples_of
from zoo.errors import UserError


def tone(hertz: float, seconds: float = 0.5, rate: int = 8000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def test_frames_by_the_formula():
    """The definition in numpy: Hann window, power spectrum, triangles on the mel scale, powers of ten."""
    random, rate, mels = np.random.default_rng(0), 8000, 40
    sound = np.float32(tone(440, 0.3) + 0.01 * random.standard_normal(2400))
    ours = log_mel(sound[None], rate, mels)[0].numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    places = range(0, len(sound) - 200 + 1, 80)
    power = np.abs([np.fft.rfft(sound[at : at + 200] * window, 512) for at in places]) ** 2
    mel_of_bin = 2595 * np.log10(1 + np.arange(257) * rate / 512 / 700)
    edges = np.linspace(*(2595 * np.log10(1 + np.array((50, rate / 2)) / 700)), mels + 2)
    bands = [np.interp(mel_of_bin, edges[at : at + 3], (0, 1, 0)) for at in range(mels)]
    decades = np.log10(power @ np.transpose(bands)) / 2
    np.testing.assert_allclose(ours, expected := np.maximum(2 + decades - decades.max(), 0), atol=1e-3)
    expected -= expected.mean(0)  # no frame of it is silent
    np.testing.assert_allclose(log_mel(sound[None], rate, mels, True)[0], expected, atol=1e-3)
    later = log_mel(np.pad(sound, (8000, 0))[None], rate, mels, True)[0].numpy()
    np.testing.assert_allclose(later[-20:].std(0), expected[-20:].std(0), atol=0.02)
    assert not later[:90].any()
    assert ours.shape == (len(places), mels)
    assert samples_of(len(places), rate) == places[-1] + 200
    assert ours.max() == pytest.approx(2)
    peak = edges[1 + ours.mean(0).argmax()]
    assert peak == pytest.approx(2595 * np.log10(1 + 440 / 700), abs=edges[1] - edges[0])


def test_level_does_not_matter_and_silence_is_silent():
    sound = np.float32(tone(440) + 1e-2 * np.random.default_rng(0).standard_normal(4000))
    loud, quiet, silent = log_mel(np.stack([sound, sound / 100, 0 * sound]), 8000, 64).numpy()
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert not silent.any()


@pytest.mark.parametrize("mels", [8, 64, 128])
@pytest.mark.parametrize("rate", [4000, 8000, 16_000, 44_100])
def test_every_band_hears(mels, rate):
    noise = np.float32(np.random.default_rng(0).standard_normal((1, rate)))
    assert log_mel(noise, rate, mels).numpy().mean((0, 1)).min() > 0.5


def test_what_is_heard_of_shorter_and_longer_sounds():
    short = np.float32([1, 2, 3])
    np.testing.assert_array_equal(placed(short, 6), [0, 0, 0, 1, 2, 3])
    np.testing.assert_array_equal(placed(short, 3), short)
    long = np.float32([1, 0, 0, 2, -9, 2, 0, 0])
    np.testing.assert_array_equal(placed(long, 3), [2, -9, 2])
    assert len(placed(long, 7)) == 7


def test_variation_by_the_formula():
    """A ramp among the numbers shows how far each example was changed; numpy computes what that makes of all others."""
    frames = np.random.default_rng(0).random((3, 40, 16), np.float32)
    frames[:, :, 3], frames[:, 39, :] = np.arange(40), np.arange(16)

    def varied(**how):
        return Vary(**how).function()(frames, None, 0, 0)[0].numpy()

    np.testing.assert_allclose(varied(speed=1e-9), frames, atol=1e-5)
    moved, faster, higher = varied(shift=0.3), varied(speed=0.3), varied(pitch=0.3)
    changes = []
    for at, was in enumerate(frames):
        by = moved[at, 20, 3] - 20
        np.testing.assert_allclose(moved[at], between(was, np.arange(40) + by), atol=5e-3)
        by = faster[at, 20, 3] - faster[at, 19, 3]
        np.testing.assert_allclose(faster[at], between(was, (np.arange(40) - 19.5) * by + 19.5), atol=5e-3)
        changes += [moved[at, 20, 3] - 20, by - 1, higher[at, 39, 10] / 10 - 1]
        by = higher[at, 39, 10] / 10
        np.testing.assert_allclose(higher[at].T, between(was.T, np.arange(16) * by), atol=5e-3)
    assert len(set(changes)) == 9
    assert (np.abs(changes).reshape(3, 3).max(0) <= (12, 0.3, 0.3)).all()
    assert np.abs(changes).min() > 1e-4


def between(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Each column between the rows as numpy interpolates it, zero outside."""
    ends = np.arange(-1, len(rows) + 1)
    return np.stack([np.interp(places, ends, [0, *column, 0], left=0, right=0) for column in rows.T], 1)


@pytest.mark.parametrize("bits", [8, 16, 24, 32, "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_kind_of_wav(bits, channels, tmp_path):
    """Whole numbers are written by Python's own `wave`."""
    path, sound = tmp_path / "x.wav", tone(440, rate=16_000)
    written = np.repeat(sound[:, None], channels, 1)
    if isinstance(bits, str):
        wavfile.write(path, 16_000, written.astype(bits))
    else:
        numbers = np.round(written * (2 ** (bits - 1) - 1)).astype(np.int64) + (128 if bits == 8 else 0)
        raw = numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : bits // 8]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(bits // 8)
            file.setframerate(16_000)
            file.writeframes(raw.tobytes())
    seen = read_sound(path, 16_000)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, sound, atol=0.01 if bits == 8 else 1e-4)
    half = read_sound(path, 8000)
    np.testing.assert_allclose(half[100:-100], tone(440)[100:-100], atol=0.02)


def chunk(name: bytes, content: bytes, size: int | None = None, padded: bool = True) -> bytes:
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + b"\0" * (padded and len(content) % 2)


FORM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16))
SAMPLES = np.int16(tone(440) * 32767).tobytes()


@pytest.mark.parametrize("riff", [None, 0, 36, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("size", [0, 2**31 - 1, 2**31 - 4096, 2**31, 2**32 - 1 - 36, 2**32 - 1])
def test_sizes_that_a_stream_does_not_know(riff, size, tmp_path):
    body = b"WAVE" + chunk(b"LIST", b"INFOxyz") + FORM + chunk(b"data", SAMPLES + b"\0", size, padded=False)
    (tmp_path / "x.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body)
    np.testing.assert_allclose(read_sound(tmp_path / "x.wav", 8000), tone(440), atol=1e-4)


@pytest.mark.parametrize("known", [0, len(SAMPLES), 2**64 - 1])
def test_a_file_with_64_bits_for_its_sizes(known, tmp_path):
    sizes = chunk(b"ds64", struct.pack("<QQQI", known, known, 0, 0))
    body = b"WAVE" + sizes + FORM + chunk(b"data", SAMPLES, 2**32 - 1)
    (tmp_path / "x.wav").write_bytes(b"RF64\xff\xff\xff\xff" + body)
    np.testing.assert_allclose(read_sound(tmp_path / "x.wav", 8000), tone(440), atol=1e-4)


def test_chunks_around_the_samples(tmp_path):
    unpadded = chunk(b"LIST", b"INFOodd", padded=False)
    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16_000, 2, 16, 22, 16, 4)
    guid = b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    body = b"WAVE" + chunk(b"fmt ", extensible + guid) + unpadded + chunk(b"data", SAMPLES) + chunk(b"LIST", b"INFO")
    (tmp_path / "x.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    np.testing.assert_allclose(read_sound(tmp_path / "x.wav", 8000), tone(440), atol=1e-4)
    body = b"WAVE" + FORM + chunk(b"data", b"") + chunk(b"LIST", b"INFO")
    (tmp_path / "x.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with pytest.raises(OSError, match="it holds no sound"):
        read_sound(tmp_path / "x.wav", 8000)


def test_channels_that_cancel_each_other_out(tmp_path):
    left, other = np.float32(tone(440)), np.float32(tone(600))
    pairs = {
        "opposite": (np.stack([left, -0.9 * left], 1), left),
        "different": (np.stack([left, other], 1), (left + other) / 2),
        "one": (np.stack([left] + 5 * [0 * left], 1), left / 6),
        "silent": (np.zeros((4000, 2), np.float32), 0 * left),
        "clipped": (np.float32(np.clip(9 * left, -1, 1)), np.clip(9 * left, -1, 1)),
    }
    facts = {}
    for name, (channels, expected) in pairs.items():
        wavfile.write(tmp_path / "x.wav", 8000, channels)
        sound = heard(tmp_path / "x.wav", 8000)
        np.testing.assert_allclose(sound.wave, expected, atol=1e-6)
        assert sound.remarks == ((name,) if name in ("opposite", "silent", "clipped") else ())
        add_facts(facts, sound)
    said = " / ".join(in_words(facts))
    assert "8,000 (5); the shortest lasts 0.5 s" in said
    assert "nothing is heard of 1" in said
    assert "the channels of 1 are in opposite phases" in said


def test_what_a_library_would_read_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.data.sounds.soundfile", None)
    names = [f"{label}/{number}.wav" for label in "ab" for number in range(3)]
    for name in (*names, "a/x.flac", "a/y.mp3", "a/z.m4a", "c/x.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    hint = "(not a kind that is read); soundfile reads .flac{}: pip install soundfile"
    with pytest.raises(UserError) as raised:  # a class of others alone
        layout_of(tmp_path, find_sounds, "sound", "1.wav")
    assert f"and test; left out of c: 1 .flac {hint.format('')}" in str(raised.value)
    (tmp_path / "c/x.flac").unlink()
    (tmp_path / "c").rmdir()
    said = layout_of(tmp_path, find_sounds, "sound", "1.wav").said
    assert said == [f"left out of a: 1 .flac, 1 .m4a, 1 .mp3 {hint.format(', .mp3')}"]
    for name in names:
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"it has 1 .flac, .*; soundfile reads .flac, .mp3: pip install soundfile"):
        layout_of(tmp_path, find_sounds, "sound", "1.wav")


@pytest.mark.parametrize("ending", ["flac", "ogg", "mp3", "aiff"])
def test_what_libsndfile_reads(ending, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / f"x.{ending}", np.stack([tone(440), tone(440)], 1), 8000)
    seen = read_sound(tmp_path / f"x.{ending}", 8000)
    np.testing.assert_allclose(seen[500:3500], tone(440)[500:3500], atol=0.05 if ending in ("ogg", "mp3") else 1e-3)
    (tmp_path / f"y.{ending}").write_bytes(b"<html></html>")
    with pytest.raises(OSError, match="LibsndfileError"):
        read_sound(tmp_path / f"y.{ending}", 8000)


def cut(good: bytes) -> bytes:
    return good[: len(good) // 2]


def no_number(good: bytes) -> bytes:
    return good[:-4] + np.float32(np.nan).tobytes()


def odd_rate(good: bytes) -> bytes:
    return good[:24] + np.uint32(7).tobytes() + np.uint32(28).tobytes() + good[32:]


def too_loud(good: bytes) -> bytes:
    return good[:-4] + np.float32(1e30).tobytes()


BROKEN = {
    "text": (lambda good: b"this is a text", "File format b'this' not understood"),
    "empty": (lambda good: b"", "File format b'' not understood"),
    "cut off": (cut, "it is cut off"),
    "no number": (no_number, "it contains NaN or infinity"),
    "too loud": (too_loud, r"its samples reach 1e\+30, but fractions go from -1 to 1"),
    "odd rate": (odd_rate, "it claims 7 samples a second"),
    "compressed": (lambda good: good[:20] + b"\x55" + good[21:], "MPEG"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files(kind, tmp_path):
    how, words = BROKEN[kind]
    wavfile.write(tmp_path / "x.wav", 8000, np.float32(tone(440)))
    (tmp_path / "x.wav").write_bytes(how((tmp_path / "x.wav").read_bytes()))
    with pytest.raises(OSError, match=words):
        read_sound(tmp_path / "x.wav", 8000)


def test_file_without_samples(tmp_path):
    wavfile.write(tmp_path / "x.wav", 8000, np.zeros(0, np.int16))
    with pytest.raises(OSError, match="it holds no sound"):
        read_sound(tmp_path / "x.wav", 8000)
