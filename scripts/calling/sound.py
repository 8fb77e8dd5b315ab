"""Sound files in and out, and how loud sound is. Sound here is PCM, 48 kHz, 16 bits, one channel."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from av import AudioFrame, AudioResampler, CodecContext, Packet
from av.error import FFmpegError

RATE: Final = 48_000
FRAME: Final = 960
"""Samples of 20 ms."""
LOUD: Final = -45.0
"""dBFS from which a frame holds a voice; what codecs make of silence stays far below."""
_SILENT: Final = -120.0


class NoSoundError(Exception):
    """A file that holds no sound anyone can read; the message is for people."""


def read_sound(path: Path) -> bytes:
    """Whatever the file's format, rate and channels. Raises NoSoundError."""
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise NoSoundError(f"{path} holds no sound.")
            frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        pcm = b"".join(plain(frame) for frame in [*frames, *resampler.resample(None)])
    except (FFmpegError, OSError) as problem:
        raise NoSoundError(f"{path} cannot be read: {problem.strerror or type(problem).__name__}.") from None
    if not pcm:
        raise NoSoundError(f"{path} holds no sound.")
    return pcm


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)


def plain(frame: AudioFrame) -> bytes:
    """The samples of a packed mono frame, without what pads its plane."""
    return bytes(frame.planes[0])[: 2 * frame.samples]


def frames_of(pcm: bytes) -> Iterator[bytes]:
    """Frames of 20 ms, the last one filled up with silence."""
    for start in range(0, len(pcm), 2 * FRAME):
        yield pcm[start : start + 2 * FRAME].ljust(2 * FRAME, b"\0")


def level(pcm: bytes) -> float:
    """DBFS of the mean square."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    power = float(np.mean(np.square(samples))) / 2**30 if samples.size else 0.0
    return max(_SILENT, 10 * float(np.log10(power))) if power else _SILENT


def is_loud(frame: bytes) -> bool:
    return level(frame) > LOUD


class Encoder:
    """Opus at 32 kb/s for a voice, as a browser sends it: with in-band error correction."""

    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "w")
        self._codec.format, self._codec.layout, self._codec.sample_rate = "s16", "mono", RATE
        self._codec.bit_rate = 32_000
        self._codec.options = {"application": "voip", "fec": "1", "packet_loss": "10"}

    def encode(self, frame: bytes) -> bytes:
        sound = AudioFrame(format="s16", layout="mono", samples=FRAME)
        sound.sample_rate = RATE
        sound.planes[0].update(frame)
        (packet,) = self._codec.encode(sound)
        return bytes(packet)


class Decoder:
    def __init__(self) -> None:
        self._codec = CodecContext.create("libopus", "r")
        self._codec.format, self._codec.layout, self._codec.sample_rate = "s16", "mono", RATE

    def decode(self, payload: bytes) -> bytes:
        """Nothing for a payload that is no Opus."""
        try:
            return b"".join(plain(frame) for frame in self._codec.decode(Packet(payload)))
        except FFmpegError:
            return b""
