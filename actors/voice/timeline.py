"""The stages of one turn, from the end of the user's speech to the coach's voice at the listener's ear."""

from collections.abc import Mapping
from typing import Final

STAGES: Final = ("endpoint", "transcript", "first_token", "first_sentence", "first_audio", "first_packet", "confirmed")
"""Each begins where the one before ends; the first begins with the end of the speech."""


class Marks:
    """When each stage ended. What comes again, or before its time, is not marked."""

    def __init__(self, spoken_until: float) -> None:
        self._times = [spoken_until]
        self.closed = False
        """It was told."""

    @property
    def last(self) -> float:
        return self._times[-1]

    def mark(self, stage: str, now: float) -> None:
        """The stage has ended; those before it that nobody marked have, too."""
        number = STAGES.index(stage) + 1
        while len(self._times) <= number:
            self._times.append(now)

    def has(self, stage: str) -> bool:
        return len(self._times) > STAGES.index(stage) + 1

    def stages(self) -> Mapping[str, int]:
        """Milliseconds, which add up to the whole: rounding is of the sums."""
        passed = [round(1000 * (time - self._times[0])) for time in self._times]
        return {stage: passed[n + 1] - passed[n] for n, stage in enumerate(STAGES[: len(passed) - 1])}
