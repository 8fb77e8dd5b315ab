"""How loud sound is, frame by frame, and whether two sounds rise and fall together."""

from collections.abc import Sequence
from math import sqrt
from typing import Final

LEAST: Final = 15
"""Frames that must be compared to say anything."""
SKIPPED: Final = 4
"""Of so many samples one is looked at: voices are loud below 3 kHz."""
EVEN: Final = 0.05
"""Sound that varies by less than this share of its mean tells nothing about whose it is."""


class Levels:
    """Peaks of PCM of 16 bits, one for each whole frame of `samples`."""

    def __init__(self, samples: int) -> None:
        self.peaks: list[int] = []
        self._bytes = 2 * samples
        self._rest = b""

    def add(self, pcm: bytes) -> None:
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % self._bytes
        self._rest = sound[whole:]
        for start in range(0, whole, self._bytes):
            samples = memoryview(sound)[start : start + self._bytes].cast("h")[::SKIPPED]
            self.peaks.append(max(*samples, -min(samples)))


def likeness(heard: Sequence[int], played: Sequence[int]) -> float:
    """How much what was heard rises and falls as something in what was played did: 1 is the same, 0 unlike or unknown.

    The correlation of the peaks, at the lag at which it is greatest; `played` is the longer one.
    """
    if len(heard) < LEAST:
        return 0.0
    lags = range(len(played) - len(heard) + 1)
    return max((_correlation(heard, played[lag : lag + len(heard)]) for lag in lags), default=0.0)


def _correlation(one: Sequence[int], other: Sequence[int]) -> float:
    first, second = sum(one) / len(one), sum(other) / len(other)
    ones, others = [level - first for level in one], [level - second for level in other]
    spread, wide = sqrt(sum(d * d for d in ones)), sqrt(sum(d * d for d in others))
    if spread <= EVEN * first * sqrt(len(one)) or wide <= EVEN * second * sqrt(len(one)):
        return 0.0
    return sum(a * b for a, b in zip(ones, others, strict=True)) / (spread * wide)
