"""How a reply ends when its end, a stop and trouble with the log come together."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

import pytest
from pymongo import AsyncMongoClient

from actors.commands import ChangeProfile, SendMessage, StopReply
from actors.journal.cids import WINDOW
from actors.ports import TextDelta, Tool, ToolCall, Turn
from actors.runtime.envelope import Overloaded
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.lanes import Limits
from tests.session.inside import Inside, inside


class Gated:
    """Says "begin" and, once its gate is open, "end": the first answer through the first gate, and so on."""

    name = "gated"

    def __init__(self) -> None:
        self.gates = [asyncio.Event() for _ in range(3)]
        self.asked = 0

    async def answer(self, _: Sequence[Turn], __: Sequence[Tool]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        gate = self.gates[self.asked]
        self.asked += 1
        yield TextDelta(f"begin {self.asked} ")
        await gate.wait()
        yield TextDelta("end")


@contextmanager
def full(node: Inside) -> Iterator[None]:
    """The log takes nothing new."""
    before = [lane.limits for lane in node.log.lanes]
    for lane in node.log.lanes:
        lane.limits = Limits(waiting=0)
    yield
    for lane, limits in zip(node.log.lanes, before, strict=True):
        lane.limits = limits


async def begun(node: Inside, number: int) -> None:
    await node.device.until(lambda one: isinstance(one, tuple) and f"begin {number}" in str(one[1].get("text")))


async def slow_finds(mongo: ReplicaSet, milliseconds: int) -> None:
    """Every look-up of the node takes so long from now on."""
    data = {"failCommands": ["find"], "appName": "lifebuddy", "blockConnection": True, "blockTimeMS": milliseconds}
    mode = {"mode": "alwaysOn", "data": data} if milliseconds else {"mode": "off"}
    async with AsyncMongoClient[dict[str, object]](mongo.admin_url) as client:
        await client.admin.command({"configureFailPoint": "failCommand", **mode})


async def test_the_end_of_a_stopped_reply_is_not_taken_for_the_end_of_the_next(
    mongo: ReplicaSet, database: str
) -> None:
    """The cid of the stop is looked up in the log; meanwhile the reply ends by itself."""
    model = Gated()
    async with inside(mongo.url, database, model) as node:
        await node.open()
        for number in range(WINDOW + 1):
            await node.order(ChangeProfile(name=f"Ann {number}"))
        one, two = await node.order(SendMessage("One")), await node.order(SendMessage("Two"))
        await begun(node, 1)
        await slow_finds(mongo, 300)
        stop = asyncio.create_task(node.order(StopReply(one.answer.message_id)))
        try:
            await asyncio.sleep(0.1)
            model.gates[0].set()
            await stop
        finally:
            await slow_finds(mongo, 0)
        await begun(node, 2)
        await node.order(ChangeProfile(name="Zoe"))
        model.gates[1].set()
        reply = await node.device.reply(two.answer.reply_id)
        said = [data["text"] for _, data in node.device.signals if data["message_id"] == two.answer.reply_id]
        assert reply.text == "".join(said) == "begin 2 end"
        assert (await node.device.reply(one.answer.reply_id)).state == "interrupted"
        assert model.asked == 2
        assert not node.reports


async def test_a_stop_that_is_refused_stops_nothing(mongo: ReplicaSet, database: str) -> None:
    model = Gated()
    async with inside(mongo.url, database, model) as node:
        await node.open()
        sent = await node.order(SendMessage("One"))
        await begun(node, 1)
        with full(node), pytest.raises(Overloaded):
            await node.order(StopReply(sent.answer.message_id))
        model.gates[0].set()
        reply = await node.device.reply(sent.answer.reply_id)
        assert (reply.text, reply.state) == ("begin 1 end", "complete")
        assert model.asked == 1


async def test_a_reply_that_was_heard_is_not_made_anew_while_the_log_is_away(mongo: ReplicaSet, database: str) -> None:
    model = Gated()
    async with inside(mongo.url, database, model) as node:
        await node.open()
        sent = await node.order(SendMessage("One"))
        await begun(node, 1)
        with full(node):
            model.gates[0].set()
            await asyncio.sleep(1.5)
        reply = await node.device.reply(sent.answer.reply_id)
        assert (reply.text, reply.state) == ("begin 1 end", "complete")
        assert model.asked == 1
        assert [one.seq for one in node.device.events] == [1, 2, 3]
