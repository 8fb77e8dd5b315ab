"""An actor: one mailbox, one task, one writer of its own state; its children are owned and named."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any

import msgspec

from actors.runtime.envelope import Refused
from actors.runtime.ref import Ref

LAST_WORDS = 1.0
"""Seconds a cancelled task has to come to its end; then it is waited for no longer."""


class ChildEnded(msgspec.Struct, frozen=True):
    """A child of the actor is done: with what it returned, or with the error it died of."""

    name: str
    result: Any = None
    error: BaseException | None = None


class Children:
    """Named tasks with one owner. What ends by itself is told to `ended`; what its owner cancelled is not."""

    __slots__ = ("_ended", "_leaving", "_owner", "_tasks")

    def __init__(self, owner: str, ended: Callable[[ChildEnded], None]) -> None:
        self._owner = owner
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._leaving: set[asyncio.Task[Any]] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any], *, context: Context | None = None) -> None:
        """Start `work` under a name nobody holds; a name that is taken is a bug."""
        if name in self._tasks:
            work.close()
            raise ValueError(f"{self._owner} has a child {name} already")
        task = asyncio.create_task(work, name=f"{self._owner}/{name}", context=context)
        self._tasks[name] = task
        task.add_done_callback(partial(self._done, name))

    def cancel(self, name: str) -> None:
        """End a child early, without hearing of it again; one that is not there has ended already."""
        task = self._tasks.pop(name, None)
        if task is not None:
            self._leaving.add(task)
            task.cancel()

    async def end(self, patience: float) -> list[str]:
        """Give the children `patience` seconds, then cancel; answers the names of those that overstayed."""
        tasks = dict(self._tasks)
        if tasks and patience > 0:
            await asyncio.wait(tasks.values(), timeout=patience)
        late = [name for name, task in tasks.items() if not task.done()]
        for name in late:
            self.cancel(name)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LAST_WORDS)
        return late

    def _done(self, name: str, task: asyncio.Task[Any]) -> None:
        self._leaving.discard(task)
        if self._tasks.get(name) is not task:
            return
        del self._tasks[name]
        if task.cancelled():
            return
        error = task.exception()
        self._ended(ChildEnded(name, error=error) if error else ChildEnded(name, task.result()))


class Actor:
    """State that changes only in `receive`, one message at a time.

    What is slow runs as a child (`self.children`), whose end comes back as a `ChildEnded` message.
    A `Refused` goes to the asker and the actor lives on; any other exception ends it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.children = Children(address, self._child_ended)
        self.me: Ref
        self.stopping: Refused | None = None

    async def load(self) -> None:
        """Called while the address is being claimed, to read ahead: nothing that another owner may yet change counts."""

    async def started(self) -> None:
        """Called before the first message. A refusal here is what everybody waiting is told."""

    async def receive(self, message: Any) -> Any:
        """Handle one message; what it returns is the answer to an ask: a future, and the asker waits on alone."""
        raise NotImplementedError

    def draining(self) -> None:
        """Called when the node drains: children that would go on have some seconds to come to their end."""

    async def stopped(self) -> None:
        """Called after the last message, before the address is given up."""

    def idle(self) -> bool:
        """Whether the actor may retire now: everything it knows is in storage."""
        return not self.children

    def stop(self, why: Refused) -> None:
        """End after the message in hand; what waits is told `why`."""
        self.stopping = why

    def _child_ended(self, ended: ChildEnded) -> None:
        with contextlib.suppress(Refused):  # the actor has ended: nobody is left to hear of its child
            self.me.tell(ended)
