"""A call from its first offer to its end, in virtual time: what the user hears and sees, and what the session is told."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from actors.domain.refusals import ReplyPending
from actors.media import SpeechFailed
from actors.runtime.envelope import Refused, TimedOut
from actors.voice.messages import HangUp, Heard, ReplyEnded, ReplySaid, ReplyTool
from actors.voice.phrases import LATE, NOT_CAUGHT, THINKING, WORKING, phrase
from actors.voice.timings import Timings
from tests.virtual import run_virtually
from tests.voice.stack import (
    LOUD,
    SILENT,
    ScriptedHost,
    ScriptedSpeaker,
    ScriptedTranscriber,
    Stage,
    now,
)

Answer = Callable[[ScriptedHost, str, str], Awaitable[None]]
LONG = "First we look at your goals. Then we look at your week. Then we choose one thing. Then we begin with it."


async def echo(host: ScriptedHost, reply_id: str, text: str) -> None:
    await host.reply(reply_id, f"You said {text}. I heard it well.")


async def at_length(host: ScriptedHost, reply_id: str, text: str) -> None:
    await host.reply(reply_id, LONG)


def play(
    user: Callable[[Stage], Awaitable[None]],
    texts: list[str | Exception],
    answer: Answer = echo,
    **stage: object,
) -> Stage:
    """The whole call: the user is connected, does what they do, listens for a while, and hangs up."""
    played: list[Stage] = []

    async def conversation() -> None:
        scene = Stage(ScriptedHost(answer), ScriptedTranscriber(texts), **stage)  # type: ignore[arg-type]  # its own
        played.append(scene)
        running = asyncio.ensure_future(scene.call.run())
        assert await scene.offer() == "answer"
        await user(scene)
        scene.call.tell(HangUp("user"))
        scene.ended = await running
        assert len(asyncio.all_tasks()) == 1 + len(scene.host.busy), "a child outlived its call"

    run_virtually(conversation())
    return played[0]


async def listens(stage: Stage, seconds: float = 12) -> None:
    await stage.peer.sound(SILENT, seconds)


async def speaks(stage: Stage) -> None:
    await stage.speak()
    await listens(stage)


async def interrupts(stage: Stage, after: float = 3.5, seconds: float = 1.0) -> None:
    await stage.speak(silence=after)
    await stage.peer.sound(LOUD, seconds)
    await listens(stage)


def test_what_is_said_is_answered() -> None:
    stage = play(speaks, ["hello coach"])
    assert stage.ended.reason == "user"
    assert stage.host.said == ["hello coach"]
    assert stage.speaker.asked == ["You said hello coach.", "I heard it well."]
    assert stage.host.finished == [("reply-1", None)]
    assert stage.host.states() == ["listening", "thinking", "speaking", "listening", "ended"]
    assert stage.host.captions("user") == ["hello coach"]
    assert stage.host.captions("coach") == ["You said hello coach. I heard it well."]
    assert stage.peer.closed


def test_the_stages_of_a_turn_add_up_to_its_whole() -> None:
    stage = play(speaks, ["hello coach"])
    (stages,) = [data["stages"] for _, kind, data in stage.host.signals if kind == "call.turn"]
    first_sound = stage.voice.sent_at[0][0]
    assert list(stages) == [
        "endpoint", "transcript", "first_token", "first_sentence", "first_audio", "first_packet", "confirmed",
    ]  # fmt: skip
    whole = sum(stages.values()) - stages["confirmed"]
    assert whole == pytest.approx(1000 * (first_sound - stage.spoken_until), abs=70)


@pytest.mark.parametrize(("caption", "looks"), [(0.45, 8), (1.0, 3), (math.inf, 0)])
def test_words_are_looked_for_while_they_are_said_as_often_as_is_wanted(caption: float, looks: int) -> None:
    async def talks(stage: Stage) -> None:
        await stage.speak(seconds=3.6)
        await listens(stage)

    stage = play(talks, ["hello coach"], timings=Timings(caption=caption))
    assert abs(stage.transcriber.interim - looks) <= 1
    assert bool(stage.host.captions("user", final=False)[1:]) == bool(looks), "at the pause the words so far are known"
    assert stage.host.said == ["hello coach"]


def test_an_interruption_ends_the_reply_and_is_answered() -> None:
    stage = play(interrupts, ["tell me more", "wait I want something else", "wait I want something else"], at_length)
    assert stage.host.said == ["tell me more", "wait I want something else"]
    (first, heard), second = stage.host.finished
    assert first == "reply-1"
    assert heard is not None
    assert LONG.startswith(heard.text)
    assert 0 < len(heard.text) < len(LONG)
    assert not heard.estimated
    assert second == ("reply-2", None)


def test_the_voice_falls_silent_at_once_when_somebody_speaks() -> None:
    stage = play(interrupts, ["tell me more", "wait I want something else", "wait I want something else"], at_length)
    began = stage.loud_at[1]
    last = max(at for at, _ in stage.voice.sent_at if at < began + 0.5)
    assert last - began <= 0.12


@pytest.mark.parametrize("nod", ["mhm", "ja", "Okay.", ""])
def test_a_nod_or_a_cough_does_not_interrupt(nod: str) -> None:
    async def nods(stage: Stage) -> None:
        await interrupts(stage, seconds=0.3)

    stage = play(nods, ["tell me more", nod], at_length)
    assert stage.host.said == ["tell me more"]
    assert stage.host.finished == [("reply-1", None)]
    assert [kind for kind, _ in stage.voice.log][:3] == ["resume", "pause", "resume"]


def test_a_nod_at_the_very_end_is_an_answer() -> None:
    """The coach asks whether, and who says yes before its last word is over has answered."""

    async def agrees(stage: Stage) -> None:
        await stage.speak(silence=2.1)
        await stage.peer.sound(LOUD, 0.3)
        await listens(stage)

    async def asks(host: ScriptedHost, reply_id: str, text: str) -> None:
        await host.reply(reply_id, "Shall I?" if text == "do it" else "It is done.")

    stage = play(agrees, ["do it", "ja", "ja"], asks)
    assert stage.host.said == ["do it", "ja"]
    assert stage.host.finished == [("reply-1", None), ("reply-2", None)]


def test_what_was_said_before_a_tool_is_spoken_while_it_works() -> None:
    async def works(host: ScriptedHost, reply_id: str, text: str) -> None:
        host.call.tell(ReplySaid(reply_id, "Let me see."))
        host.call.tell(ReplyTool(reply_id, began=True))
        await asyncio.sleep(1.5)
        host.call.tell(ReplyTool(reply_id, began=False))
        await host.reply(reply_id, "\n\nThere it is.")

    stage = play(speaks, ["look it up"], works)
    assert stage.speaker.asked == ["Let me see.", "There it is."]
    assert stage.host.captions("coach") == ["Let me see.\n\nThere it is."]


def test_what_comes_back_of_our_own_voice_does_not_interrupt() -> None:
    stage = play(interrupts, ["tell me more", "look at your goals then"], at_length)
    assert stage.host.finished == [("reply-1", None)]


def test_loud_speech_interrupts_even_if_nobody_can_tell_its_words() -> None:
    stage = play(interrupts, ["tell me more", SpeechFailed("speech.timeout")], at_length)
    assert stage.host.finished[0][1] is not None
    assert phrase("speech.timeout", "en") in stage.speaker.asked


def test_a_demand_to_stop_is_obeyed_and_not_answered() -> None:
    stage = play(interrupts, ["tell me more", "Stop!", "Stop!"], at_length)
    assert stage.host.said == ["tell me more"]
    assert stage.host.finished[0][1] is not None
    assert stage.host.states()[-2:] == ["listening", "ended"]


def test_while_a_tool_works_for_long_the_coach_says_so() -> None:
    async def works(host: ScriptedHost, reply_id: str, text: str) -> None:
        host.call.tell(ReplyTool(reply_id, began=True))
        await asyncio.sleep(4)
        host.call.tell(ReplyTool(reply_id, began=False))
        await host.reply(reply_id, "Your goal is made.")

    stage = play(speaks, ["make a goal"], works)
    assert stage.speaker.asked == [phrase(WORKING, "en"), "Your goal is made."]
    assert stage.host.finished == [("reply-1", None)]


def test_a_quick_tool_needs_no_words() -> None:
    async def works(host: ScriptedHost, reply_id: str, text: str) -> None:
        host.call.tell(ReplyTool(reply_id, began=True))
        await asyncio.sleep(0.5)
        host.call.tell(ReplyTool(reply_id, began=False))
        await host.reply(reply_id, "Done.")

    assert play(speaks, ["make a goal"], works).speaker.asked == ["Done."]


async def says_nothing(host: ScriptedHost, reply_id: str, text: str) -> None:
    await asyncio.sleep(100)


async def fails(host: ScriptedHost, reply_id: str, text: str) -> None:
    await asyncio.sleep(1)
    host.call.tell(ReplyEnded(reply_id, "failed", "model.limited"))


async def breaks_off(host: ScriptedHost, reply_id: str, text: str) -> None:
    host.call.tell(ReplySaid(reply_id, "I think that "))
    await asyncio.sleep(1)
    host.call.tell(ReplySaid(reply_id, "\n\nI'm sorry, I was cut off."))
    host.call.tell(ReplyEnded(reply_id, "failed", "model.cut"))


@pytest.mark.parametrize(
    ("answer", "spoken"),
    [
        (says_nothing, [phrase(THINKING, "en"), phrase(THINKING, "en", 1)]),
        (fails, [phrase("model.limited", "en")]),
        (breaks_off, ["I think that", "I'm sorry,", "I was cut off."]),
    ],
)
def test_a_reply_that_does_not_come_is_explained(answer: Answer, spoken: list[str]) -> None:
    async def waits(stage: Stage) -> None:
        await stage.speak()
        await listens(stage, 45 if answer is says_nothing else 10)

    stage = play(waits, ["hello"], answer)
    asked = stage.speaker.asked
    assert " ".join(asked).startswith(" ".join(spoken))
    assert stage.host.finished == [("reply-1", None)]
    if answer is says_nothing:
        assert asked[-1] == phrase(LATE, "en")
        assert "timeout" in [data.get("reason") for _, kind, data in stage.host.signals if kind == "call.state"]


@pytest.mark.parametrize(
    "code", ["speech.timeout", "speech.error", "speech.limited", "speech.garbage", "speech.loading", "speech.missing"]
)
def test_a_transcriber_that_fails_is_explained_and_the_call_goes_on(code: str) -> None:
    async def twice(stage: Stage) -> None:
        await stage.speak()
        await listens(stage, 6)
        await stage.speak()
        await listens(stage)

    stage = play(twice, [SpeechFailed(code), "hello"])
    assert stage.speaker.asked[0] == phrase(code, "en")
    assert stage.host.said == ["hello"]
    assert stage.host.finished == [("reply-1", None)]


def test_a_transcriber_that_never_answers_is_explained() -> None:
    async def waits(stage: Stage) -> None:
        stage.transcriber.takes = 1_000
        await stage.speak()
        await listens(stage, 30)

    stage = play(waits, ["hello"])
    assert stage.speaker.asked == [phrase(THINKING, "en"), phrase("speech.timeout", "en")]


def test_a_transcriber_that_breaks_is_explained() -> None:
    stage = play(speaks, [ZeroDivisionError()])
    assert stage.speaker.asked == [phrase("speech.error", "en")]


@pytest.mark.parametrize("problem", [ReplyPending(), Refused()])
def test_a_session_that_refuses_is_explained(problem: Refused) -> None:
    async def refused(stage: Stage) -> None:
        stage.host.refusals = [problem, problem]
        await speaks(stage)

    assert play(refused, ["hello"]).speaker.asked == [phrase(problem.code, "en")]


def test_what_cannot_be_spoken_is_shown_with_the_reason() -> None:
    stage = play(speaks, ["hello"], speaker=ScriptedSpeaker(fails=["speech.error"]))
    assert stage.host.captions("coach") == ["You said hello. I heard it well."]
    assert stage.host.finished == [("reply-1", None)]
    assert "speech.error" in [data.get("reason") for _, kind, data in stage.host.signals if kind == "call.state"]


def test_a_speaker_that_never_answers_is_shown_with_the_reason() -> None:
    stage = play(speaks, ["hello"], speaker=ScriptedSpeaker(first=1_000))
    assert stage.host.captions("coach") == ["You said hello. I heard it well."]
    assert "speech.timeout" in [data.get("reason") for _, kind, data in stage.host.signals if kind == "call.state"]


def test_a_speaker_that_makes_no_end_is_stopped_and_shown() -> None:
    stage = play(speaks, ["hello"], speaker=ScriptedSpeaker(piece=20))
    assert "speech.garbage" in [data.get("reason") for _, kind, data in stage.host.signals if kind == "call.state"]
    assert stage.ended.reason == "user"


def test_garbage_is_asked_for_again_only_once() -> None:
    async def mumbles(stage: Stage) -> None:
        for _ in range(3):
            await stage.speak()
            await listens(stage, 5)

    stage = play(mumbles, ["", "[Music]", "..."])
    assert stage.speaker.asked == [phrase(NOT_CAUGHT, "en")]
    assert not stage.host.said
    assert stage.host.states()[-2:] == ["listening", "ended"]


def test_who_comes_back_hears_the_sentence_go_on_where_it_was() -> None:
    async def goes_and_comes(stage: Stage) -> None:
        await stage.speak(silence=3.5)
        stage.peer.vanish()
        gone = stage.voice.progress().heard
        await asyncio.sleep(5)
        assert stage.voice.progress().heard == gone
        await stage.offer()
        began = now()
        await listens(stage)
        resumed = next(at for at, _ in stage.voice.sent_at if at > began - 0.1)
        assert resumed - began < 0.1
        frame = next(frame for at, frame in stage.voice.sent_at if at > began - 0.1)
        assert gone - 15 <= frame <= gone

    stage = play(goes_and_comes, ["tell me more"], at_length)
    assert stage.host.finished == [("reply-1", None)]
    assert stage.host.states() == ["listening", "thinking", "speaking", "away", "speaking", "listening", "ended"]


def test_who_stays_away_is_not_waited_for_for_ever() -> None:
    ended: list[str] = []

    async def conversation() -> None:
        stage = Stage(ScriptedHost(at_length), ScriptedTranscriber(["tell me more"]))
        running = asyncio.ensure_future(stage.call.run())
        await stage.offer()
        await stage.speak(silence=3.5)
        stage.peer.vanish()
        ended.append((await running).reason)
        ((_, heard),) = stage.host.finished
        assert isinstance(heard, Heard)
        assert LONG.startswith(heard.text)
        assert stage.host.states()[-2:] == ["away", "ended"]

    run_virtually(conversation())
    assert ended == ["away"]


def leaves(moment: Callable[[Stage], Awaitable[None]], texts: list[str | Exception], **stage: object) -> Stage:
    """As `play`, but that its node is to end at that moment."""

    async def is_moved(scene: Stage) -> None:
        await moment(scene)
        scene.call.tell(HangUp("draining", gently=True))
        await scene.peer.sound(SILENT, 5)

    return play(is_moved, texts, at_length, **stage)


def test_who_is_moved_hears_the_sentence_to_its_end_and_reads_the_rest() -> None:
    moved: list[float] = []

    async def in_the_second_sentence(stage: Stage) -> None:
        await stage.speak(silence=3.0)
        moved.append(now())

    stage = leaves(in_the_second_sentence, ["tell me more"])
    assert stage.ended.reason == "draining"
    first, second, *_ = LONG.split(". ")
    words = len(first.split()) + len(second.split())
    frames = [frame for _, frame in stage.voice.sent_at]
    assert moved[0] < stage.voice.sent_at[-1][0], "it went on"
    assert frames == list(range(words * 10)), "to the end of the second sentence, and not a word further"
    assert stage.host.finished == [("reply-1", None)], "all of it stands in writing"
    assert stage.host.states()[-1] == "ended"


def test_who_is_moved_while_they_speak_is_heard_to_the_end() -> None:
    async def in_the_middle(stage: Stage) -> None:
        await stage.peer.sound(LOUD, 0.6)
        stage.call.tell(HangUp("draining", gently=True))
        await stage.peer.sound(LOUD, 0.6)
        await stage.peer.sound(SILENT, 2)

    stage = leaves(in_the_middle, ["tell me more"])
    assert stage.ended.reason == "draining"
    assert stage.host.said == ["tell me more"]
    assert stage.host.finished == [("reply-1", None)]
    assert not stage.voice.sent_at


def test_who_is_moved_in_silence_is_moved_at_once() -> None:
    told: list[float] = []

    async def at_once(stage: Stage) -> None:
        await listens(stage, 1)
        told.append(now())

    stage = leaves(at_once, ["tell me more"])
    ended = next(at for at, kind, data in stage.host.signals if kind == "call.state" and data["state"] == "ended")
    assert ended - told[0] < 0.1


def test_who_speaks_without_an_end_is_moved_all_the_same() -> None:
    async def goes_on(stage: Stage) -> None:
        await stage.peer.sound(LOUD, 0.5)
        stage.call.tell(HangUp("draining", gently=True))
        await stage.peer.sound(LOUD, 6)

    stage = leaves(goes_on, ["tell me more"])
    began = stage.loud_at[1]
    ended = next(at for at, kind, data in stage.host.signals if kind == "call.state" and data["state"] == "ended")
    assert ended - began == pytest.approx(Timings().leaving, abs=0.1)


def test_what_the_session_is_told_again_has_the_same_cid() -> None:
    async def is_not_heard_at_first(stage: Stage) -> None:
        stage.host.refusals = [TimedOut(effect="unknown")]
        await speaks(stage)

    stage = play(is_not_heard_at_first, ["hello"])
    assert len(stage.host.cids) == 2
    assert len(set(stage.host.cids)) == 1
    assert stage.host.said == ["hello"]


def test_a_call_that_is_cut_off_with_its_session_says_that_it_has_ended() -> None:
    async def conversation() -> None:
        stage = Stage(ScriptedHost(at_length), ScriptedTranscriber(["tell me more"]))
        running = asyncio.ensure_future(stage.call.run())
        await stage.offer()
        await stage.speak(silence=3.0)
        running.cancel()
        await asyncio.wait([running])
        assert stage.host.states()[-2:] == ["speaking", "ended"]
        assert stage.host.signals[-1][2]["reason"] == "failed"
        assert stage.peer.closed

    run_virtually(conversation())
