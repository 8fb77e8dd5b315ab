"""How long the user has heard nothing of the coach, and when that must be explained."""

from typing import Final

from actors.media import Progress
from actors.voice.timings import Timings

STUCK: Final = 5.0
"""Seconds in which a voice that has something to send sends nothing: it will not."""


class Silence:
    """Begins when the coach falls silent, or the user; fillers break it, and are said less and less often."""

    def __init__(self, timings: Timings) -> None:
        self.fillers = 0
        """How many were said since the user last spoke."""
        self._timings = timings
        self._since = self._moved_at = 0.0
        self._sent = 0
        self._sounded = False

    def begin(self, now: float) -> None:
        """It was not the coach's turn until now."""
        self._since, self.fillers = now, 0

    def filled(self, now: float) -> None:
        """A filler is on its way."""
        self._since, self.fillers = now, self.fillers + 1

    def listen(self, now: float, progress: Progress, *, sounds: bool, there: bool) -> None:
        """Whether the voice sounds, and whether anybody listens."""
        if sounds or self._sounded:
            self._since = now
        self._sounded = sounds
        if progress.sent != self._sent or not (there and sounds):
            self._sent, self._moved_at = progress.sent, now

    def resumed(self, now: float) -> None:
        self._moved_at = now

    @property
    def stuck_at(self) -> float:
        """When a voice that sounds has sent nothing for too long."""
        return self._moved_at + STUCK

    def filler_at(self, tool_since: float | None) -> float:
        """When the next filler is due; `tool_since`: a tool works, since then."""
        if self.fillers:
            return self._since + self._timings.again
        if tool_since is not None:
            return max(self._since, tool_since) + self._timings.tool
        return self._since + self._timings.thought
