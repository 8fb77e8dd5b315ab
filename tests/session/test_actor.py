"""The session actor on a real log: chat, replies, tools, stopping, waking, and what is owed."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec
import pytest

from actors.commands import CompleteGoal, CreateGoal, RecordProgress, SendMessage, StopReply
from actors.domain.refusals import NoReply, NotFound
from actors.events import MessageAdded, Recorded, ToolUsed
from actors.ports import ModelFailed, TextDelta, Tool, ToolCall, Turn
from actors.questions import Attach, Events, Missed, Renew, Shown, ShowProfile, Wake
from actors.runtime.envelope import CidConflict
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside

Answer = Callable[[Sequence[Turn]], AsyncGenerator[TextDelta | ToolCall, None]]


class Scripted:
    """A model whose answers are given one after another; the last repeats."""

    name = "scripted"

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[Turn]] = []

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        self.asked.append(turns)
        script = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        async with aclosing(script(turns)) as pieces:
            async for piece in pieces:
                yield piece


def says(*words: str, pause: float = 0.0) -> Answer:
    async def script(_: Sequence[Turn]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        for word in words:
            await asyncio.sleep(pause)
            yield TextDelta(word)

    return script


def calls(name: str, arguments: str) -> Answer:
    async def script(_: Sequence[Turn]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        yield ToolCall("call-1", name, arguments)

    return script


def fails(code: str, *words: str) -> Answer:
    async def script(_: Sequence[Turn]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        for word in words:
            yield TextDelta(word)
        raise ModelFailed(code)

    return script


async def send(node: Inside, text: str = "Hello") -> tuple[str, MessageAdded]:
    accepted = await node.order(SendMessage(text))
    return accepted.answer.message_id, await node.device.reply(accepted.answer.reply_id)


async def test_a_message_is_answered_by_one_durable_message(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(says("Good ", "morning", "!"))) as node:
        await node.open()
        message_id, reply = await send(node)
        deltas = [data["text"] for kind, data in node.device.signals if kind == "reply.delta"]
        assert "".join(deltas) == reply.text == "Good morning!"
        assert (reply.reply_to, reply.state, reply.answered_by) == (message_id, "complete", "scripted")
        assert [one.seq for one in node.device.events] == [1, 2, 3]


async def test_the_offline_coach_answers_from_the_goals_and_says_so(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        await node.order(CreateGoal("Run ten kilometres", area="health"))
        _, reply = await send(node, "How am I doing?")
        assert "Run ten kilometres" in reply.text
        assert reply.answered_by == "offline coach"


async def test_a_tool_call_is_the_same_command_an_app_sends(mongo: ReplicaSet, database: str) -> None:
    model = Scripted(calls("create_goal", '{"title": "Read twelve books"}'), says("It is written down."))
    async with inside(mongo.url, database, model) as node:
        await node.open()
        _, reply = await send(node, "I want to read twelve books")
        kinds = [one.type for one in node.device.events]
        assert kinds == [
            "account.opened",
            "message.added",
            "goal.created",
            "action.taken",
            "tool.used",
            "message.added",
        ]
        assert reply.text == "It is written down."
        used = next(one.data for one in node.device.events if isinstance(one.data, ToolUsed))
        assert "Read twelve books" in used.result
        assert model.asked[1][-1].role == "tool"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_goal", "{not json"),
        ("create_goal", '{"title": 7}'),
        ("complete_goal", '{"goal_id": "0198c0de-0000-7000-8000-000000000000"}'),
        ("drop_database", "{}"),
    ],
)
async def test_a_tool_call_that_cannot_be_is_told_to_the_model(
    mongo: ReplicaSet, database: str, name: str, arguments: str
) -> None:
    model = Scripted(calls(name, arguments), says("That did not work."))
    async with inside(mongo.url, database, model) as node:
        await node.open()
        _, reply = await send(node)
        assert (reply.text, reply.state) == ("That did not work.", "complete")
        assert "error" in msgspec.json.decode(model.asked[1][-1].text)
        assert not [one for one in node.device.events if one.type.startswith("goal")]


async def test_a_model_that_breaks_off_ends_in_a_message_that_says_so(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(fails("model.cut", "I think"))) as node:
        await node.open()
        _, reply = await send(node)
        assert reply.state == "failed"
        assert reply.problem == "model.cut"
        assert reply.text.startswith("I think")
        assert len(reply.text) > len("I think")


async def test_stopping_keeps_what_was_said_and_nothing_follows(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(says(*(f"word{i} " for i in range(200)), pause=0.02))) as node:
        await node.open()
        accepted = await node.order(SendMessage("Tell me everything"))
        await node.device.until(lambda one: isinstance(one, tuple) and "word5" in str(one[1].get("text")))
        stopped = await node.order(StopReply(accepted.answer.message_id))
        reply = await node.device.reply(stopped.answer.message_id)
        said = "".join(data["text"] for kind, data in node.device.signals if kind == "reply.delta")
        await asyncio.sleep(0.1)
        assert reply.state == "interrupted"
        assert reply.text == said
        assert said == "".join(data["text"] for kind, data in node.device.signals if kind == "reply.delta")
        with pytest.raises(NoReply):
            await node.order(StopReply(accepted.answer.message_id))


async def test_a_reply_that_is_owed_is_made_after_a_restart(mongo: ReplicaSet, database: str) -> None:
    never = asyncio.Event()

    async def hangs(_: Sequence[Turn]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        yield TextDelta("I was just ")
        await never.wait()

    async with inside(mongo.url, database, Scripted(hangs)) as node:
        await node.open()
        accepted = await node.order(SendMessage("Are you there?"))
        await node.device.until(lambda one: isinstance(one, tuple))
        user_id = node.user_id
    async with inside(mongo.url, database, Scripted(says("Yes, I am."))) as node:
        node.user_id = user_id
        await node.ref.ask(ShowProfile(), timeout=5)
        reply = await node.device.reply(accepted.answer.reply_id)
        assert reply.text == "Yes, I am."
        events = await node.ref.ask(Missed(0), timeout=5)
        assert [one.seq for one in events.events] == [1, 2, 3]


async def test_replies_come_one_after_another_in_order(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(says("ok", pause=0.02))) as node:
        await node.open()
        sent = [(await node.order(SendMessage(f"number {i}"))).answer.reply_id for i in range(6)]
        for reply_id in sent:
            await node.device.reply(reply_id)
        coach = [
            one.data.id for one in node.device.events if isinstance(one.data, MessageAdded) and one.data.role == "coach"
        ]
        assert coach == sent


async def test_the_same_cid_gives_the_first_answer(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        cid = str(uuid.uuid4())
        first = await node.order(CreateGoal("Save money"), cid=cid)
        again = await node.order(CreateGoal("Save money"), cid=cid)
        assert again.repeated
        assert again.answer["goal"]["id"] == first.answer.goal.id
        with pytest.raises(CidConflict):
            await node.order(CreateGoal("Save more money"), cid=cid)


async def test_a_session_that_was_retired_knows_everything(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, snapshot_every=5) as node:
        await node.open()
        goals = [(await node.order(CreateGoal(f"Goal {i}"))).answer.goal.id for i in range(12)]
        await node.order(RecordProgress(goals[0], progress=40))
        await node.order(CompleteGoal(goals[1]))
        user_id, before = node.user_id, node.session()
        assert before is not None
        state = before.state
    async with inside(mongo.url, database) as node:
        node.user_id = user_id
        shown = await node.ref.ask(ShowProfile(), timeout=5)
        woken = node.session()
        assert isinstance(shown, Shown)
        assert shown.profile.stats.goals_completed == 1
        assert woken is not None
        assert woken.state == state
        page = await node.ref.ask(Missed(3, 4), timeout=5)
        assert isinstance(page, Events)
        assert [one.seq for one in page.events] == [4, 5, 6, 7]
        assert page.more


async def test_a_device_that_joins_in_the_middle_gets_the_text_so_far(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(says(*(f"word{i} " for i in range(100)), pause=0.02))) as node:
        await node.open()
        await node.order(SendMessage("Tell me"))
        await node.device.until(lambda one: isinstance(one, tuple) and "word4" in str(one[1].get("text")))
        attached = await node.ref.ask(Attach("second", "phone"), timeout=5)
        joined = next(data for _, data in reversed(node.device.signals) if data["index"] == 0)
        assert attached.seq == 2
        assert joined["text"].startswith("word0 word1 ")


async def test_without_an_account_there_is_nobody(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        with pytest.raises(NotFound):
            await node.order(SendMessage("Hello?"))


async def test_events_are_what_apps_see_however_they_are_fetched(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        await send(node)
        page = await node.ref.ask(Missed(0), timeout=5)
        live: list[Recorded] = node.device.events
        assert list(page.events) == live


@pytest.mark.parametrize(
    "told", [lambda _: Wake(), lambda seq: Renew("n2", ["n2.sid"], ["phone"], [0.0], seq)], ids=["clock", "gateway"]
)
async def test_what_an_owner_accepted_that_had_lost_the_address_is_answered_by_the_next(
    mongo: ReplicaSet, database: str, told: Callable[[int], object]
) -> None:
    """The next was awake already, and nobody asks anything of it that would meet the new document."""
    async with inside(mongo.url, database, Scripted(says("At last."))) as owner:
        async with inside(mongo.url, database, Scripted(says("Too late.", pause=60.0))) as stale:
            stale.user_id = owner.user_id
            await owner.open()
            accepted = await stale.order(SendMessage("Hello"))
        assert (await owner.ref.ask(ShowProfile(), timeout=5)).seq < accepted.seq
        await owner.ref.ask(told(accepted.seq), timeout=5)
        assert (await owner.device.reply(accepted.answer.reply_id)).text == "At last."
