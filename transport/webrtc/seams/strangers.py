"""Datagrams of strangers, which aioice hands on to DTLS: one empty datagram to the port ends a call."""

import asyncio
from collections import Counter
from collections.abc import Callable
from struct import error as struct_error
from typing import Any, Final

from aioice.stun import parse_message
from aiortc import RTCPeerConnection

from transport.webrtc.seams.unfit import unfit

STUN: Final = 4
"""First bytes below this are STUN's (RFC 7983), and authenticated by it."""
WAITING: Final = 500
"""Datagrams that may wait to be read; more are dropped."""
_PLACES: Final = {"_protocols": list, "_remote_candidates": list, "_queue": asyncio.Queue}
_GARBAGE: Final = (ValueError, LookupError, TypeError, AssertionError, struct_error)


def keep_out(pc: RTCPeerConnection, counts: Counter[str]) -> None:
    """Once candidates are gathered: sound and data are taken only from addresses that were offered, or proved to be the peer's."""
    for transceiver in pc.getTransceivers():
        connection = getattr(transceiver.receiver.transport.transport, "_connection", None)
        if not all(isinstance(getattr(connection, name, None), kind) for name, kind in _PLACES.items()):
            unfit("strangers")
            return
        for protocol in connection._protocols:  # type: ignore[union-attr]  # noqa: SLF001 - just looked at
            protocol.datagram_received = Guard(protocol.datagram_received, connection, counts)


class Guard:
    """In the place of a protocol's `datagram_received`."""

    def __init__(self, stock: Callable[[Any, Any], None], connection: Any, counts: Counter[str]) -> None:
        self._stock = stock
        self._connection = connection
        self._counts = counts
        self._known: set[tuple[str, int]] = set()

    def __call__(self, datagram: bytes, sender: tuple[Any, ...]) -> None:
        if datagram and datagram[0] < STUN:
            self._stun(datagram, sender)
        elif datagram and self._knows((sender[0], sender[1])) and self._connection._queue.qsize() < WAITING:  # noqa: SLF001
            self._stock(datagram, sender)
        else:
            self._counts["strangers"] += 1

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
