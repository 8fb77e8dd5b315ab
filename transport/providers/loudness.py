"""A speech detector without a model: speech is what is clearly louder than the room has been."""

import math
from typing import Any, Final

import numpy as np

SILENT: Final = -60.0
"""dB of the loudest there is; the floor is never below."""
SPEECH: Final = 12.0
"""dB above the floor at which it is as likely speech as not."""
SURE: Final = 3.0
"""dB from there to three quarters."""
RISE, FALL = 0.05, 0.3
"""How fast the floor follows what is louder, in dB a window (1.6 dB a second), and what is quieter, as a share."""


class LoudnessStream:
    """`media.SpeechStream`. Steady noise is the room after a while; a voice has pauses, so it never is."""

    def __init__(self) -> None:
        self._floor: float | None = None

    async def probability(self, window: bytes) -> float:
        level = decibels(window)
        floor = min(level, -40.0) if self._floor is None else self._floor
        floor += min(RISE, level - floor) if level > floor else FALL * (level - floor)
        self._floor = max(SILENT, floor)
        return 1 / (1 + math.exp(-(level - self._floor - SPEECH) * math.log(3) / SURE))

    def close(self) -> None: ...


def decibels(window: bytes) -> float:
    samples: np.ndarray[Any, np.dtype[np.float64]] = np.frombuffer(window, "<i2").astype(np.float64)
    power = float(np.mean(samples**2)) / 32768**2
    return 10 * math.log10(power) if power > 1e-10 else -100.0
