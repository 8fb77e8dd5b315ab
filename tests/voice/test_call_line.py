"""The line of a call: offers, candidates, peers that fail; and stages of the call itself that fail or stall."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors.domain.refusals import CallNotFound, Conflict
from actors.runtime.envelope import Overloaded, Refused, Unavailable
from actors.voice.call import WAITING
from actors.voice.endpointing import UNFINISHED
from actors.voice.messages import Candidate, HangUp, Offered, ReplySaid
from actors.voice.turn import Turns
from tests.virtual import run_virtually
from tests.voice.stack import SILENT, ScriptedHost, ScriptedTranscriber, Stage, now


class BadSdp(Refused):
    code = "call.sdp"


async def greets(host: ScriptedHost, reply_id: str, text: str) -> None:
    await host.reply(reply_id, "Hello there.")


def future() -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().create_future()


def played(user: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    return run_virtually(played_within(user))


async def played_within(user: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    """The call runs while the user does what they do, and is hung up if it has not ended by then."""
    stage = Stage(ScriptedHost(greets), ScriptedTranscriber(["hello"]))
    running = asyncio.ensure_future(stage.call.run())
    await user(stage)
    stage.call.tell(HangUp("user"))
    stage.ended = await running
    return stage


def test_a_refused_offer_is_told_and_another_may_follow() -> None:
    async def offers(stage: Stage) -> None:
        stage.peers.refuses = [BadSdp(), ZeroDivisionError()]
        for refusal in (BadSdp, Unavailable):
            with pytest.raises(refusal):
                await stage.offer()
        await stage.offer()
        await stage.speak(silence=5)

    assert played(offers).host.finished == [("reply-1", None)]


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    async def offers(stage: Stage) -> None:
        stage.peers.takes = 1_000
        began = now()
        with pytest.raises(Refused, match="timeout"):
            await stage.offer()
        assert now() - began < 20

    played(offers)


def test_the_newest_offer_counts() -> None:
    async def offers(stage: Stage) -> None:
        first, second = future(), future()
        stage.call.tell(Offered("one", first))
        stage.call.tell(Offered("two", second))
        assert await second == "answer"
        assert isinstance(first.exception(), Conflict)
        assert len(stage.peers.made) == 1

    played(offers)


def test_a_new_peer_takes_the_place_of_the_one_so_far() -> None:
    async def offers(stage: Stage) -> None:
        await stage.offer()
        old = stage.peer
        await stage.offer()
        await asyncio.sleep(0.1)
        assert old.closed
        old.on_state("silent")
        await stage.speak(silence=5)

    stage = played(offers)
    assert stage.host.finished == [("reply-1", None)]
    assert stage.host.states()[:2] == ["listening", "away"]


def test_who_has_gone_before_the_answer_leaves_no_peer_behind() -> None:
    async def offers(stage: Stage) -> None:
        reply = future()
        stage.call.tell(Offered("offer", reply))
        reply.cancel()
        await asyncio.sleep(1)
        assert stage.peer.closed

    played(offers)


def test_candidates_wait_for_their_peer_and_keep_their_order() -> None:
    async def offers(stage: Stage) -> None:
        none = future()
        stage.call.tell(Candidate("too early", None, None, none))
        offered, replies = future(), [future() for _ in range(3)]
        stage.call.tell(Offered("offer", offered))
        for name, reply in zip(("a", "b", None), replies, strict=True):
            stage.call.tell(Candidate(name, "0", 0, reply))
        await offered
        await asyncio.wait(replies)
        assert stage.peer.candidates == ["a", "b", None]
        assert isinstance(none.exception(), Refused)

    played(offers)


def test_after_the_end_offers_are_refused() -> None:
    replies: list[asyncio.Future[Any]] = []

    async def conversation() -> None:
        stage = Stage(ScriptedHost(greets), ScriptedTranscriber(["hello"]))
        replies.extend((future(), future()))
        stage.call.tell(HangUp("user"))
        stage.call.tell(Offered("waiting", replies[0]))
        await stage.call.run()
        stage.call.tell(Offered("late", replies[1]))
        stage.call.tell(ReplySaid("reply", "text"))

    run_virtually(conversation())
    assert all(isinstance(reply.exception(), CallNotFound) for reply in replies)


def test_who_never_connects_is_not_waited_for_for_ever() -> None:
    async def conversation() -> None:
        stage = Stage(ScriptedHost(greets), ScriptedTranscriber(["hello"]))
        assert (await stage.call.run()).reason == "away"
        assert 59 < now() < 65

    run_virtually(conversation())


def test_a_peer_that_does_not_close_does_not_keep_the_call() -> None:
    times: list[float] = []

    async def offers(stage: Stage) -> None:
        await stage.offer()
        stage.peer.closes_in = 1_000
        times.append(now())

    async def conversation() -> None:
        await played_within(offers)
        times.append(now())

    run_virtually(conversation())
    assert times[1] - times[0] < 3


def test_more_messages_than_it_holds_end_the_call() -> None:
    async def floods(stage: Stage) -> None:
        await stage.offer()
        for _ in range(WAITING + 5):
            stage.call.tell(ReplySaid("reply", "x"))
        refused = future()
        stage.call.tell(Offered("offer", refused))
        assert isinstance(refused.exception(), Overloaded)
        await asyncio.sleep(0.1)

    stage = played(floods)
    assert stage.ended.reason == "overloaded"
    assert stage.host.states()[-1] == "ended"


def test_a_bug_ends_the_call_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async def offers(stage: Stage) -> None:
        await stage.offer()
        monkeypatch.setattr(Turns, "take", broken)
        await stage.speak()

    stage = played(offers)
    assert stage.ended.reason == "failed"
    assert stage.host.signals[-1][2] == {"call_id": "call-1", "state": "ended", "reason": "failed"}
    assert stage.peer.closed


def test_a_detector_that_breaks_is_done_without() -> None:
    async def speaks(stage: Stage) -> None:
        stage.detector.breaks = True
        await stage.offer()
        await stage.speak(silence=6)

    assert played(speaks).host.finished == [("reply-1", None)]


def test_a_detector_that_stalls_is_done_without() -> None:
    async def speaks(stage: Stage) -> None:
        stage.detector.takes = 1_000
        await stage.offer()
        await stage.peer.sound(SILENT, 2)
        await stage.speak(silence=6)

    assert played(speaks).host.finished == [("reply-1", None)]


def test_the_judge_hears_the_last_seconds_and_lengthens_the_turn() -> None:
    async def speaks(stage: Stage) -> None:
        await stage.offer()
        stage.judge.says = 0.1
        await stage.speak(seconds=12, silence=8)

    stage = played(speaks)
    (thinking,) = [at for at, kind, data in stage.host.signals if data.get("state") == "thinking"]
    assert thinking - stage.spoken_until == pytest.approx(UNFINISHED, abs=0.1)
    assert stage.judge.heard == [2 * 8 * 16_000]


@pytest.mark.parametrize("says", [ZeroDivisionError(), 1_000])
def test_a_judge_that_breaks_or_stalls_ends_no_call(says: object) -> None:
    async def speaks(stage: Stage) -> None:
        await stage.offer()
        stage.judge.says = says
        await stage.speak(silence=6)

    assert played(speaks).host.finished == [("reply-1", None)]


def test_sound_that_stops_coming_ends_a_turn_too() -> None:
    """As with discontinuous transmission: a client that sends nothing while it is quiet."""

    async def speaks(stage: Stage) -> None:
        await stage.offer()
        await stage.speak(silence=0)
        await asyncio.sleep(6)

    assert played(speaks).host.said == ["hello"]


def test_what_it_learned_of_the_pauses_is_told_at_the_end() -> None:
    async def speaks(stage: Stage) -> None:
        await stage.offer()
        for _ in range(3):
            await stage.speak(silence=0.4)
        await stage.speak(silence=6)

    pauses = played(speaks).ended.pauses
    assert pauses is not None
    assert pauses != 0.4
