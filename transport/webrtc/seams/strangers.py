"""Datagrams of strangers, which aioice hands on to DTLS, and floods: one empty datagram to the port would end a call."""

import asyncio
from collections import Counter
from collections.abc import Callable
from struct import error as struct_error
from typing import Any, Final, NamedTuple

from aioice.stun import parse_message
from aiortc import RTCPeerConnection

from transport.webrtc.seams.unfit import unfit

STUN: Final = 4
"""First bytes below this are STUN's (RFC 7983), and authenticated by it."""
PEERS: Final = 500
"""Datagrams of the peer a second, and at once; more are dropped before anything is decrypted. A call has some 60."""
STRANGERS: Final = 100
"""Of anybody else, whose first checks are among them."""
_PLACES: Final = {"_protocols": list, "_remote_candidates": list}
_GARBAGE: Final = (ValueError, LookupError, TypeError, AssertionError, struct_error)


def keep_out(pc: RTCPeerConnection, counts: Counter[str]) -> None:
    """Once candidates are gathered: sound and data are taken only from addresses that were offered, or proved to be the peer's."""
    now = asyncio.get_running_loop().time
    paces = Paces(Pace(PEERS, now), Pace(STRANGERS, now))
    for transceiver in pc.getTransceivers():
        connection = getattr(transceiver.receiver.transport.transport, "_connection", None)
        if not all(isinstance(getattr(connection, name, None), kind) for name, kind in _PLACES.items()):
            unfit("strangers")
            return
        for protocol in connection._protocols:  # type: ignore[union-attr]  # noqa: SLF001 - just looked at
            protocol.datagram_received = Guard(protocol.datagram_received, connection, counts, paces)


class Pace:
    """So many a second, and as many at once."""

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self._rate = self._credit = rate
        self._now = now
        self._at = now()

    def keeps(self) -> bool:
        """Whether one more does."""
        at = self._now()
        self._credit = min(self._rate, self._credit + (at - self._at) * self._rate)
        self._at = at
        if self._credit < 1:
            return False
        self._credit -= 1
        return True


class Paces(NamedTuple):
    peer: Pace
    strangers: Pace


class Guard:
    """In the place of a protocol's `datagram_received`."""

    def __init__(self, stock: Callable[[Any, Any], None], connection: Any, counts: Counter[str], paces: Paces) -> None:
        self._stock = stock
        self._connection = connection
        self._counts = counts
        self._paces = paces
        self._known: set[tuple[str, int]] = set()

    def __call__(self, datagram: bytes, sender: tuple[Any, ...]) -> None:
        known = self._knows((sender[0], sender[1]))
        stun = bool(datagram) and datagram[0] < STUN
        if not datagram or not (known or stun):
            self._counts["strangers"] += 1
        elif not (self._paces.peer if known else self._paces.strangers).keeps():
            self._counts["flooded"] += 1
        elif stun:
            self._stun(datagram, sender)
        else:
            self._stock(datagram, sender)

    def _stun(self, datagram: bytes, sender: tuple[Any, ...]) -> None:
        """Its parser stumbles over some of what is no STUN, and what it can't parse it takes for data."""
        try:
            parse_message(datagram)
            self._stock(datagram, sender)
        except _GARBAGE:
            self._counts["stun_garbage"] += 1

    def _knows(self, address: tuple[str, int]) -> bool:
        """Addresses are learned from checks that were signed with the call's password."""
        if address not in self._known:
            self._known.update((one._network_host, one.port) for one in self._connection._remote_candidates)  # noqa: SLF001
        return address in self._known
