"""The local AI hears and speaks behind the OpenAI protocol: real sound, its own words again, and nothing from noise."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from openai import APIStatusError, AsyncOpenAI

from actors.media import SpeechFailed
from config.settings import read_settings
from scripts.embedded.ai.backend import BusyError
from scripts.embedded.ai.chat import NAME
from scripts.embedded.ai.front import Front, listening
from scripts.embedded.ai.models import Models
from scripts.embedded.ai.order import RECOGNISE, SPEAK, WAITING, Order
from scripts.embedded.ai.recognising import FASTEST, RATE, SURE, Recognised, Segment, Whisper, once
from scripts.embedded.ai.sound import INTERIM
from scripts.embedded.ai.speaking import AFTER, BEFORE, Voice, clauses, trimmed
from scripts.embedded.ports import held_port
from tests import sounds
from transport.providers.openai_speech import OpenAISpeaker, OpenAITranscriber
from transport.providers.wav import pack_wav

SAID = "My goal is to read more books, and then to tell my sister about them."
MODELS = read_settings().models_directory
WHISPER = next(
    (found for name in ("base", "tiny.en") if (found := MODELS / f"faster-whisper-{name}" / "model.bin").is_file()),
    None,
)
has_whisper = pytest.mark.skipif(
    WHISPER is None, reason="no Whisper: scripts/run fetches it, LIFEBUDDY_MODELS_DIR says where it is"
)


class Doors:
    def __init__(self, front: Front, url: str) -> None:
        self.front = front
        self.url = url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as opened:
        front = Front(Models((), tmp_path_factory.mktemp("ai")), "key")
        await opened.enter_async_context(front.order)
        front.sound.voice = await asyncio.to_thread(Voice)
        if WHISPER is not None:
            front.sound.whisper = await asyncio.to_thread(Whisper, WHISPER)
        port = opened.enter_context(held_port())
        await opened.enter_async_context(listening(front.application(), port))
        yield Doors(front, f"http://127.0.0.1:{port}/v1")


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


async def spoken(doors: Doors, text: str) -> list[bytes]:
    async with (
        OpenAISpeaker(doors.url, "key", NAME, voice="coral") as speaker,
        aclosing(speaker.speak(text, language="en")) as pieces,
    ):
        return [piece.pcm async for piece in pieces]


def heard_of(spoken: bytes) -> bytes:
    """At 16 kHz, as a call hears it."""
    samples = np.frombuffer(spoken, "<i2").astype(float)
    places = np.arange(int(len(samples) * 2 / 3)) * 1.5
    return bytes(np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes())


async def words(doors: Doors, pcm: bytes, language: str | None = "en", *, interim: bool = False) -> str:
    async with OpenAITranscriber(doors.url, "key", NAME, seconds=30.0, interim_model=INTERIM) as transcriber:
        return (await transcriber.transcribe(pcm, language=language, interim=interim)).text


# ── speaking ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sentence_is_spoken_by_clauses_and_at_its_length(doors: Doors) -> None:
    pcm = b"".join(await spoken(doors, SAID))
    assert 3.0 < len(pcm) / 2 / sounds.SPOKEN < 7.0
    assert sounds.loudness(pcm) > 0.02
    assert clauses(SAID) == ["My goal is to read more books,", "and then to tell my sister about them."]
    assert clauses("Well, yes.") == ["Well, yes."]


async def test_a_clause_begins_at_once_and_the_next_soon_after_it(doors: Doors) -> None:
    """The voice leaves a third of a second of silence before and half of one after each."""
    loud = np.flatnonzero(np.abs(np.frombuffer((await spoken(doors, "That is great."))[0], "<i2")) > 1000)
    assert loud[0] < sounds.SPOKEN * 0.1
    silence, sound = np.zeros(sounds.SPOKEN), np.full(100, 0.5)
    kept = trimmed(np.concatenate([silence, sound, silence, sound, silence]))
    assert len(kept) == BEFORE + 100 + sounds.SPOKEN + 100 + AFTER
    assert len(trimmed(silence)) == 0


@pytest.mark.parametrize("text", ["…", "🙂", "?!"])
async def test_what_has_no_sound_is_a_short_silence_and_no_failure(doors: Doors, text: str) -> None:
    assert len(b"".join(await spoken(doors, text))) > 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"response_format": "mp3"}, "only pcm"),
        ({"input": ""}, "length"),
        ({"input": "a" * 5000}, "length"),
        ({"speed": 9.0}, "speed"),
    ],
)
async def test_what_it_can_not_do_is_refused(doors: Doors, asked: dict[str, object], said: str) -> None:
    body = {"model": "m", "voice": "v", "input": "Hello.", "response_format": "pcm"} | asked
    async with AsyncOpenAI(base_url=doors.url, api_key="key", max_retries=0) as client:
        with pytest.raises(APIStatusError, match=said) as refused:
            await client.post("/audio/speech", body=body, cast_to=object)
    assert refused.value.status_code == 400


async def test_who_has_no_key_hears_nothing(doors: Doors) -> None:
    async with OpenAISpeaker(doors.url, "wrong", NAME, voice="v") as speaker:
        with pytest.raises(SpeechFailed, match=r"speech\.error"):
            await anext(speaker.speak("Hello.", language="en"))


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────


@has_whisper
@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_what_it_says_it_understands(doors: Doors) -> None:
    pcm = heard_of(b"".join(await spoken(doors, "My goal is to read more books this year.")))
    assert (await words(doors, pcm)).lower().rstrip(".") == "my goal is to read more books this year"
    assert (await words(doors, pcm, interim=True)).lower().rstrip(".") == "my goal is to read more books this year"
    quiet = (np.frombuffer(pcm, "<i2") // 20).astype("<i2").tobytes()
    assert "read more books" in await words(doors, quiet, None)


@has_whisper
@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("interim", [False, True])
async def test_silence_noise_and_tones_have_no_words(doors: Doors, *, interim: bool) -> None:
    chord = np.frombuffer(sounds.tone(440, 3.0), "<i2") // 2 + np.frombuffer(sounds.tone(554, 3.0), "<i2") // 2
    nothing = [
        sounds.silence(2.0),
        sounds.noise(3.0, 0.003),
        sounds.noise(3.0, 0.05),
        sounds.noise(3.0, 0.4),
        chord.astype("<i2").tobytes(),
    ]
    assert [await words(doors, pcm, interim=interim) for pcm in nothing] == [""] * len(nothing)


@has_whisper
@pytest.mark.parametrize("body", [b"", b"not a sound", pack_wav(b"")[:30]])
async def test_what_is_no_recording_is_refused(doors: Doors, body: bytes) -> None:
    async with AsyncOpenAI(base_url=doors.url, api_key="key", max_retries=0) as client:
        with pytest.raises(APIStatusError) as refused:
            await client.audio.transcriptions.create(model="m", file=("x.wav", body))
    assert refused.value.status_code == 400


@has_whisper
async def test_a_recording_beyond_what_the_model_hears_is_refused(doors: Doors) -> None:
    async with AsyncOpenAI(base_url=doors.url, api_key="key", max_retries=0) as client:
        with pytest.raises(APIStatusError, match="31 s"):
            await client.audio.transcriptions.create(model="m", file=("x.wav", pack_wav(bytes(2 * RATE * 40))))


async def test_a_model_that_is_not_there_yet_is_loading(tmp_path: Path) -> None:
    async with AsyncExitStack() as opened:
        front = Front(Models((), tmp_path), "key")
        port = opened.enter_context(held_port())
        await opened.enter_async_context(listening(front.application(), port))
        url = f"http://127.0.0.1:{port}/v1"
        transcriber = await opened.enter_async_context(OpenAITranscriber(url, "key", NAME))
        with pytest.raises(SpeechFailed, match=r"speech\.loading"):
            await transcriber.transcribe(sounds.noise(1.0))
        with pytest.raises(SpeechFailed, match=r"speech\.loading"):
            await spoken(Doors(front, url), "Hello.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10 of clubs 10 of clubs", "10 of clubs"),
        ("Go forward. go forward", "Go forward."),
        ("five five", "five five"),
        ("no no no", "no no no"),
        ("", ""),
    ],
)
async def test_what_the_cheap_pass_says_twice_is_told_once(text: str, told: str) -> None:
    assert once(text) == told


@pytest.mark.parametrize(
    ("segment", "sure"),
    [
        (Segment("I ran today.", 0.1, SURE, 1.0, 3.0), True),
        (Segment("I ran today.", 0.1, SURE - 0.01, 1.0, 3.0), False),
        (Segment("I ran today.", 0.7, -0.2, 1.0, 3.0), False),
        (Segment("Stop. Stop. Stop.", 0.1, -0.3, 1.0, FASTEST), False),
        (Segment("Tell me. Tell me.", 0.1, -0.1, 1.0, 5.0), False),
        (Segment("", 0.1, -0.1, 1.0, 0.0), False),
    ],
)
async def test_words_are_sure_that_are_likely_and_not_too_many(segment: Segment, *, sure: bool) -> None:
    assert segment.is_sure is sure


@has_whisper
@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_what_was_heard_in_doubt_is_heard_again_in_full(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = pack_wav(heard_of(b"".join(await spoken(doors, "My goal is to read more books this year."))))
    whisper = doors.front.sound.whisper
    assert whisper is not None
    briefly = whisper.words(pcm, "en")
    monkeypatch.setattr("scripts.embedded.ai.recognising.SURE", 0.0)
    wholly = whisper.words(pcm, "en")
    assert briefly.text == wholly.text
    assert [bool(heard.segments[0].pace) for heard in (briefly, wholly)] == [True, False]


@has_whisper
@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("language", ["tlh", "en-GB", ""])
async def test_a_language_the_model_has_no_name_for_is_found_out(doors: Doors, language: str) -> None:
    pcm = heard_of(b"".join(await spoken(doors, "My goal is to read more books this year.")))
    assert "read more books" in await words(doors, pcm, language)
    assert "read more books" in await words(doors, pcm, language, interim=True)


# ── whose turn it is ─────────────────────────────────────────────────────────────────────────────────────────────


class Frozen:
    """A backend of which only this is looked at."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def freeze(self) -> None:
        self.told.append("freeze")

    def thaw(self) -> None:
        self.told.append("thaw")


