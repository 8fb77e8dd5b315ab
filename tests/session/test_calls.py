"""A call and its conversation: what is said is a message, and the reply is what of it was heard."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from actors.commands import SendMessage, StopReply
from actors.domain.refusals import CallBusy, CallNotFound, NoCalls, RateLimited
from actors.events import MessageAdded, PausesLearned, Recorded
from actors.ports import TextDelta, Tool, ToolCall, Turn
from actors.questions import AddCandidate, Attach, CallAnswered, EndCall, OfferCall
from actors.runtime.envelope import Overloaded, Refused
from actors.voice.messages import Around
from actors.voice.timings import Timings
from actors.voice.turn import Turns
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside
from tests.voice.stack import (
    LOUD,
    SILENT,
    ScriptedDetector,
    ScriptedPeer,
    ScriptedPeers,
    ScriptedSpeaker,
    ScriptedTranscriber,
)

LONG = " ".join(f"Sentence number {number} goes on for a while." for number in range(12))
SHORT = "Good morning to you."


class Saying:
    """Says the text, word by word; what it was asked last is kept."""

    name = "saying"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Sequence[Turn]] = []
        self.may = asyncio.Event()
        self.may.set()
        """Whether it goes on."""

    async def answer(self, turns: Sequence[Turn], _: Sequence[Tool]) -> AsyncGenerator[TextDelta | ToolCall, None]:
        self.asked.append(turns)
        await self.may.wait()
        for piece in re.findall(r"\S+\s*", self.text):
            yield TextDelta(piece)


def stack(*texts: str) -> tuple[ScriptedPeers, Around]:
    peers = ScriptedPeers()
    heard: list[str | Exception] = [*texts]
    return peers, Around(peers, ScriptedDetector(), None, ScriptedTranscriber(heard, 0.02), ScriptedSpeaker(0.02))


async def offer(node: Inside, peers: ScriptedPeers, device: str = "phone", **more: object) -> tuple[str, ScriptedPeer]:
    answered: CallAnswered = await node.ref.ask(OfferCall("offer", device=device, **more), timeout=5)  # type: ignore[arg-type]  # its fields
    assert answered.sdp == "answer"
    peers.made[-1].connect()
    return answered.call_id, peers.made[-1]


async def say(peer: ScriptedPeer) -> None:
    await peer.sound(LOUD, 0.6)
    await peer.sound(SILENT, 0.8)


async def message(node: Inside, role: str, number: int = 1) -> MessageAdded:
    """The so-manyth of that role."""

    def found(_: object) -> bool:
        return len(messages(node, role)) >= number

    await node.device.until(found)
    return messages(node, role)[number - 1]


def messages(node: Inside, role: str) -> list[MessageAdded]:
    added = [one.data for one in node.device.events if isinstance(one.data, MessageAdded)]
    return [one for one in added if one.role == role]


async def over(calls: Around) -> None:
    """No call is left."""
    async with asyncio.timeout(5):
        while calls.figures.live:  # noqa: ASYNC110 - a number
            await asyncio.sleep(0.02)


def states(node: Inside) -> list[str]:
    return [data["state"] for kind, data in node.device.signals if kind == "call.state"]


async def test_what_is_said_is_answered_aloud_and_stands_in_the_history(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("good morning coach")
    model = Saying(SHORT)
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        call_id, peer = await offer(node, peers)
        await say(peer)
        said, reply = await message(node, "user"), await message(node, "coach")
        assert (said.text, said.spoken, said.author_id) == ("good morning coach", True, node.user_id)
        assert (reply.text, reply.spoken, reply.state) == (SHORT, True, "complete")
        assert reply.reply_to == said.id
        assert '"in_a_call":true' in model.asked[0][-1].text
        await node.ref.ask(EndCall(call_id), timeout=5)
        await node.device.until(lambda _: states(node)[-1:] == ["ended"])
        assert states(node)[:3] == ["listening", "thinking", "speaking"]
        with pytest.raises(CallNotFound):
            await node.ref.ask(EndCall(call_id), timeout=5)


async def test_what_is_known_is_read_before_anything_is_said(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("good morning coach", "and what now")
    model = Saying(SHORT)
    async with inside(mongo.url, database, model, calls=calls, reads_ahead=True) as node:
        await node.open()
        _, peer = await offer(node, peers)
        assert len(model.asked) == 1
        await say(peer)
        assert (await message(node, "coach")).text == SHORT
        ahead, asked = ([turn.text for turn in turns] for turns in model.asked)
        assert asked == [*ahead[:-1], f"{ahead[-1]}good morning coach"]
        assert len(messages(node, "coach")) == 1, "what was read ahead said nothing"
        await say(peer)
        await message(node, "coach", 2)
        again, next_asked = ([turn.text for turn in turns] for turns in model.asked[2:4])
        assert SHORT in again, "the answer before is read as soon as it was heard"
        assert next_asked == [*again[:-1], f"{again[-1]}and what now"]


async def test_of_a_reply_that_is_cut_only_what_was_heard_was_said(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("tell me a long story", "stop that please now", "and then")
    model = Saying(LONG)
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        _, peer = await offer(node, peers)
        await say(peer)
        await node.device.until(lambda _: "speaking" in states(node))
        assert not messages(node, "coach")
        await asyncio.sleep(1.5)
        model.text = SHORT
        await say(peer)
        cut = await message(node, "coach")
        assert cut.state == "interrupted"
        assert cut.spoken
        assert LONG.startswith(cut.text.rstrip())
        assert 0 < len(cut.text) < len(LONG) / 2
        await message(node, "coach", 2)
        told = [turn.text for turn in model.asked[-1] if turn.role == "assistant"]
        assert told == [cut.text]


async def test_a_call_that_crashes_leaves_its_reply_as_text(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers, calls = stack("good morning")
    async with inside(mongo.url, database, Saying(LONG), calls=calls) as node:
        await node.open()
        _, peer = await offer(node, peers)
        await say(peer)
        await node.device.until(lambda _: "speaking" in states(node))
        monkeypatch.setattr(Turns, "take", broken)
        reply = await message(node, "coach")
        assert (reply.text, reply.spoken) == (LONG, False)
        monkeypatch.undo()
        await offer(node, peers, "laptop")


def broken(*_: object) -> None:
    raise RuntimeError("a bug")


async def test_one_device_at_a_time(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("hello")
    async with inside(mongo.url, database, Saying(SHORT), calls=calls) as node:
        await node.open()
        call_id, first = await offer(node, peers)
        with pytest.raises(CallBusy):
            await offer(node, peers, "laptop")
        with pytest.raises(CallNotFound):
            await offer(node, peers, "phone", call_id=node.user_id)
        again, second = await offer(node, peers)
        taken, third = await offer(node, peers, "laptop", take_over=True)
        assert call_id == again == taken
        await asyncio.sleep(0.1)
        assert (first.closed, second.closed, third.closed) == (True, True, False)
        await node.ref.ask(AddCandidate(call_id, "candidate:1", "0", 0), timeout=5)
        assert third.candidates == ["candidate:1"]
        with pytest.raises(CallNotFound):
            await node.ref.ask(AddCandidate(node.user_id, None, None, None), timeout=5)
        refused = await asyncio.gather(*(offer(node, peers, "laptop") for _ in range(20)), return_exceptions=True)
        assert any(isinstance(one, RateLimited) for one in refused)


async def test_an_offer_that_is_refused_is_no_call(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers, calls = stack("hello")

    class NotAnOffer(Refused):
        code = "call.sdp"

    async def refuse(*_: object) -> None:
        raise NotAnOffer

    async with inside(mongo.url, database, Saying(SHORT), calls=calls) as node:
        await node.open()
        with monkeypatch.context() as patched:
            patched.setattr(peers, "answer", refuse)
            with pytest.raises(NotAnOffer):
                await offer(node, peers)
        await node.device.until(lambda _: states(node)[-1:] == ["ended"])
        await offer(node, peers, "laptop")


async def test_where_nobody_hears_and_speaks_a_call_is_refused(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Saying(SHORT)) as node:
        await node.open()
        with pytest.raises(NoCalls):
            await offer(node, ScriptedPeers())


async def test_what_a_call_learned_of_pauses_the_next_one_knows(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("hello there")
    async with inside(mongo.url, database, Saying(SHORT), calls=calls) as node:
        await node.open()
        call_id, peer = await offer(node, peers)
        await peer.sound(LOUD, 0.5)
        await peer.sound(SILENT, 0.3)
        await say(peer)
        await message(node, "coach")
        await node.ref.ask(EndCall(call_id), timeout=5)
        learned = await node.device.until(lambda one: isinstance(one, Recorded) and isinstance(one.data, PausesLearned))
        assert 0.2 < learned.data.seconds < 0.6


async def test_who_hangs_up_before_the_answer_finds_it_written(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("what shall I do")
    model = Saying(LONG)
    model.may.clear()
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        call_id, peer = await offer(node, peers)
        await say(peer)
        await node.device.until(lambda _: model.asked)
        await node.ref.ask(EndCall(call_id), timeout=5)
        await node.device.until(lambda _: states(node)[-1:] == ["ended"])
        await asyncio.sleep(0.1)
        assert not messages(node, "coach")
        model.may.set()
        reply = await message(node, "coach")
        assert (reply.text, reply.state, reply.spoken) == (LONG, "complete", False)


async def test_a_spoken_reply_that_is_stopped_keeps_what_was_heard(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("tell me a story", "and now another one")
    model = Saying(LONG)
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        _, peer = await offer(node, peers)
        await say(peer)
        said = await message(node, "user")
        await node.device.until(lambda _: "speaking" in states(node))
        await asyncio.sleep(0.8)
        await node.order(StopReply(said.id))
        reply = await message(node, "coach")
        assert (reply.state, reply.spoken) == ("interrupted", True)
        assert 0 < len(reply.text) < len(LONG) / 2
        assert LONG.startswith(reply.text)
        await say(peer)
        await message(node, "user", 2)
        await node.device.until(lambda _: len(model.asked) > 1)
        assert [turn.text for turn in model.asked[1] if turn.role == "assistant"] == [reply.text]


async def test_who_writes_while_the_coach_speaks_is_answered_at_once(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("tell me a story")
    model = Saying(LONG)
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        _, peer = await offer(node, peers)
        await say(peer)
        await node.device.until(lambda _: "speaking" in states(node))
        await asyncio.sleep(0.8)
        peer.vanish()
        model.text = SHORT
        await node.order(SendMessage("and in writing?"))
        reply = await message(node, "coach")
        assert (reply.text, reply.spoken) == (SHORT, False)
        await node.ref.ask(EndCall((await offer(node, peers))[0]), timeout=5)
        spoken = await message(node, "coach", 2)
        assert (spoken.spoken, spoken.state) == (True, "interrupted")


async def test_a_reply_that_fails_when_some_of_it_was_heard_is_not_said_anew(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("tell me a story")

    class Breaking(Saying):
        async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[TextDelta | ToolCall]:
            async for piece in super().answer(turns, tools):
                yield piece
            raise RuntimeError("a bug")

    model = Breaking(SHORT)
    async with inside(mongo.url, database, model, calls=calls) as node:
        await node.open()
        _, peer = await offer(node, peers)
        await say(peer)
        reply = await message(node, "coach")
        assert (reply.state, reply.spoken, len(model.asked)) == ("failed", True, 1)
        assert reply.text.startswith("Good")
        last = next(data for kind, data in reversed(node.device.signals) if kind == "caption")
        assert last["text"] == reply.text


async def test_what_calls_come_to_is_counted_and_told_to_who_joins(mongo: ReplicaSet, database: str) -> None:
    peers, calls = stack("good morning coach")
    async with inside(mongo.url, database, Saying(SHORT), calls=calls) as node:
        await node.open()
        call_id, peer = await offer(node, peers)
        await say(peer)
        await message(node, "coach")
        assert calls.figures.live == calls.figures.turns == 1
        before = len(node.device.signals)
        await node.ref.ask(Attach("1/laptop", "laptop"), timeout=5)
        kind, data = node.device.signals[before]
        assert (kind, data["call_id"]) == ("call.state", call_id)
        await node.ref.ask(EndCall(call_id), timeout=5)
        await node.device.until(lambda _: states(node)[-1:] == ["ended"])
        await over(calls)
    assert (calls.figures.begun, dict(calls.figures.ended)) == (1, {"user": 1})
    told = next(data for kind, data in node.device.signals if kind == "call.turn")
    assert {stage: kept.sum for stage, kept in calls.figures.stages.items()} == told["stages"]


async def test_a_call_is_refused_where_others_would_suffer_and_ends_when_it_has_lasted_long(
    mongo: ReplicaSet, database: str
) -> None:
    peers, calls = stack("hello")
    full = [True]

    def admit() -> None:
        if full:
            raise Overloaded

    calls = replace(calls, admit=admit, timings=Timings(longest=0.3))
    async with inside(mongo.url, database, Saying(SHORT), calls=calls) as node:
        await node.open()
        with pytest.raises(Overloaded):
            await offer(node, peers)
        full.clear()
        await offer(node, peers)
        await node.device.until(lambda _: states(node)[-1:] == ["ended"])
        assert node.device.signals[-1][1]["reason"] == "too_long"
        await over(calls)
    assert calls.figures.ended == {"too_long": 1}
