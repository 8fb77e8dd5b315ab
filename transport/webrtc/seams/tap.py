"""Where received packets are taken from aiortc: in place of its jitter buffer, which hands out one frame per packet at most.

The private names are those of aiortc 1.16.
"""

from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from transport.webrtc.jitter import Packet
from transport.webrtc.seams.unfit import unfit

_BUFFER: Final = "_RTCRtpReceiver__jitter_buffer"
_CODECS: Final = "_RTCRtpReceiver__codecs"


class Tap:
    """It looks like a jitter buffer that never has a frame."""

    def __init__(self, receiver: RTCRtpReceiver, take: Callable[[Packet], None]) -> None:
        self._take = take
        self._codecs: dict[int, Any] = getattr(receiver, _CODECS)

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Whatever is not Opus keeps its place in the sequence, without sound."""
        codec = self._codecs.get(packet.payload_type)
        payload = packet.payload if codec is not None and codec.name.lower() == "opus" else b""
        self._take(Packet(packet.ssrc, packet.sequence_number, packet.timestamp, payload))
        return False, None


def install(receiver: RTCRtpReceiver, take: Callable[[Packet], None]) -> bool:
    """From now on each packet goes to `take`, which must not wait. False: it does not fit, and aiortc stays as it is."""
    fits = isinstance(getattr(receiver, _BUFFER, None), JitterBuffer) and isinstance(
        getattr(receiver, _CODECS, None), dict
    )
    if fits:
        setattr(receiver, _BUFFER, Tap(receiver, take))
    else:
        unfit("jitter_buffer")
    return fits
