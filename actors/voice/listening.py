"""Hears a peer: its sound goes to the microphone, each 32 ms of it to the speech detector, what that says to the call."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from actors.media import Peer, SpeechStream
from actors.voice.microphone import Microphone

QUIET: Final = 0.1
"""Seconds without sound after which it is looked whether silence must be put in."""
PATIENCE: Final = 1.0
"""Seconds the detector may take for one window."""
LOUD: Final = 1_000
"""A peak from which sound counts as speech when there is no detector: 3 % of what 16 bits hold."""

log = structlog.get_logger()


class Probability(msgspec.Struct, frozen=True):
    """How likely the window that ends before `sample`, and came at that time, holds speech."""

    epoch: int
    sample: int
    at: float
    value: float


class Ears:
    """Of one call, for one peer after another. A detector that fails is not asked again in this call."""

    def __init__(self, stream: SpeechStream | None) -> None:
        self.microphone = Microphone()
        self._stream = stream

    async def listen(self, peer: Peer, epoch: int, tell: Callable[[Probability], None]) -> None:
        """Until the peer closes, or whoever listens is cancelled."""
        loop = asyncio.get_running_loop()
        self.microphone.pause()
        while True:
            at = loop.time()
            try:
                async with asyncio.timeout(QUIET):
                    heard = await peer.hear()
            except TimeoutError:
                self.microphone.fill(loop.time())
            except EOFError:
                return
            else:
                for frame in heard:
                    self.microphone.hear(frame.pcm, frame.at)
                    at = frame.at
            while (window := self.microphone.window()) is not None:
                tell(Probability(epoch, self.microphone.judged, at, await self._probability(window)))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    async def _probability(self, window: bytes) -> float:
        if self._stream is None:
            return loudness(window)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._stream.probability(window)
        except Exception:
            log.exception("call.detector_failed")
            self.close()
            self._stream = None
            return loudness(window)


def loudness(window: bytes) -> float:
    """What takes a detector's place: loud is speech."""
    samples = memoryview(window).cast("h")
    return float(max(*samples, 0) >= LOUD)
