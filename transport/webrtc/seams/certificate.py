"""One DTLS certificate for all calls of a node, where aiortc makes one for each."""

from datetime import UTC, datetime, timedelta
from typing import Final

from aiortc import RTCCertificate, RTCPeerConnection

from transport.webrtc.seams.unfit import unfit

RENEWED: Final = timedelta(days=2)
"""Before it expires."""
_PLACE: Final = "_RTCPeerConnection__certificates"


class Certificate:
    """Made when it is first needed, and again before it expires."""

    def __init__(self) -> None:
        self._made: RTCCertificate | None = None

    def give(self, pc: RTCPeerConnection) -> None:
        """Before it has transports. Where this does not fit, it keeps its own."""
        if not isinstance(getattr(pc, _PLACE, None), list):
            unfit("certificate")
            return
        if self._made is None or self._made.expires - datetime.now(UTC) < RENEWED:
            self._made = RTCCertificate.generateCertificate()
        setattr(pc, _PLACE, [self._made])
