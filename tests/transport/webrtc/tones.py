"""Sounds with known pitch and loudness, and what is left of them."""

import array
import math
from itertools import pairwise


def tone(hertz: float, seconds: float, rate: int, *, loud: float = 8000) -> bytes:
    """A sine, 16-bit mono PCM."""
    samples = (round(loud * math.sin(2 * math.pi * hertz * n / rate)) for n in range(round(seconds * rate)))
    return array.array("h", samples).tobytes()


def silence(seconds: float, rate: int) -> bytes:
    return bytes(2 * round(seconds * rate))


def loudness(pcm: bytes) -> float:
    """Root of the mean square; a sine's is 0.71 of its height."""
    samples = array.array("h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples)))


def pitch(pcm: bytes, rate: int) -> float:
    """Hertz, by how often the sound crosses zero upwards."""
    samples = array.array("h", pcm)
    return sum(before < 0 <= after for before, after in pairwise(samples)) * rate / max(1, len(samples))
