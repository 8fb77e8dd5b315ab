"""Streams of Opus as a caller sends them, and receivers for them."""

from collections.abc import Sequence
from itertools import count

from aiortc import RTCIceGatherer, RTCIceTransport, RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport

from actors.media import SPOKEN_RATE
from tests.transport.webrtc.tones import tone
from transport.webrtc.jitter import Packet
from transport.webrtc.opus import Encoder

TICKS = 960
_CERTIFICATE = RTCCertificate.generateCertificate()


def receiver() -> RTCRtpReceiver:
    """One that no packet reaches by itself."""
    return RTCRtpReceiver("audio", RTCDtlsTransport(RTCIceTransport(RTCIceGatherer()), [_CERTIFICATE]))


def payloads(pcm: bytes) -> list[bytes]:
    encoder = Encoder()
    return [encoder.encode(pcm[at : at + Encoder.size]) for at in range(0, len(pcm), Encoder.size)]


def stream(sounds: Sequence[bytes], *, ssrc: int = 1, start: int = 0) -> list[Packet]:
    """One packet per payload, 20 ms each."""
    return [
        Packet(ssrc, (start + n) % 2**16, n * TICKS % 2**32, sound) for n, sound in zip(count(), sounds, strict=False)
    ]


def spoken(seconds: float, *, hertz: float = 300) -> list[bytes]:
    return payloads(tone(hertz, seconds, SPOKEN_RATE))
