"""What is heard when aiortc's own jitter buffer and decoder are at work: their frames, brought to 16 kHz."""

from collections.abc import AsyncIterator

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from actors.media import FRAME, HEARD_RATE


async def stock_frames(track: MediaStreamTrack) -> AsyncIterator[bytes]:
    """16-bit mono PCM, 20 ms at a time, until the track ends."""
    resampler = AudioResampler("s16", "mono", HEARD_RATE, frame_size=round(FRAME * HEARD_RATE))
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, AudioFrame):
            for heard in resampler.resample(frame):
                yield heard.to_ndarray().tobytes()
