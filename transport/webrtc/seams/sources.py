"""How many sources a peer may name: libsrtp keeps each for ever and looks through all of them for every packet, aiortc keeps
figures of each.
"""

from typing import Any, Final

import pylibsrtp
from aiortc import RTCPeerConnection

from transport.webrtc.seams.unfit import unfit

SOURCES: Final = 16
"""Known at once; the one that was silent longest is forgotten. A receiver report has room for 31."""
LONGEST: Final = 1500
"""Bytes of a datagram that pylibsrtp has room for; what it raises for longer ones would end the call."""
_SESSION: Final = "_rx_srtp"
_PER_SOURCE: Final = ("_RTCRtpReceiver__remote_streams", "_RTCRtpReceiver__active_ssrc")


def bound(pc: RTCPeerConnection) -> None:
    """To be called once it is connected."""
    for transport in {one.receiver.transport for one in pc.getTransceivers()}:
        session = getattr(transport, _SESSION, None)
        if isinstance(session, pylibsrtp.Session):
            setattr(transport, _SESSION, BoundSession(session, transport))
        elif not isinstance(session, BoundSession):
            unfit("sources")


class BoundSession:
    """In the place of the session that opens what comes."""

    def __init__(self, session: pylibsrtp.Session, transport: Any) -> None:
        self._session = session
        self._router = transport._rtp_router  # noqa: SLF001 - the seam
        self._sources: dict[int, None] = {}  # the longest silent first

    def unprotect(self, datagram: bytes) -> bytes:
        return self._noted(self._session.unprotect(_checked(datagram)), datagram[8:12])

    def unprotect_rtcp(self, datagram: bytes) -> bytes:
        return self._noted(self._session.unprotect_rtcp(_checked(datagram)), datagram[4:8])

    def _noted(self, packet: bytes, source: bytes) -> bytes:
        """Only what was rightly sealed names a source."""
        ssrc = int.from_bytes(source, "big")
        self._sources.pop(ssrc, None)
        self._sources[ssrc] = None
        if len(self._sources) > SOURCES:
            self._forget(next(iter(self._sources)))
        return packet

    def _forget(self, ssrc: int) -> None:
        del self._sources[ssrc]
        self._session.remove_stream(ssrc)
        self._router.ssrc_table.pop(ssrc, None)
        for receiver in self._router.receivers:
            for name in _PER_SOURCE:
                getattr(receiver, name, {}).pop(ssrc, None)


def _checked(datagram: bytes) -> bytes:
    if len(datagram) > LONGEST:
        raise pylibsrtp.Error("too long")
    return datagram
