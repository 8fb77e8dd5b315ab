"""A bad network: which packets are lost and how long the others take, the same for the same seed."""

import random
from dataclasses import dataclass
from typing import Final

PACKET: Final = 0.02
"""Seconds between packets of a voice."""


@dataclass(frozen=True)
class Weather:
    """`loss`: the share of packets that is lost, 0 to 1, `burst` of them in a row. `jitter`: seconds a packet takes longer, at most."""

    loss: float = 0.0
    jitter: float = 0.0
    burst: int = 1
    seed: int = 1

    @property
    def clear(self) -> bool:
        return not (self.loss or self.jitter)


class Shaping:
    """Decides packet by packet; `lost` of `seen`."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._chance = random.Random(weather.seed)  # noqa: S311 - no secret, a repeatable network
        self._losing = 0
        self.seen = self.lost = 0

    def delay(self) -> float | None:
        """Seconds the next packet takes longer; None: it is lost."""
        self.seen += 1
        if not self._losing and self._chance.random() < self._begins:
            self._losing = self._weather.burst
        if self._losing:
            self._losing -= 1
            self.lost += 1
            return None
        return self._chance.uniform(0, self._weather.jitter)

    @property
    def _begins(self) -> float:
        """How likely a burst begins with the next packet, so that in the long run as many are lost as it says."""
        loss, burst = self._weather.loss, self._weather.burst
        return loss / (burst - loss * (burst - 1)) if loss < 1 else 1.0
