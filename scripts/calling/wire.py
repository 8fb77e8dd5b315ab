"""A bad network under a client: its voice packets are lost and delayed on their way out."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Final

from scripts.calling.shaping import Shaping

Send = Callable[[bytes], Awaitable[None]]
_RTP: Final = range(128, 192)
_RTCP: Final = range(192, 224)


class Wire:
    """`send` in place of an ICE transport's, `onward`. Handshakes, reports and data go through untouched.

    Holds what is under way, at most the longest delay's worth of packets.
    """

    def __init__(self, onward: Send, shaping: Shaping) -> None:
        self.onward = onward
        self._shaping = shaping
        self._under_way: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()
        self._news = asyncio.Event()

    async def send(self, packet: bytes) -> None:
        if not is_voice(packet):
            await self.onward(packet)
            return
        delay = self._shaping.delay()
        if delay is not None:
            heapq.heappush(self._under_way, (asyncio.get_running_loop().time() + delay, next(self._numbers), packet))
            self._news.set()

    async def run(self) -> None:
        """Until cancelled. What comes to a transport that has closed is lost."""
        while True:
            until = self._under_way[0][0] - asyncio.get_running_loop().time() if self._under_way else None
            if until is None or until > 0:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), until)
                continue
            with contextlib.suppress(ConnectionError):
                await self.onward(heapq.heappop(self._under_way)[2])


def is_voice(packet: bytes) -> bool:
    """RTP, which shares its port with DTLS, STUN and RTCP (RFC 7983, RFC 5761)."""
    return len(packet) > 1 and packet[0] in _RTP and packet[1] not in _RTCP
