"""Where the time of an answer went: the server's stages beside what the client measured itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

UNTIL_SENT: Final = ("endpoint", "transcript", "first_token", "first_sentence", "first_audio", "first_packet")
"""Stages one after another, from the end of the person's voice to the first packet of the coach's."""


@dataclass
class Turn:
    """One file and what came of it. Times are seconds; None is what did not happen."""

    name: str
    voice_to_voice: float | None = None
    """From the last loud packet sent to the first loud one that came."""
    silenced: float | None = None
    """Of an interruption: from its first loud packet to the last one of the coach's voice."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds, as the server told them."""

    @property
    def settled(self) -> bool:
        """It was answered, or it only had to silence the coach, and did."""
        return self.voice_to_voice is not None or self.silenced is not None

    @property
    def told(self) -> float | None:
        """Seconds that the server's stages add up to."""
        known = [self.stages[name] for name in UNTIL_SENT if name in self.stages]
        return sum(known) / 1000 if known else None

    def lines(self) -> list[str]:
        """For people."""
        said = [self._stages()] if self.stages else []
        if self.voice_to_voice is not None:
            said.append(f"{self.name}: answered {_ms(self.voice_to_voice)} after the last word, as measured here")
        elif self.silenced is None:
            said.append(f"{self.name}: no answer")
        if self.silenced is not None:
            said.append(f"{self.name}: the coach fell silent {_ms(self.silenced)} after the interruption began")
        return said

    def _stages(self) -> str:
        parts = " + ".join(
            f"{name.replace('_', ' ')} {self.stages[name]:.0f}" for name in UNTIL_SENT if name in self.stages
        )
        later = f"; confirmed {self.stages['confirmed']:.0f} later" if "confirmed" in self.stages else ""
        return f"{self.name}: {parts} = {_ms(self.told or 0)}{later}, as the server says"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
