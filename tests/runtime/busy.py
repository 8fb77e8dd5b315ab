"""An actor that does what tests of the system tell it, and ways to ask it."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.runtime.actor import Actor
from actors.runtime.envelope import Refused
from tests.runtime.memory import Node


class Bad(msgspec.Struct, frozen=True):
    """A message its actor dies of."""

    cid: str | None = None


class Busy(Actor):
    """Works as many seconds as it is told; starts children; dies of what is bad."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.heard: list[Any] = []
        self.starts_after = 0.0
        self.refuses_to_start: Exception | None = None

    async def started(self) -> None:
        await asyncio.sleep(self.starts_after)
        if self.refuses_to_start is not None:
            raise self.refuses_to_start

    async def receive(self, message: Any) -> Any:
        self.heard.append(message)
        match message:
            case float(seconds):
                await asyncio.sleep(seconds)
            case ("child", seconds):
                self.children.spawn("child", asyncio.sleep(seconds, "done"))
            case Bad():
                raise KeyError("a bug")
        return message


def make(**settings: Any) -> Callable[[str], Busy]:
    def one(address: str) -> Busy:
        actor = Busy(address)
        for name, value in settings.items():
            setattr(actor, name, value)
        return actor

    return one


def now() -> float:
    return asyncio.get_running_loop().time()


async def asking(node: Node, message: Any, **given: Any) -> asyncio.Task[Any]:
    """An ask on its way."""
    task = asyncio.create_task(node.ask(message, **given), name="asker")
    await asyncio.sleep(0)
    return task


async def crash(node: Node, cid: str | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        await node.ask(Bad(cid), timeout=100)
    return refused.value
