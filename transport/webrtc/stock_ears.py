"""What the user says, as aiortc decodes it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler

from actors.media import FRAME, HEARD_RATE, Heard

HELD: Final = int(1 / FRAME)
"""Frames that wait to be heard; the oldest is dropped."""


class StockEars:
    """One peer's."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.alive_at = 0.0
        self._now = now
        self._frames: deque[Heard] = deque(maxlen=HELD)
        self._some = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def listen(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._task is None:
            self._task = asyncio.create_task(self._read(track), name="ears")

    async def hear(self) -> Sequence[Heard]:
        while not self._frames:
            if self._closed:
                raise EOFError
            self._some.clear()
            await self._some.wait()
        heard = tuple(self._frames)
        self._frames.clear()
        return heard

    def close(self) -> None:
        self._closed = True
        self._some.set()
        if self._task is not None:
            self._task.cancel()

    async def _read(self, track: MediaStreamTrack) -> None:
        resampler: Any = AudioResampler(
            format="s16", layout="mono", rate=HEARD_RATE, frame_size=int(FRAME * HEARD_RATE)
        )
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.alive_at = self._now()
            assert isinstance(frame, AudioFrame)  # noqa: S101 - narrows: the track is of sound
            self._frames.extend(
                Heard(bytes(one.planes[0])[: one.samples * 2], self.alive_at) for one in resampler.resample(frame)
            )
            self._some.set()
