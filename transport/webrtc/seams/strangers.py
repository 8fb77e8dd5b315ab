"""Datagrams of strangers, which aioice hands on to DTLS: one empty datagram to the port ends a call."""

from collections import Counter
from collections.abc import Callable
from struct import error as struct_error
from typing import Any, Final

from aiortc import RTCPeerConnection

from transport.webrtc.seams.unfit import unfit

STUN: Final = 4
"""First bytes below this are STUN's (RFC 7983), and authenticated by it."""
WAITING: Final = 500
"""Datagrams that may wait to be read; more are dropped."""
_GARBAGE: Final = (ValueError, LookupError, TypeError, AssertionError, struct_error)


def keep_out(pc: RTCPeerConnection, counts: Counter[str]) -> None:
    """Once candidates are gathered: what is not STUN is taken only from addresses that were offered or have proved to be the peer's."""
    for transceiver in pc.getTransceivers():
        connection = getattr(transceiver.receiver.transport.transport, "_connection", None)
        protocols = getattr(connection, "_protocols", None)
        if not isinstance(protocols, list) or not isinstance(getattr(connection, "_remote_candidates", None), list):
            unfit("strangers")
            return
        for protocol in protocols:
            protocol.datagram_received = _guarded(protocol.datagram_received, connection, counts)


def _guarded(stock: Callable[[Any, Any], None], connection: Any, counts: Counter[str]) -> Callable[[Any, Any], None]:
    known: set[tuple[str, int]] = set()

    def received(datagram: bytes, sender: tuple[Any, ...]) -> None:
        address = (sender[0], sender[1])
        if not datagram:
            counts["strangers"] += 1
        elif datagram[0] < STUN:
            _stun(stock, datagram, sender, counts)
        elif (address in known or _learn(known, connection, address)) and connection._queue.qsize() < WAITING:  # noqa: SLF001
            stock(datagram, sender)
        else:
            counts["strangers"] += 1

    return received


def _stun(stock: Callable[[Any, Any], None], datagram: bytes, sender: Any, counts: Counter[str]) -> None:
    """Its parser stumbles over some of what is no STUN."""
    try:
        stock(datagram, sender)
    except _GARBAGE:
        counts["stun_garbage"] += 1


def _learn(known: set[tuple[str, int]], connection: Any, address: tuple[str, int]) -> bool:
    """Addresses are learned from checks that were signed with the call's password."""
    known.update((one._network_host, one.port) for one in connection._remote_candidates)  # noqa: SLF001 - the seam
    return address in known
