"""Puts the packets of one RTP stream in order: at once where none is missing, after a short wait where one is.

Pure: the time comes with each call. The words are those of RFC 3550 and of `RTCInboundRtpStreamStats`.
"""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

PATIENCE: Final = 0.04
"""Seconds a missing packet is waited for, from the first newer one."""
NEWER: Final = 3
"""So many newer packets, the last at least `PATIENCE` of sound behind the first, end that wait too: what came in a burst is
late already."""
HELD: Final = 64
"""Packets held at most. One more, and the missing ones before them are given up: none of those that came is dropped."""
CLOCK: Final = 48_000
"""Ticks a second of an Opus timestamp (RFC 7587, 4.1)."""
MAX_DROPOUT: Final = 3_000
MAX_MISORDER: Final = 100
"""What is further ahead or behind is a restart of the stream (RFC 3550, A.1), if the packet after it says so too."""

_SEQUENCE: Final = 1 << 16
_TIMESTAMP: Final = 1 << 32
_REMEMBERED: Final = (1 << HELD) - 1


class Packet(msgspec.Struct, frozen=True, gc=False):
    """What of an RTP packet matters here. An empty payload keeps its place in the sequence and holds no sound."""

    ssrc: int
    sequence: int
    timestamp: int
    payload: bytes


class Released(msgspec.Struct, frozen=True, gc=False):
    """A packet whose turn it is, how many were lost right before it, and the seconds it was held."""

    packet: Packet
    lost: int
    delay: float


class Counts(msgspec.Struct):
    """Packets. `delay`: seconds that all released ones were held, together; `overflow`: waits that ended as the buffer was full."""

    released: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    overflow: int = 0
    strange: int = 0
    restarts: int = 0
    delay: float = 0.0


class JitterBuffer:
    """Whatever comes within 40 ms of its turn is released, in order and once.

    A packet's turn is when it would have come, had it taken no longer than the fastest before it.
    """

    __slots__ = ("_held", "_history", "_next", "_ssrc", "_strange", "counts")

    def __init__(self) -> None:
        self.counts = Counts()
        self._ssrc: int | None = None
        self._next = 0
        self._held: dict[int, tuple[Packet, float]] = {}  # as they came
        self._history = 0  # bit n: whether the packet n + 1 before the next one was released, for the last 64
        self._strange: tuple[Packet, float] | None = None

    @property
    def next_deadline(self) -> float:
        """When `release` has something to do though no packet comes; infinite: not before one does."""
        return next(iter(self._held.values()))[1] + PATIENCE if self._held else math.inf

    def add(self, packet: Packet, now: float) -> list[Released]:
        """Take a packet; answers those whose turn it is now."""
        if self._ssrc is None:
            self._begin(packet)
        ahead = (packet.sequence - self._next) % _SEQUENCE
        if packet.ssrc != self._ssrc or MAX_DROPOUT <= ahead < _SEQUENCE - MAX_MISORDER:
            return self._restarted(packet, now)
        self._forget_strange()
        if ahead >= MAX_DROPOUT:
            self._past(_SEQUENCE - ahead)
        elif packet.sequence in self._held:
            self.counts.duplicate += 1
        else:
            self._held[packet.sequence] = (packet, now)
        return self.release(now)

    def release(self, now: float) -> list[Released]:
        """Those whose turn it is, which waiting alone may bring."""
        return list(self._released(now))

    def _released(self, now: float) -> Iterator[Released]:
        while self._held:
            if self._next not in self._held and not self._given_up(now):
                return
            yield self._pop(now)

    def _given_up(self, now: float) -> bool:
        if now >= self.next_deadline:
            return True
        if len(self._held) > HELD:
            self.counts.overflow += 1
            return True
        if len(self._held) < NEWER:
            return False
        first, last = (self._held[end(self._held, key=self._ahead)][0] for end in (min, max))
        apart = (last.timestamp - first.timestamp) % _TIMESTAMP
        return PATIENCE * CLOCK <= apart < _TIMESTAMP // 2

    def _pop(self, now: float) -> Released:
        """The oldest that is held; what is missing before it is lost."""
        sequence = self._next if self._next in self._held else min(self._held, key=self._ahead)
        lost = self._ahead(sequence)
        packet, arrived = self._held.pop(sequence)
        self._next = (sequence + 1) % _SEQUENCE
        self._history = (self._history << min(lost + 1, HELD) | 1) & _REMEMBERED
        self.counts.released += 1
        self.counts.lost += lost
        self.counts.delay += now - arrived
        return Released(packet, lost, now - arrived)

    def _ahead(self, sequence: int) -> int:
        return (sequence - self._next) % _SEQUENCE

    def _past(self, behind: int) -> None:
        """A packet so far behind the next one: released before, or given up."""
        if self._history >> (behind - 1) & 1:
            self.counts.duplicate += 1
        else:
            self.counts.late += 1

    def _restarted(self, packet: Packet, now: float) -> list[Released]:
        """Two in a row that don't belong to the stream begin another; one alone is garbage."""
        first = self._strange
        if first is None or packet.ssrc != first[0].ssrc or packet.sequence != (first[0].sequence + 1) % _SEQUENCE:
            self._forget_strange()
            self._strange = (packet, now)
            return []
        before = [self._pop(now) for _ in list(self._held)]
        self._begin(first[0])
        self.counts.restarts += 1
        self._held = {first[0].sequence: first, packet.sequence: (packet, now)}
        return before + self.release(now)

    def _forget_strange(self) -> None:
        if self._strange is not None:
            self.counts.strange += 1
            self._strange = None

    def _begin(self, packet: Packet) -> None:
        self._ssrc, self._next = packet.ssrc, packet.sequence
        self._history, self._strange = 0, None
