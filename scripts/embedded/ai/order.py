"""Who computes on a small machine: one sound at a time, whoever is waited for most first; text gives way to recognising."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar

from scripts.embedded.ai.backend import Backend, BusyError

SPEAK, RECOGNISE = 0, 1
"""Ranks: a clause takes a twentieth of a second, and somebody listens to the one before it."""
WAITING: Final = 8
"""More than would be done in time are refused."""

T = TypeVar("T")


class Order:
    """Who generates text is a process that is frozen while words are recognised: it is to give way within a millisecond."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sound")
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self.busy = False

    def give_way(self, backend: Backend | None) -> None:
        """Who generates text from now on, or reads what it will be asked."""
        self._backend = backend

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def compute(self, rank: int, job: Callable[[], T]) -> T:
        """In the one thread for sound. Whoever gives up while it runs keeps nobody else from waiting for its end."""
        await self._turn(rank)
        paused = self._backend if rank == RECOGNISE else None
        if paused is not None:
            paused.freeze()
        running = asyncio.get_running_loop().run_in_executor(self._thread, job)
        running.add_done_callback(lambda done: self._ended(done, paused))
        return await asyncio.shield(running)

    def _ended(self, done: asyncio.Future[T], paused: Backend | None) -> None:
        if paused is not None:
            paused.thaw()
        if not done.cancelled():
            done.exception()  # whoever asked has it; should nobody wait any more, it is no news
        self._next()

    async def _turn(self, rank: int) -> None:
        if not self.busy:
            self.busy = True
            return
        if len(self._waiting) >= WAITING:
            raise BusyError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting = [waiting for waiting in self._waiting if waiting[2] is not turn]
                heapq.heapify(self._waiting)
            else:  # it was given the turn just now
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False
