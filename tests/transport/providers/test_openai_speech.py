"""Whatever a speech provider does, there are words and sound, or one word on how it failed, within the deadlines."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from actors.media import SpeechFailed, Transcript
from tests import sounds
from tests.scripted_speech import (
    SOME,
    Behaviour,
    ScriptedSpeech,
    answers,
    cut,
    endless,
    fails,
    hangs,
    hears,
    limited,
    loading,
    scripted_speech,
    speaks,
)
from transport.providers.openai_speech import Deadlines, OpenAISpeaker, OpenAITranscriber

HELLO = "Hello, I want to read more."
SAID = sounds.phrase(HELLO)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedSpeech]:
    async with scripted_speech() as speech:
        speech.phrase(HELLO)
        yield speech


@pytest.fixture
async def transcriber(server: ScriptedSpeech) -> AsyncIterator[OpenAITranscriber]:
    async with OpenAITranscriber(server.url, "a-key", "hears", seconds=2.0, interim_model="hears-fast") as opened:
        await opened.warm()
        yield opened


@pytest.fixture
async def speaker(server: ScriptedSpeech) -> AsyncIterator[OpenAISpeaker]:
    deadlines = Deadlines(first=3.0, between=0.6, whole=5.0)
    async with OpenAISpeaker(server.url, "a-key", "speaks", voice="warm", deadlines=deadlines) as opened:
        await opened.warm()
        yield opened


async def heard(transcriber: OpenAITranscriber) -> str:
    try:
        return (await transcriber.transcribe(SAID, language="en")).text
    except SpeechFailed as failed:
        return failed.code


async def spoken(speaker: OpenAISpeaker, text: str = HELLO) -> tuple[bytes, str | None]:
    gathered = b""
    try:
        async with aclosing(speaker.speak(text, language="en")) as pieces:
            async for piece in pieces:
                gathered += piece.pcm
    except SpeechFailed as failed:
        return gathered, failed.code
    return gathered, None


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_words_of_a_sound_are_heard_and_the_provider_gets_what_it_needs(
    transcriber: OpenAITranscriber, server: ScriptedSpeech
) -> None:
    assert await transcriber.transcribe(SAID, language="en") == Transcript(HELLO)
    asked = server.requests[-1]
    assert (asked.model, asked.language, asked.form, server.keys) == ("hears", "en", "json", {"Bearer a-key"})
    assert asked.heard == SAID
    await transcriber.transcribe(SAID, interim=True)
    assert (server.requests[-1].model, server.requests[-1].language) == ("hears-fast", None)


async def test_what_is_too_short_for_a_word_is_not_asked_about(
    transcriber: OpenAITranscriber, server: ScriptedSpeech
) -> None:
    assert await transcriber.transcribe(sounds.silence(0.09)) == Transcript("")
    assert not server.requests


@pytest.mark.parametrize("text", ["", " ", "[BLANK_AUDIO]", "(upbeat music)", "♪♪", "*coughs*", "..."])
async def test_what_nobody_said_is_nothing(transcriber: OpenAITranscriber, server: ScriptedSpeech, text: str) -> None:
    server.hearing(hears(text))
    assert await heard(transcriber) == ""


async def test_what_stands_in_brackets_among_words_is_said(
    transcriber: OpenAITranscriber, server: ScriptedSpeech
) -> None:
    server.hearing(hears("(Well) I would say so (maybe)"))
    assert await heard(transcriber) == "(Well) I would say so (maybe)"


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({}, "Thank you."),
        ({"no_speech_prob": 0.9, "avg_logprob": -1.4}, ""),
        ({"no_speech_prob": 0.9, "avg_logprob": -0.2}, "Thank you."),
        ({"compression_ratio": 3.1}, ""),
    ],
)
async def test_what_whisper_itself_takes_for_invented_is_left_out(
    server: ScriptedSpeech, figures: dict[str, float], text: str
) -> None:
    server.hearing(hears("Thank you.", **figures))
    async with OpenAITranscriber(server.url, "k", "whisper-1") as whisper:
        assert await heard(whisper) == text
    assert server.requests[-1].form == "verbose_json"


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (cut(), "speech.unreachable"),
        (cut(b'{"text": "Hel'), "speech.cut"),
        (fails(500), "speech.error"),
        (fails(401), "speech.error"),
        (fails(400), "speech.refused"),
        (loading(), "speech.loading"),
        (limited("7"), "speech.limited"),
        (answers(b'{"text": "Hel', "application/json"), "speech.garbage"),
        (answers(b'{"text": 7}', "application/json"), "speech.garbage"),
        (answers(b"<html>", "text/html"), "speech.garbage"),
        (answers(b'{"text": "\xff"}', "application/json"), "speech.garbage"),
        (answers(json.dumps({"text": "and " * 2000}).encode(), "application/json"), "speech.garbage"),
        (endless(), "speech.garbage"),
    ],
)
async def test_each_way_not_to_hear_has_its_code(
    transcriber: OpenAITranscriber, server: ScriptedSpeech, behaviour: Behaviour, code: str
) -> None:
    server.hearing(behaviour, behaviour)
    assert await heard(transcriber) == code
    with pytest.raises(SpeechFailed, match=code):
        await transcriber.check()
    server._script["hearing"].clear()
    assert await heard(transcriber) == HELLO, "the next is not harmed"
    await transcriber.check()


@pytest.mark.parametrize("behaviour", [cut(), fails(502), limited("0"), answers(b"", "application/json")])
async def test_what_may_pass_is_asked_again_once(
    transcriber: OpenAITranscriber, server: ScriptedSpeech, behaviour: Behaviour
) -> None:
    server.hearing(behaviour)
    assert await heard(transcriber) == HELLO
    assert len(server.requests) == 2


@pytest.mark.parametrize("behaviour", [fails(400), limited("7"), limited(None), loading()])
async def test_what_will_not_pass_is_not_asked_again(
    transcriber: OpenAITranscriber, server: ScriptedSpeech, behaviour: Behaviour
) -> None:
    server.hearing(behaviour)
    assert await heard(transcriber) != HELLO
    assert len(server.requests) == 1


@pytest.mark.parametrize("behaviour", [hangs(), hangs(b'{"text'), speaks(pace=0.1, drip=2)])
async def test_a_transcript_that_does_not_come_is_given_up_and_its_request_ended(
    server: ScriptedSpeech, behaviour: Behaviour
) -> None:
    server.hearing(behaviour)
    async with OpenAITranscriber(server.url, "k", "m", seconds=0.5) as hasty:
        await hasty.warm()
        assert await heard(hasty) == "speech.timeout"
        await server.until(lambda speech: speech.left == 1)
    assert len(server.requests) == 1, "who has let the deadline pass is not asked again"


async def test_who_wants_no_transcript_any_more_ends_the_request(
    transcriber: OpenAITranscriber, server: ScriptedSpeech
) -> None:
    server.hearing(hangs())
    asking = asyncio.create_task(transcriber.transcribe(SAID), name="asking")
    await server.until(lambda speech: speech.open == 1)
    asking.cancel()
    await server.until(lambda speech: speech.left == 1)


async def test_limits_say_how_long_to_wait(transcriber: OpenAITranscriber, server: ScriptedSpeech) -> None:
    server.hearing(limited("7"))
    with pytest.raises(SpeechFailed) as failed:
        await transcriber.transcribe(SAID)
    assert failed.value.retry_after == 7.0


# ── speaking ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sentence_is_sound_with_nothing_added_or_lost(speaker: OpenAISpeaker, server: ScriptedSpeech) -> None:
    assert await spoken(speaker) == (sounds.phrase(HELLO, sounds.SPOKEN), None)
    asked = server.requests[-1]
    assert (asked.model, asked.text, asked.voice, asked.form) == ("speaks", HELLO, "warm", "pcm")


async def test_sound_comes_as_it_is_made(speaker: OpenAISpeaker, server: ScriptedSpeech) -> None:
    server.speaking(hangs(SOME))
    async with aclosing(speaker.speak(HELLO, language="en")) as pieces:
        assert len((await anext(pieces)).pcm) > 0
    await server.until(lambda speech: speech.left == 1)


@pytest.mark.parametrize("drip", [961, 7, 4_801])
async def test_samples_cut_in_two_on_the_way_are_whole_again(
    speaker: OpenAISpeaker, server: ScriptedSpeech, drip: int
) -> None:
    server.speaking(speaks(pace=0, drip=drip))
    async with aclosing(speaker.speak("Hi.", language="en")) as pieces:
        lengths = [len(piece.pcm) async for piece in pieces]
    assert all(length % 2 == 0 for length in lengths)
    assert all(length >= 960 for length in lengths[:-1]), "no piece is shorter than a frame"
    assert sum(lengths) == len(sounds.phrase("Hi.", sounds.SPOKEN))


@pytest.mark.parametrize(
    "content_type", ["audio/pcm", "application/octet-stream", "audio/L16;rate=24000;channels=1", "audio/mpeg"]
)
async def test_what_sounds_right_is_taken_whatever_it_is_called(
    speaker: OpenAISpeaker, server: ScriptedSpeech, content_type: str
) -> None:
    server.speaking(answers(SOME, content_type))
    assert await spoken(speaker) == (SOME, None)


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (cut(), "speech.unreachable"),
        (fails(500), "speech.error"),
        (fails(403), "speech.error"),
        (fails(400), "speech.refused"),
        (loading(), "speech.loading"),
        (limited("7"), "speech.limited"),
        (answers(b"", "audio/pcm"), "speech.garbage"),
        (answers(b"<html>" + SOME, "audio/pcm"), "speech.garbage"),
        (answers(SOME, "text/html"), "speech.garbage"),
        (answers(b'{"error": "no"}', "application/json"), "speech.garbage"),
        (answers(b"RIFF" + SOME, "audio/wav"), "speech.garbage"),
        (answers(SOME, "audio/L16;rate=44100"), "speech.garbage"),
        (hangs(), "speech.timeout"),
    ],
)
async def test_each_way_not_to_speak_has_its_code_and_makes_no_sound(
    speaker: OpenAISpeaker, server: ScriptedSpeech, behaviour: Behaviour, code: str
) -> None:
    server.speaking(behaviour, behaviour)
    assert await spoken(speaker) == (b"", code)
    with pytest.raises(SpeechFailed, match=code):
        await speaker.check()
    server._script["speaking"].clear()
    assert (await spoken(speaker))[1] is None
    await speaker.check()
    await server.until(lambda speech: speech.open == 0)


async def test_a_failure_before_the_first_sound_is_asked_again(speaker: OpenAISpeaker, server: ScriptedSpeech) -> None:
    server.speaking(fails(500))
    assert await spoken(speaker) == (sounds.phrase(HELLO, sounds.SPOKEN), None)
    assert server.spoken == [HELLO, HELLO]


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (cut(SOME), "speech.cut"),
        (hangs(SOME), "speech.timeout"),
        (speaks(pace=0.1, drip=200), "speech.timeout"),
        (endless(), "speech.garbage"),
    ],
)
async def test_what_has_begun_is_never_said_twice(
    speaker: OpenAISpeaker, server: ScriptedSpeech, behaviour: Behaviour, code: str
) -> None:
    server.speaking(speaks() if behaviour is None else behaviour)
    sound, failed = await spoken(speaker)
    assert failed == code
    assert len(sound) <= 60 * 2 * sounds.SPOKEN
    assert len(server.requests) == 1