async def test_speech_goes_before_recognising_and_one_is_at_work() -> None:
    async with Order() as order:
        done: list[str] = []
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(
            order.compute(SPEAK, lambda: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
        )
        await asyncio.sleep(0)
        ranks = [("final", RECOGNISE), ("clause", SPEAK), ("another", RECOGNISE)]
        others = [
            asyncio.ensure_future(order.compute(rank, lambda name=name: done.append(name)))  # type: ignore[misc]  # bound here
            for name, rank in ranks
        ]
        await asyncio.sleep(0.01)
        assert (done, order.busy) == ([], True)
        go.set()
        await asyncio.gather(first, *others)
        assert done == ["clause", "final", "another"]
        assert not order.busy


class Listener:
    """A model that takes as long as it takes."""

    TAKES = 0.15

    def words(self, recording: bytes, language: str | None) -> Recognised:
        time.sleep(self.TAKES)
        return Recognised("hello", language or "en", 1.0)


async def test_two_who_call_at_once_are_both_heard_the_second_within_twice_the_time(tmp_path: Path) -> None:
    async with AsyncExitStack() as opened:
        front = Front(Models((), tmp_path), "key")
        await opened.enter_async_context(front.order)
        front.sound.whisper = Listener()  # type: ignore[assignment]  # what of it is used
        port = opened.enter_context(held_port())
        await opened.enter_async_context(listening(front.application(), port))
        both = Doors(front, f"http://127.0.0.1:{port}/v1")

        async def took() -> float:
            began = time.monotonic()
            assert await words(both, sounds.noise(1.0)) == "hello"
            return time.monotonic() - began

        await took()
        alone = await took()
        first, second = sorted(await asyncio.gather(took(), took()))
    assert first < second < 2 * alone + 0.1


async def test_text_is_not_written_while_words_are_recognised() -> None:
    async with Order() as order:
        frozen = Frozen()
        order.give_way(frozen)  # type: ignore[arg-type]  # what of it is used
        seen = await order.compute(RECOGNISE, lambda: list(frozen.told))
        assert (seen, frozen.told) == (["freeze"], ["freeze", "thaw"])
        with pytest.raises(ZeroDivisionError):
            await order.compute(RECOGNISE, lambda: 1 // 0)
        assert frozen.told == ["freeze", "thaw"] * 2
        await order.compute(SPEAK, lambda: None)
        assert len(frozen.told) == 4


async def test_who_gives_up_leaves_the_others_their_turns_and_too_many_are_refused() -> None:
    async with Order() as order:
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(
            order.compute(RECOGNISE, lambda: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
        )
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(order.compute(RECOGNISE, lambda: "done")) for _ in range(WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await order.compute(SPEAK, lambda: "never")
        first.cancel()
        waiting[0].cancel()
        await asyncio.sleep(0.01)
        assert order.busy, "what runs in the thread goes on, and nobody runs beside it"
        go.set()
        assert await asyncio.gather(*waiting[1:]) == ["done"] * (WAITING - 1)
        assert not order.busy
