"""Who interrupts, by words and by sound; how long silence lasts; what a reply has come to."""

import pytest

from actors.media import Progress
from actors.voice.interruption import Verdict, by_sound, by_words
from actors.voice.messages import ReplyEnded, ReplySaid, ReplyTool
from actors.voice.reply import EARLY, Cut, Reply, Said
from actors.voice.silence import STUCK, Silence
from actors.voice.timeline import Marks
from actors.voice.timings import Timings

OURS = "First we look at your goals."
WAVE = [900, 100, 800, 50, 700, 20, 900, 100, 30, 800, 600, 20, 500, 900, 40, 700]


@pytest.mark.parametrize(
    ("text", "final", "nearly_over", "verdict"),
    [
        ("no wait I meant something else", False, False, "cut"),
        ("stop", False, False, "cut"),
        ("mhm", False, False, "wait"),
        ("mhm", True, False, "resume"),
        ("ja", True, True, "answer"),
        ("ja", False, True, "wait"),
        ("", True, False, "wait"),
        ("[Music]", True, True, "wait"),
        ("look at your goals", False, False, "resume"),
    ],
)
def test_words_decide(text: str, *, final: bool, nearly_over: bool, verdict: Verdict) -> None:
    assert by_words(text, OURS, final=final, nearly_over=nearly_over) == verdict


@pytest.mark.parametrize(
    ("heard", "voiced", "goes_on", "verdict"),
    [
        ([500] * 16, 0.7, True, "cut"),
        ([500] * 16, 0.3, True, "wait"),
        ([500] * 16, 0.3, False, "resume"),
        ([level // 5 for level in WAVE], 0.7, True, "resume"),
        ([], 0.1, False, "resume"),
    ],
    ids=["long", "short", "over", "echo", "nothing"],
)
def test_without_words_the_sound_decides(heard: list[int], voiced: float, *, goes_on: bool, verdict: Verdict) -> None:
    assert by_sound(heard, [0, 0, 0, *WAVE, 0, 0], voiced, goes_on=goes_on) == verdict


def test_silence_is_broken_sooner_while_a_tool_works_and_then_less_often() -> None:
    timings = Timings()
    silence = Silence(timings)
    silence.begin(10.0)
    assert silence.filler_at(None) == 10 + timings.thought
    assert silence.filler_at(11.0) == 11 + timings.tool
    silence.filled(12.2)
    assert silence.filler_at(11.0) == 12.2 + timings.again
    silence.begin(20.0)
    assert silence.filler_at(None) == 20 + timings.thought


def test_silence_begins_when_the_voice_ends() -> None:
    silence = Silence(Timings())
    silence.listen(1.0, Progress(10, 0, 0, confirmed=True), sounds=True, there=True)
    silence.listen(3.0, Progress(10, 10, 10, confirmed=True), sounds=False, there=True)
    silence.listen(4.0, Progress(10, 10, 10, confirmed=True), sounds=False, there=True)
    assert silence.filler_at(None) == 3 + Timings().thought


def test_a_voice_that_sends_nothing_is_stuck() -> None:
    silence = Silence(Timings())
    silence.listen(1.0, Progress(10, 4, 4, confirmed=True), sounds=True, there=True)
    silence.listen(3.0, Progress(10, 4, 4, confirmed=True), sounds=True, there=True)
    assert silence.stuck_at == 1 + STUCK
    silence.listen(4.0, Progress(10, 5, 4, confirmed=True), sounds=True, there=True)
    assert silence.stuck_at == 4 + STUCK


def test_before_a_tool_works_all_that_was_said_can_be_spoken() -> None:
    reply = Reply("r", 1, 0.0, Marks(0.0))
    assert reply.note(ReplySaid("r", "Let me see"), 1.0) == []
    assert [sentence.text for sentence in reply.note(ReplyTool("r", began=True), 2.0)] == ["Let me see"]
    assert reply.tools == 1
    assert reply.note(ReplyTool("r", began=False), 3.0) == []
    assert [sentence.text for sentence in reply.note(ReplySaid("r", "\n\nIt is so. And"), 4.0)] == ["It is so."]
    (rest,) = reply.note(ReplyEnded("r", "complete"), 5.0)
    assert reply.text[rest.start : rest.end] == " And"
    assert reply.ended


def test_a_cut_is_settled_when_all_that_was_sent_was_told_of_and_no_tool_works() -> None:
    reply = Reply("r", 1, 0.0, Marks(0.0))
    cut = Cut(reply, generation=1, sent=100, told=0, heard_by=5.5, tools_by=35.0)
    assert cut.settled_by(5.1, Progress(100, 100, 97, confirmed=True)) == 5.5
    assert cut.settled_by(5.2, Progress(100, 100, 100, confirmed=False)) == 5.5
    assert cut.settled_by(5.2, Progress(100, 100, 100, confirmed=True)) == 5.2
    reply.note(ReplyTool("r", began=True), 5.0)
    assert cut.settled_by(5.2, Progress(100, 100, 100, confirmed=True)) == 35.0


def test_of_replies_that_speak_too_early_only_some_are_kept() -> None:
    said = Said(1, 0.0, Marks(0.0))
    for number in range(EARLY + 3):
        said.keep(ReplySaid(f"r{number}", "text"))
    said.keep(ReplySaid("r0", "more"))
    assert len(said.early) == EARLY
    assert len(said.early["r0"]) == 2
