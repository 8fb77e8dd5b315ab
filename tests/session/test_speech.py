"""What is said reaches people at once and in readable pieces, and nothing of it twice."""

import asyncio

from actors.session.speech import Speech
from tests.virtual import run_virtually


def test_speech_says_the_first_word_at_once_then_every_40_ms_or_a_sentence() -> None:
    heard: list[tuple[float, str]] = []

    async def speak() -> str:
        clock = asyncio.get_running_loop().time
        with Speech(lambda text, _: heard.append((round(clock(), 3), text))) as speech:
            for _ in range(10):
                speech.add("word ")
                await asyncio.sleep(0.01)
            speech.add("and so the sentence is over.")
            await asyncio.sleep(0.015)
            speech.add(" Then")
            await asyncio.sleep(1.0)
            speech.add(" later")
            return speech.close()

    text = run_virtually(speak())
    assert text == "word " * 10 + "and so the sentence is over. Then later"
    assert "".join(said for _, said in heard) == text
    assert heard == [
        (0.0, "word "),
        (0.04, "word word word "),
        (0.08, "word word word word "),
        (0.1, "word word and so the sentence is over."),
        (0.12, " Then"),
        (1.115, " later"),
    ]


def test_speech_that_is_broken_off_says_nothing_more() -> None:
    heard: list[str] = []

    async def speak() -> None:
        with Speech(lambda text, _: heard.append(text)) as speech:
            speech.add("One")
            speech.add(" two")
        await asyncio.sleep(1.0)

    run_virtually(speak())
    assert heard == ["One"]
