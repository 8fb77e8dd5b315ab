"""Silero's speech detector, version 5: what all calls have waiting is one batch; without its file, loudness has to do."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import structlog

from actors.media import HEARD_RATE, WINDOW, SpeechStream
from transport.providers.loudness import LoudnessStream
from transport.providers.onnx import OnnxModel, Run

FILE: Final = "silero_vad.onnx"
CONTEXT: Final = 64
"""Samples before a window that the model wants to see again."""
RATE: Final = np.array(HEARD_RATE, dtype=np.int64)
FEW: Final = 2
"""So many calls never wait for each other."""
GATHERED: Final = 0.016
"""Seconds for which windows of more calls are gathered: each batch costs a thread's turn, each window little."""
STALE: Final = 62
"""Windows, about 2 s: music and long noise leave the model deaf to the speech that follows, until it forgets them."""
QUIET, QUIET_FOR = 0.1, 5
"""It forgets only after so many windows in a row that surely hold no speech, never within a word."""

Floats = np.ndarray[Any, np.dtype[np.float32]]

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Memory:
    """What the model remembers of one call."""

    state: Floats = field(default_factory=lambda: np.zeros((2, 128), np.float32))
    context: Floats = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))
    age: int = 0
    quiet: int = 0

    def heard(self, state: Floats, probability: float) -> None:
        self.state = state
        self.age += 1
        self.quiet = self.quiet + 1 if probability < QUIET else 0
        if self.age >= STALE and self.quiet >= QUIET_FOR:
            self.state = np.zeros_like(state)
            self.age = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    memory: _Memory
    window: bytes
    answer: asyncio.Future[float]


class Silero:
    """`media.SpeechDetector`. One batch is at the model, the next one gathers: of each call, one window at most."""

    def __init__(self, directory: Path) -> None:
        self._model = OnnxModel(directory / FILE)
        self._waiting: list[_Asked] = []
        self._running = False
        self._told = False
        self.open = 0

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._model.__aexit__()

    async def warm(self) -> None:
        await self._model.warm()

    @property
    def is_there(self) -> bool:
        return self._model.is_there

    def stream(self) -> SpeechStream:
        if self.is_there:
            return _SileroStream(self)
        if not self._told:
            self._told = True
            log.warning("detector.missing", file=FILE, instead="loudness")
        return LoudnessStream()

    def ask(self, memory: _Memory, window: bytes) -> asyncio.Future[float]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float] = loop.create_future()
        self._waiting.append(_Asked(memory, window, answer))
        if not self._running:
            self._running = True
            loop.call_later(GATHERED if self.open > FEW else 0.0, self._begin)
        return answer

    def _begin(self) -> None:
        batch, self._waiting = self._waiting, []
        self._model.ask(partial(_probabilities, batch)).add_done_callback(partial(self._end, batch))

    def _end(self, batch: Sequence[_Asked], done: asyncio.Future[list[float]]) -> None:
        failed = asyncio.CancelledError() if done.cancelled() else done.exception()
        for number, asked in enumerate(batch):
            if asked.answer.done():
                continue
            if failed is None:
                asked.answer.set_result(done.result()[number])
            else:
                asked.answer.set_exception(RuntimeError(f"no probability: {type(failed).__name__}"))
        self._running = bool(self._waiting)
        if self._running:
            self._begin()


class _SileroStream:
    def __init__(self, detector: Silero) -> None:
        self._detector = detector
        self._memory = _Memory()
        self._closed = False
        detector.open += 1

    async def probability(self, window: bytes) -> float:
        return await self._detector.ask(self._memory, window)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._detector.open -= 1


def _probabilities(batch: Sequence[_Asked], run: Run) -> list[float]:
    """In the model's thread. The memories are nobody else's until their answers are there."""
    windows = np.frombuffer(b"".join(asked.window for asked in batch), "<i2").reshape(len(batch), WINDOW)
    sound = np.empty((len(batch), CONTEXT + WINDOW), np.float32)
    sound[:, :CONTEXT] = [asked.memory.context for asked in batch]
    np.multiply(windows, np.float32(1 / 32768), out=sound[:, CONTEXT:])
    states = np.stack([asked.memory.state for asked in batch], axis=1)
    told, states = run({"input": sound, "state": states, "sr": RATE})
    probabilities = [float(probability) for probability in told[:, 0]]
    for number, asked in enumerate(batch):
        asked.memory.context = sound[number, -CONTEXT:].copy()
        asked.memory.heard(states[:, number].copy(), probabilities[number])
    return probabilities
