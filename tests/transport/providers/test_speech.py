"""Who hears and who speaks: what the settings choose, and the second one where the first one fails."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

import pytest

from actors.media import SpeechFailed
from config.settings import read_settings
from tests import sounds
from tests.scripted_speech import SOME, ScriptedSpeech, cut, fails, hangs, scripted_speech
from transport.providers.breaker import THRESHOLD
from transport.providers.openai_client import OPENAI
from transport.providers.speech import Speech, opened

HELLO = "Hello, I want to read more."
SAID = sounds.phrase(HELLO)
SOUND = sounds.phrase(HELLO, sounds.SPOKEN)


@dataclass
class Two:
    usual: ScriptedSpeech
    fallback: ScriptedSpeech
    speech: Speech

    async def hear(self) -> str:
        assert self.speech.transcriber is not None
        try:
            return (await self.speech.transcriber.transcribe(SAID)).text
        except SpeechFailed as failed:
            return failed.code

    async def speak(self) -> tuple[bytes, str | None]:
        assert self.speech.speaker is not None
        sound = b""
        try:
            async with aclosing(self.speech.speaker.speak(HELLO, language="en")) as pieces:
                async for piece in pieces:
                    sound += piece.pcm
        except SpeechFailed as failed:
            return sound, failed.code
        return sound, None


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        usual, fallback = [await stack.enter_async_context(scripted_speech()) for _ in range(2)]
        fallback.phrase(HELLO), usual.phrase(HELLO)
        settings = read_settings(
            transcriber_base_url=usual.url,
            transcriber_fallback_base_url=fallback.url,
            speaker_base_url=usual.url,
            speaker_fallback_base_url=fallback.url,
            speaker_fallback_voice="another",
            transcriber_seconds=1.0,
            speaker_first_sound_seconds=1.0,
            speaker_between_sounds_seconds=0.5,
        )
        speech = await stack.enter_async_context(opened(settings))
        await speech.warm()
        yield Two(usual, fallback, speech)


async def test_the_second_hears_and_speaks_where_the_first_fails(two: Two) -> None:
    assert (await two.hear(), await two.speak()) == (HELLO, (SOUND, None))
    assert not two.fallback.requests
    two.usual.hearing(fails(), fails())
    two.usual.speaking(hangs())
    assert (await two.hear(), await two.speak()) == (HELLO, (SOUND, None))
    assert [asked.voice for asked in two.fallback.requests] == ["", "another"]
    with pytest.raises(SpeechFailed):
        await two.speech.check()


async def test_a_sentence_that_has_begun_is_not_begun_again_by_another_voice(two: Two) -> None:
    two.usual.speaking(cut(SOME))
    sound, code = await two.speak()
    assert (len(sound) <= len(SOME), code) == (True, "speech.cut")
    assert not two.fallback.requests


async def test_where_both_fail_it_is_said_how_the_last_one_did(two: Two) -> None:
    two.usual.hearing(fails(), fails())
    two.fallback.hearing(fails(400))
    assert await two.hear() == "speech.refused"


async def test_who_keeps_failing_is_left_alone(two: Two) -> None:
    for _ in range(THRESHOLD):
        two.usual.hearing(fails(), fails())
        assert await two.hear() == HELLO
    asked = len(two.usual.requests)
    assert await two.hear() == HELLO
    assert len(two.usual.requests) == asked
    assert (
        two.speech.states().items()
        >= {
            "transcriber": "open",
            "transcriber_fallback": "closed",
            "speaker": "closed",
            "speaker_fallback": "closed",
        }.items()
    )
    assert [guard.level() for guard in two.speech.by_part.values()] == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, []),
        ({"openai_api_key": "k"}, ["transcriber", "speaker"]),
        ({"openai_api_key": "k", "openai_base_url": OPENAI}, ["transcriber", "speaker"]),
        ({"openai_api_key": "k", "openai_base_url": "http://127.0.0.1:9/v1"}, []),
        ({"transcriber_base_url": "http://127.0.0.1:9/v1"}, ["transcriber"]),
        ({"speaker_api_key": "k"}, ["speaker"]),
        ({"speaker_fallback_api_key": "k"}, ["speaker"]),
        ({"openai_api_key": "k", "speaker_fallback_api_key": "k"}, ["transcriber", "speaker", "speaker_fallback"]),
    ],
)
async def test_the_chat_providers_key_serves_where_that_is_openai_itself(
    given: dict[str, str], there: list[str]
) -> None:
    async with opened(read_settings(**given)) as speech:
        assert list(speech.by_part) == there
        assert (speech.transcriber is None, speech.speaker is None) == (
            "transcriber" not in there,
            "speaker" not in there,
        )
