"""Opus as a call needs it: heard at 16 kHz with what a later packet tells of a lost one, spoken at 24 kHz ready to send.

libopus itself (RFC 6716), by ctypes: FFmpeg's wrapper has neither in-band FEC nor concealment.
"""

import ctypes
import weakref
from ctypes import POINTER, byref, c_char_p, c_int, c_int16, c_int32, c_void_p, create_string_buffer
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from actors.media import FRAME, HEARD_RATE, SPOKEN_RATE

BITRATE: Final = 28_000
"""Bits a second of the coach's voice."""
EXPECTED_LOSS: Final = 10
"""Percent; how much of each packet's redundancy is for the one before it."""
LONGEST: Final = 0.12
"""Seconds a packet may hold (RFC 6716, 2.1.4)."""
MAX_PACKET: Final = 1275
"""Bytes of an Opus frame at most."""
SAMPLE: Final = 2
"""Bytes."""

_OK: Final = 0
_VOIP: Final = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS, _SET_DTX, _SET_SIGNAL = (
    4002,
    4010,
    4012,
    4014,
    4016,
    4024,
)
_SIGNAL_VOICE: Final = 3001
_COMPLEXITY: Final = 5
_MOST_FRAMES: Final = 48


class OpusMissingError(RuntimeError):
    """There is no libopus on this machine: neither the system's, nor one in an installed wheel."""


class OpusError(ValueError):
    """libopus does not take this packet; `code` is its own (`opus_defines.h`)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"libopus answered {code}")
        self.code = code


@cache
def library() -> ctypes.CDLL:
    """The system's, else the one that PyAV's wheel or opuslib-next-bundled carries. Raises OpusMissingError."""
    for place in _places():
        try:
            return _typed(ctypes.CDLL(place))
        except (OSError, AttributeError):
            continue
    raise OpusMissingError("libopus is missing: install libopus0 (Debian) or opus (Homebrew)")


class Decoder:
    """The state of one heard stream. 16-bit mono PCM at 16 kHz comes out, whatever the packet's rate and channels."""

    __slots__ = ("__weakref__", "_state", "_to")

    def __init__(self) -> None:
        opus, error = library(), c_int()
        self._state = c_void_p(opus.opus_decoder_create(HEARD_RATE, 1, byref(error)))
        _check(error.value)
        weakref.finalize(self, opus.opus_decoder_destroy, self._state)
        self._to = (c_int16 * int(LONGEST * HEARD_RATE))()

    def decode(self, packet: bytes) -> bytes:
        """The sound of a packet. Raises OpusError for what is none; the state is as before then."""
        return self._decoded(packet, len(self._to), fec=0)

    def recover(self, packet: bytes, samples: int) -> bytes:
        """The last `samples` before this packet, from what it tells of them; concealed where it tells nothing."""
        return self._decoded(packet, samples, fec=1)

    def conceal(self, samples: int) -> bytes:
        """`samples` of what might have been said, fading out if there were many."""
        return self._decoded(None, samples, fec=0)

    def _decoded(self, packet: bytes | None, samples: int, *, fec: int) -> bytes:
        length = 0 if packet is None else len(packet)
        got = library().opus_decode(self._state, packet, length, self._to, min(samples, len(self._to)), fec)
        return ctypes.string_at(self._to, _check(got) * SAMPLE)


class Encoder:
    """The state of one spoken stream: 20 ms of 16-bit mono PCM at 24 kHz in, one packet out."""

    __slots__ = ("__weakref__", "_state", "_to")

    samples: Final = int(FRAME * SPOKEN_RATE)
    size: Final = samples * SAMPLE
    """Bytes of a frame."""

    def __init__(self) -> None:
        opus, error = library(), c_int()
        self._state = c_void_p(opus.opus_encoder_create(SPOKEN_RATE, 1, _VOIP, byref(error)))
        _check(error.value)
        weakref.finalize(self, opus.opus_encoder_destroy, self._state)
        self._to = create_string_buffer(MAX_PACKET)
        wanted = {
            _SET_BITRATE: BITRATE,
            _SET_COMPLEXITY: _COMPLEXITY,
            _SET_INBAND_FEC: 1,
            _SET_PACKET_LOSS: EXPECTED_LOSS,
            _SET_DTX: 0,
            _SET_SIGNAL: _SIGNAL_VOICE,
        }
        for request, value in wanted.items():
            _check(opus.opus_encoder_ctl(self._state, request, c_int32(value)))

    def encode(self, pcm: bytes) -> bytes:
        """The packet of exactly one frame. Raises ValueError for any other length."""
        if len(pcm) != self.size:
            raise ValueError(f"a frame has {self.size} bytes")
        got = library().opus_encode(self._state, pcm, self.samples, self._to, MAX_PACKET)
        return self._to.raw[: _check(got)]


def samples_in(packet: bytes) -> int:
    """Samples at 16 kHz that a packet holds, by its first bytes. Raises OpusError."""
    return _check(library().opus_packet_get_nb_samples(packet, len(packet), HEARD_RATE))


def carries_previous(packet: bytes) -> bool:
    """Whether it tells the frame before it once more (RFC 6716, 4.2.4): of what has a SILK part, the first frame's flags do."""
    if not packet or packet[0] & 0x80:
        return False
    opus = library()
    frames, sizes = (c_void_p * _MOST_FRAMES)(), (c_int16 * _MOST_FRAMES)()
    count = opus.opus_packet_parse(packet, len(packet), None, frames, sizes, None)
    if count <= 0 or sizes[0] <= 0 or frames[0] is None:
        return False
    flags = ctypes.string_at(frames[0], 1)[0]
    parts = max(1, opus.opus_packet_get_samples_per_frame(packet, 1000) // 20)
    stereo = packet[0] & 0x04
    return bool(flags >> (7 - parts) & 1 or (stereo and flags >> (6 - 2 * parts) & 1))


def _check(answer: int) -> int:
    if answer < _OK:
        raise OpusError(answer)
    return answer


def _places() -> list[str]:
    found = [place for place in [find_library("opus")] if place]
    for package, folder in (("av", "../av.libs"), ("av", ".dylibs"), ("opuslib_next", "_native")):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [str(file) for file in (Path(spec.origin).parent / folder).glob("libopus*")]
    return found


def _typed(opus: ctypes.CDLL) -> ctypes.CDLL:
    """Only what is fixed of variadic functions is declared: their other arguments travel differently on some machines."""
    pcm = POINTER(c_int16)
    signatures = {
        "opus_decoder_create": (c_void_p, [c_int32, c_int, POINTER(c_int)]),
        "opus_decoder_destroy": (None, [c_void_p]),
        "opus_decode": (c_int, [c_void_p, c_char_p, c_int32, pcm, c_int, c_int]),
        "opus_encoder_create": (c_void_p, [c_int32, c_int, c_int, POINTER(c_int)]),
        "opus_encoder_destroy": (None, [c_void_p]),
        "opus_encode": (c_int32, [c_void_p, c_char_p, c_int, c_char_p, c_int32]),
        "opus_encoder_ctl": (c_int, [c_void_p, c_int]),
        "opus_packet_get_nb_samples": (c_int, [c_char_p, c_int32, c_int32]),
        "opus_packet_get_samples_per_frame": (c_int, [c_char_p, c_int32]),
        "opus_packet_parse": (c_int, [c_char_p, c_int32, c_void_p, c_void_p, POINTER(c_int16), c_void_p]),
    }
    for name, (answer, arguments) in signatures.items():
        function = getattr(opus, name)
        function.restype, function.argtypes = answer, arguments
    return opus
