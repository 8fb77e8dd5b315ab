"""Where the time of an answer went: the server's stages beside what the client measured itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

UNTIL_SENT: Final = ("endpoint", "transcript", "first_token", "first_sentence", "first_audio", "first_packet")
"""Stages one after another, from the end of the person's voice to the first packet of the coach's."""
APART: Final = 0.1
"""Seconds between the first sound and the answer's, from which on they are told apart."""


@dataclass
class Turn:
    """One file and what came of it. Times are seconds; None is what did not happen."""

    name: str
    voice_to_voice: float | None = None
    """From the last loud packet sent to the first loud one of the answer."""
    silenced: float | None = None
    """Of an interruption: from its first loud packet to the last one of the coach's voice."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds, as the server told them."""
    first_sound: float | None = None
    """From the last loud packet sent to the first loud one that came: of the answer, or of a filler before it."""
    written: bool = False
    """It was answered in writing: the call had broken down."""
    late: float | None = None
    """So long was waited for what did not come: the answer, or its end."""

    @property
    def settled(self) -> bool:
        """It was answered, or it only had to silence the coach, and did."""
        return self.late is None and (self.written or self.voice_to_voice is not None or self.silenced is not None)

    @property
    def told(self) -> float | None:
        """Seconds that the server's stages add up to."""
        known = [self.stages[name] for name in UNTIL_SENT if name in self.stages]
        return sum(known) / 1000 if known else None

    def lines(self) -> list[str]:
        """For people."""
        return [f"{self.name}: {said}" for said in (*self._server(), *self._here())]

    def _here(self) -> list[str]:
        said, came, answered = [], self.first_sound, self.voice_to_voice
        if came is not None and (answered is None or answered - came > APART):
            said.append(f"something else was said first, {_ms(came)} after the last word")
        if answered is not None:
            said.append(f"answered {_ms(answered)} after the last word, as measured here")
        elif self.written:
            said.append("answered in writing")
        elif self.silenced is None:
            said.append("no answer" if self.late is None else f"no answer within {self.late:g} s")
        if answered is not None and self.late is not None:
            said.append(f"the answer did not come to its end within {self.late:g} s")
        if self.silenced is not None:
            said.append(f"the coach fell silent {_ms(self.silenced)} after the interruption began")
        return said

    def _server(self) -> list[str]:
        if not self.stages:
            return []
        parts = " + ".join(
            f"{name.replace('_', ' ')} {self.stages[name]:.0f}" for name in UNTIL_SENT if name in self.stages
        )
        later = f"; confirmed {self.stages['confirmed']:.0f} later" if "confirmed" in self.stages else ""
        return [f"{parts} = {_ms(self.told or 0)}{later}, as the server says"]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
