"""The scripted speech provider as a process of its own, and the marks it knows phrases by."""

import asyncio
import sys

import pytest

from tests import sounds
from transport.providers.openai_speech import OpenAISpeaker, OpenAITranscriber
from transport.webrtc.opus import Decoder, Encoder


async def test_it_serves_as_a_process() -> None:
    phrases = ("--phrase", "I want to walk.", "--phrase", "Every day.")
    started = (sys.executable, "-m", "tests.scripted_speech", "--hearing-takes", "0.01", *phrases)
    process = await asyncio.create_subprocess_exec(*started, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        heard = sounds.phrase("I want to walk.") + sounds.silence(0.3) + sounds.phrase("Every day.")
        async with OpenAITranscriber(url, "k", "m") as transcriber, OpenAISpeaker(url, "k", "m", voice="v") as speaker:
            assert (await transcriber.transcribe(heard)).text == "I want to walk. Every day."
            spoken = b"".join([sound.pcm async for sound in speaker.speak("Well done.", language="en")])
    finally:
        process.terminate()
        await process.wait()
    assert sounds.marks(spoken, sounds.SPOKEN) == [sounds.mark_of("Well done.")]


@pytest.mark.parametrize("lost", [0, 10])
def test_a_mark_is_read_behind_opus_though_packets_are_lost(lost: int) -> None:
    encoder, decoder = Encoder(), Decoder()
    sent = sounds.phrase("I want to read twelve books this year.", sounds.SPOKEN)
    heard = b""
    for number, start in enumerate(range(0, len(sent) - 959, 960)):
        packet = encoder.encode(sent[start : start + 960])
        heard += decoder.conceal(320) if lost and number % lost == 5 else decoder.decode(packet)
    assert sounds.marks(heard) == [sounds.mark_of("I want to read twelve books this year.")]


@pytest.mark.parametrize("sound", [sounds.silence(1), sounds.noise(1), sounds.tone(440, 1)])
def test_nothing_is_read_from_what_has_no_mark(sound: bytes) -> None:
    assert sounds.marks(sound) == []
