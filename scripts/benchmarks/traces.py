"""What a network does to the packets of a voice, the same every time: lost, late, overtaken, or not sent in silence."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.calling.shaping import Shaping, Weather
from transport.webrtc.jitter import Packet

PACKET: Final = 0.02
"""Seconds of sound in a packet."""
CALM: Final = 50
"""Packets before and after, to which nothing happens."""
OVERTAKEN: Final = 0.03
"""Seconds by which a packet is late that the next one overtakes."""
IN_TIME: Final = 0.04
"""Seconds after its turn in which a packet must still be used."""
SEED: Final = 20
SSRC: Final = 1_000_000
TICKS: Final = 960
SILENCE: Final = 50
"""Packets of speech, then so many of silence, of which all but every twentieth are not sent (DTX)."""


@dataclass(frozen=True)
class Trace:
    """For each packet the seconds it takes longer; None: it is lost. `unsent`: those that a silent sender leaves out."""

    name: str
    delays: Sequence[float | None]
    unsent: frozenset[int] = frozenset()

    @property
    def arrivals(self) -> list[tuple[float, int]]:
        """(Time, number), in the order they come."""
        came = (
            (number * PACKET + delay, number)
            for number, delay in enumerate(self.delays)
            if delay is not None and number not in self.unsent
        )
        return sorted(came)

    def packets(self, sounds: Sequence[bytes]) -> dict[int, Packet]:
        """By number, which is also in the timestamp: the number times `TICKS`. Before silence a byte tells of it (DTX)."""
        sent = [number for number in range(len(self.delays)) if number not in self.unsent]
        return {
            number: Packet(SSRC, place, number * TICKS, sounds[number][: 1 if number + 1 in self.unsent else None])
            for place, number in enumerate(sent)
        }


async def replay(trace: Trace, sounds: Sequence[bytes], send: Callable[[Packet], Awaitable[None]]) -> None:
    """Each packet when it comes through."""
    loop = asyncio.get_running_loop()
    began, packets = loop.time(), trace.packets(sounds)
    for at, number in trace.arrivals:
        await asyncio.sleep(began + at - loop.time())
        await send(packets[number])


def traces(packets: int) -> list[Trace]:
    """The matrix: each with so many packets between the calm ones."""
    quiet = frozenset(
        CALM + n for n in range(packets) if n % (2 * SILENCE) >= SILENCE and (n % (2 * SILENCE) - SILENCE) % 20
    )
    return [
        *(_trace(f"{share:g} % loss", packets, _weather(share / 100)) for share in (0, 1, 2, 5)),
        _trace("2 % loss in bursts of 3", packets, _weather(0.02, burst=3)),
        _trace("2 % overtaken", packets, lambda chance: OVERTAKEN if chance.random() < 0.02 else 0.0),
        _trace("8 ms jitter", packets, lambda chance: min(max(chance.gauss(0.02, 0.008), 0.0), 0.04)),
        Trace("DTX, 2 % loss", _trace("", packets, _weather(0.02)).delays, quiet),
    ]


def in_time(arrivals: Sequence[tuple[float, int]]) -> set[int]:
    """Those that came within 40 ms of their turn, which is when they would have come as fast as the fastest before."""
    fastest, numbers = float("inf"), set[int]()
    for at, number in arrivals:
        late = at - number * PACKET
        fastest = min(fastest, late)
        if late <= fastest + IN_TIME and number >= arrivals[0][1]:
            numbers.add(number)
    return numbers


def _weather(loss: float, burst: int = 1) -> Callable[[random.Random], float | None]:
    shaping = Shaping(Weather(loss, burst=burst, seed=SEED))
    return lambda _: shaping.delay()


def _trace(name: str, packets: int, delay: Callable[[random.Random], float | None]) -> Trace:
    chance = random.Random(SEED)  # noqa: S311 - a repeatable network
    calm: list[float | None] = [0.0] * CALM
    return Trace(name, [*calm, *(delay(chance) for _ in range(packets)), *calm])
