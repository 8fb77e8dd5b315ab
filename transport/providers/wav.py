"""Sound as a file, as providers take it."""

import struct

from actors.media import HEARD_RATE


def pack_wav(pcm: bytes) -> bytes:
    """Sound at 16 kHz as a file (RIFF WAVE, 44 bytes before the samples)."""
    layout = struct.pack("<HHIIHH", 1, 1, HEARD_RATE, 2 * HEARD_RATE, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(pcm))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + layout
        + b"data"
        + struct.pack("<I", len(pcm))
        + pcm
    )
