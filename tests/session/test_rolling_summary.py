"""The older conversation is summed up when nobody waits, kept in the log, and never costs a reply anything."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from actors.commands import SendMessage, StopReply
from actors.domain.rate_limit import Limit
from actors.events import MessageAdded, Recorded, SummaryMade
from actors.ports import Answered, ModelFailed, TextDelta, Tool, Turn, Usage
from actors.questions import ShowProfile
from actors.session import rolling_summary
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside
from tests.session.test_actor import Scripted, says

LONG = "I have been thinking about my week and about running. " * 12
SMALL = 1_500


class Summing:
    """Says "Yes." to people; to the request for a summary what `sums` gives, once its gate is open."""

    name = "summing"

    def __init__(self, sums: str | None = "Ann runs.") -> None:
        self.sums = sums
        self.gate = asyncio.Event()
        self.gate.set()
        self.prompts: list[Sequence[Turn]] = []
        self.summaries = self.stopped = 0
        self.begun = asyncio.Event()

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        if not turns[-1].text.endswith("Sum up."):
            self.prompts.append(turns)
            yield TextDelta("Yes.")
            yield Usage(100)
            return
        self.summaries += 1
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self.sums is None:
            raise ModelFailed("model.error")
        yield TextDelta(self.sums)
        yield Usage(50)


async def talk(node: Inside, text: str = LONG) -> MessageAdded:
    sent = await node.order(SendMessage(text))
    return await node.device.reply(sent.answer.reply_id)


def made(node: Inside) -> list[SummaryMade]:
    return [one.data for one in node.device.events if isinstance(one.data, SummaryMade)]


async def until_made(node: Inside, number: int = 1) -> None:
    await node.device.until(lambda _: len(made(node)) >= number)


async def test_what_grew_long_is_summed_up_and_stands_before_the_turns_that_follow(
    mongo: ReplicaSet, database: str
) -> None:
    model = Summing()
    async with inside(mongo.url, database, model, context_tokens=SMALL) as node:
        await node.open()
        while not made(node):
            await talk(node)
            await asyncio.sleep(0.15)
            assert len(model.prompts) < 20
        assert len(model.prompts) >= 3, "a few turns are no reason for it"
        await talk(node, "And now?")
        assert model.prompts[-1][1].text.startswith('<earlier>\n{"notes":"Ann runs."}\n</earlier>\n\n')
        assert 1 <= sum(turn.text.startswith(LONG) for turn in model.prompts[-1]) + 1 < len(model.prompts) - 1
        session = node.session()
        assert session is not None
        assert session.state.summary is not None
        assert session.state.summary.text == "Ann runs."
        assert session.state.spent.tokens == 100 * len(model.prompts) + 50 * len(made(node))


async def test_a_message_goes_before_a_summary_which_is_begun_again_later(mongo: ReplicaSet, database: str) -> None:
    model = Summing()
    model.gate.clear()
    async with inside(mongo.url, database, model, context_tokens=SMALL) as node:
        await node.open()
        while not model.begun.is_set():
            await talk(node)
            await asyncio.sleep(0.15)
        async with asyncio.timeout(2.0):
            assert (await talk(node)).text == "Yes."
        assert model.stopped == 1
        model.gate.set()
        await until_made(node)


async def test_a_summary_that_is_owed_is_made_after_a_restart_and_without_a_model_nothing_is_tried(
    mongo: ReplicaSet, database: str
) -> None:
    model = Summing()
    model.gate.clear()
    async with inside(mongo.url, database, model, context_tokens=SMALL) as node:
        await node.open()
        while not model.begun.is_set():
            await talk(node)
            await asyncio.sleep(0.15)
        user_id = node.user_id
    async with inside(mongo.url, database, context_tokens=SMALL) as node:
        node.user_id = user_id
        await node.ref.ask(ShowProfile(), timeout=5)
        session = node.session()
        assert session is not None
        async with asyncio.timeout(5.0):
            while not session.idle():  # noqa: ASYNC110 - who owes nothing but a summary may retire
                await asyncio.sleep(0.05)
        assert session.owed() == {}, "nor is anybody woken for it"
    model.gate.set()
    async with inside(mongo.url, database, model, context_tokens=SMALL) as node:
        node.user_id = user_id
        await node.ref.ask(ShowProfile(), timeout=5)
        await until_made(node)
        assert len(made(node)) == 1


@pytest.mark.parametrize("sums", [None, "word " * 3_000])
async def test_one_that_fails_is_not_tried_in_a_loop_and_replies_go_on(
    mongo: ReplicaSet, database: str, sums: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling_summary, "FIRST_PAUSE", 0.5)
    model = Summing(sums)
    async with inside(mongo.url, database, model, context_tokens=SMALL) as node:
        await node.open()
        while not model.summaries:
            await talk(node)
            await asyncio.sleep(0.15)
        for _ in range(2):
            assert (await talk(node)).text == "Yes."
            await asyncio.sleep(0.1)
        assert (model.summaries, made(node)) == (1, [])
        model.sums = "Ann runs."
        await asyncio.sleep(0.4)
        await talk(node)
        await until_made(node)
        assert [one.seq for one in node.device.events] == list(range(1, len(node.device.events) + 1))


async def test_a_day_has_so_many_tokens_then_the_offline_coach_says_so(mongo: ReplicaSet, database: str) -> None:
    model = Summing()
    async with inside(mongo.url, database, model, daily_tokens=250) as node:
        await node.open()
        said = [await talk(node, "Hello") for _ in range(4)]
        assert [(one.answered_by, one.problem, one.tokens) for one in said] == [("summing", None, 100)] * 3 + [
            ("offline coach", "budget", 0)
        ]
        assert said[-1].text.startswith("Hello Ann. You have used up today's share")
        user_id = node.user_id
    async with inside(mongo.url, database, model, daily_tokens=250) as node:
        node.user_id = user_id
        assert (await talk(node, "Hello")).problem == "budget", "a restart gives nothing back"
        tokens = [
            one.data.tokens for one in node.device.events if isinstance(one, Recorded) and hasattr(one.data, "tokens")
        ]
        assert sum(tokens) == 0


async def test_replies_that_come_too_fast_are_made_a_little_later(mongo: ReplicaSet, database: str) -> None:
    clock = asyncio.get_running_loop().time
    async with inside(mongo.url, database, Summing(), reply_limit=Limit(4.0, 2)) as node:
        await node.open()
        begun = clock()
        sent = [(await node.order(SendMessage(f"number {n}"))).answer.reply_id for n in range(5)]
        replies = [await node.device.reply(reply_id) for reply_id in sent]
        assert [reply.text for reply in replies] == ["Yes."] * 5
        assert clock() - begun >= 3 / 4.0, "two at once, then four a second"


async def test_a_reply_that_was_stopped_costs_what_was_read_and_said(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(says(*["word "] * 200, pause=0.02))) as node:
        await node.open()
        sent = await node.order(SendMessage("Tell me everything"))
        await node.device.until(lambda one: isinstance(one, tuple) and "word" in str(one[1].get("text")))
        await node.order(StopReply(sent.answer.message_id))
        reply = await node.device.reply(sent.answer.reply_id)
        session = node.session()
        assert session is not None
        assert 60 < reply.tokens < 400
        assert session.state.spent.tokens == reply.tokens
