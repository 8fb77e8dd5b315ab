"""Sound that needs no recording: like speech, with a mark in it that is read again after codecs and losses.

A mark is three of ten tones between 4 and 7.6 kHz, beside the sound for all of its time; Opus at 24 kb/s keeps them.
"""

import itertools
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

Samples = np.ndarray[Any, np.dtype[np.float64]]

HEARD, SPOKEN = 16_000, 24_000
TONES: Final = tuple(range(4_000, 8_000, 400))
MARKS: Final = tuple(itertools.combinations(TONES, 3))
WINDOW: Final = 0.05
"""Seconds; the tones are multiples of its frequency."""
LEAST: Final = 3
"""Windows in a row that a mark must be seen in."""
VOWELS: Final = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
PITCH: Final = 130.0
SYLLABLE: Final = 0.19


def seconds_of(text: str) -> float:
    """How long the scripted speaker takes to say it."""
    return max(0.4, 0.065 * len(text))


def mark_of(text: str) -> int:
    return zlib.crc32(text.encode()) % len(MARKS)


@cache
def phrase(text: str, rate: int = HEARD) -> bytes:
    """The text as sound like speech, marked as that text."""
    return marked(voice(seconds_of(text), rate), mark_of(text), rate)


def tone(frequency: float, seconds: float, rate: int = HEARD, loudness: float = 0.3) -> bytes:
    return pcm(loudness * np.sin(2 * np.pi * frequency * _times(seconds, rate)))


def noise(seconds: float, loudness: float = 0.05, rate: int = HEARD, seed: int = 7) -> bytes:
    return pcm(loudness * np.random.default_rng(seed).standard_normal(round(seconds * rate)))


def silence(seconds: float, rate: int = HEARD) -> bytes:
    return bytes(2 * round(seconds * rate))


def voice(seconds: float, rate: int = HEARD) -> Samples:
    """Vowels in syllables: harmonics of a gliding pitch, as loud as the formants let each of them be."""
    times = _times(seconds, rate)
    pitch = PITCH * (1 + 0.15 * np.sin(2 * np.pi * 0.9 * times) + 0.02 * np.sin(2 * np.pi * 5.3 * times))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    place = times / SYLLABLE
    vowel = place.astype(int) % len(VOWELS)
    blend = np.clip((place % 1) * 4, 0, 1)[:, None]
    shapes = np.array(VOWELS, dtype=float)
    formants = shapes[vowel - 1] * (1 - blend) + shapes[vowel] * blend
    sound = np.zeros_like(times)
    for harmonic in range(1, 26):
        frequency = harmonic * pitch
        gain = sum(
            strength / (1 + ((frequency - formants[:, number]) / width) ** 2)
            for number, (strength, width) in enumerate(((1.0, 60), (0.6, 80), (0.3, 120)))
        )
        sound += gain * np.sin(harmonic * phase) / harmonic**0.5
    envelope = 0.25 + 0.75 * np.sin(np.pi * (place % 1)) ** 0.7
    loud: Samples = 0.35 * sound * envelope / np.max(np.abs(sound))
    return loud


def marked(sound: Samples, mark: int, rate: int = HEARD, loudness: float = 0.008) -> bytes:
    times = np.arange(len(sound)) / rate
    for frequency in MARKS[mark]:
        sound = sound + loudness * np.sin(2 * np.pi * frequency * times)
    return pcm(sound)


def marks(sound: bytes, rate: int = HEARD) -> Sequence[int]:
    """The marks in it, in order, each once for a run; a window without a clear one ends no run."""
    runs: list[tuple[int, int]] = []
    for mark in filter(lambda seen: seen is not None, _windows(sound, rate)):
        assert mark is not None
        if runs and runs[-1][0] == mark:
            runs[-1] = (mark, runs[-1][1] + 1)
        else:
            runs.append((mark, 1))
    long = [mark for mark, count in runs if count >= LEAST]
    return [mark for mark, _ in itertools.groupby(long)]


def _windows(sound: bytes, rate: int) -> Sequence[int | None]:
    size = round(WINDOW * rate)
    samples = np.frombuffer(sound[: len(sound) // 2 * 2], dtype="<i2").astype(float) / 32768
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    spectra = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1))
    powers = spectra[:, [round(frequency * WINDOW) for frequency in TONES]]
    return [_mark(power) for power in powers]


def _mark(power: Samples) -> int | None:
    order = np.argsort(power)
    clear = power[order[-3]] > 3 * power[order[-4]] and power[order[-3]] > 0.05
    return MARKS.index(tuple(TONES[place] for place in sorted(order[-3:]))) if clear else None


def pcm(sound: Samples) -> bytes:
    """16 bits little endian."""
    return np.asarray(np.clip(sound, -1, 1) * 32767, dtype="<i2").tobytes()


def loudness(sound: bytes) -> float:
    """Root mean square, 1 being the most there is."""
    samples = np.frombuffer(sound, dtype="<i2").astype(float) / 32768
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def _times(seconds: float, rate: int) -> Samples:
    return np.arange(round(seconds * rate)) / rate
