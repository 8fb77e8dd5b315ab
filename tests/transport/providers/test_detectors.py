"""Speech is told from silence, noise and tones, for many calls at once; and who has finished from who has not."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import structlog

from actors.media import SpeechStream
from config.settings import read_settings
from scripts.embedded.ai.speaking import Voice
from tests import sounds
from transport.providers import silero, smart_turn
from transport.providers.loudness import LoudnessStream
from transport.providers.onnx import Run
from transport.providers.silero import Silero
from transport.providers.smart_turn import SmartTurn, log_mel
from transport.providers.speech import opened

MODELS = read_settings().models_directory
has_models = pytest.mark.skipif(
    not all((MODELS / name).is_file() for name in (silero.FILE, smart_turn.FILE)),
    reason="no detectors: scripts/run fetches them, LIFEBUDDY_MODELS_DIR says where they are",
)
WINDOW = 1024


async def heard(stream: SpeechStream, sound: bytes) -> list[float]:
    return [await stream.probability(sound[at : at + WINDOW]) for at in range(0, len(sound) - WINDOW + 1, WINDOW)]


def share(probabilities: Sequence[float]) -> float:
    """Of the windows that would count as speech."""
    return sum(each > 0.5 for each in probabilities) / len(probabilities)


@pytest.fixture
async def detector() -> AsyncIterator[Silero]:
    async with Silero(MODELS) as opened_detector:
        await opened_detector.warm()
        yield opened_detector


# ── with the models' files ───────────────────────────────────────────────────────────────────────────────────────


@has_models
async def test_speech_is_speech_and_nothing_else_is(detector: Silero) -> None:
    assert share(await heard(detector.stream(), sounds.pcm(sounds.voice(1.5)))) > 0.9
    for other in (sounds.silence(1.0), sounds.noise(1.0), sounds.noise(1.0, loudness=0.3), sounds.tone(440, 1.0)):
        assert share(await heard(detector.stream(), other)) == 0.0


@has_models
async def test_speech_is_found_at_once_after_long_something_else(detector: Silero) -> None:
    for before in (sounds.noise(15.0), sounds.tone(440, 15.0)):
        stream = detector.stream()
        await heard(stream, before)
        assert max((await heard(stream, sounds.pcm(sounds.voice(0.5))))[:8]) > 0.5


@has_models
async def test_calls_at_once_hear_what_each_would_hear_alone(detector: Silero) -> None:
    said = [sounds.pcm(sounds.voice(1.0)), sounds.noise(1.0), sounds.silence(1.0), sounds.phrase("Hello there.")]
    alone = [await heard(detector.stream(), sound) for sound in said]
    together = await asyncio.gather(*(heard(detector.stream(), sound) for sound in said))
    for one, other in zip(alone, together, strict=True):
        assert np.allclose(one, other, atol=1e-4)


@has_models
async def test_the_windows_of_twenty_calls_are_a_few_batches(detector: Silero, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    judge = silero._probabilities

    def counted(batch: Sequence[silero._Asked], run: Run) -> list[float]:
        batches.append(len(batch))
        return judge(batch, run)

    monkeypatch.setattr(silero, "_probabilities", counted)
    streams = [detector.stream() for _ in range(20)]
    await asyncio.gather(*(stream.probability(bytes(WINDOW)) for stream in streams))
    assert batches == [20]
    for stream in streams:
        stream.close()
        stream.close()
    assert detector.open == 0


@has_models
async def test_a_call_that_ends_in_the_middle_harms_no_other(detector: Silero) -> None:
    leaving, staying = detector.stream(), detector.stream()
    asking = asyncio.ensure_future(leaving.probability(bytes(WINDOW)))
    other = asyncio.ensure_future(staying.probability(bytes(WINDOW)))
    await asyncio.sleep(0)
    asking.cancel()
    leaving.close()
    assert await other < 0.1


@has_models
async def test_who_ends_a_sentence_has_finished_and_who_says_um_has_not() -> None:
    voice = await asyncio.to_thread(Voice)

    def said(text: str) -> bytes:
        spoken = np.frombuffer(voice.sound(text, 1.0), "<i2").astype(float)
        places = np.arange(len(spoken) * 2 // 3) * 1.5
        return bytes(np.interp(places, np.arange(len(spoken)), spoken).astype("<i2").tobytes()) + sounds.silence(0.2)

    async with SmartTurn(MODELS) as judge:
        assert judge.is_there
        assert await judge.finished(said("My goal is to read twelve books this year.")) > 0.8
        assert await judge.finished(said("I was thinking that maybe I could, um")) < 0.2
        for sound in (b"", sounds.silence(0.2), sounds.noise(20.0)):
            assert 0.0 <= await judge.finished(sound) <= 1.0


@has_models
async def test_calls_have_their_detectors_and_readiness_says_so() -> None:
    async with opened(read_settings(models_dir=MODELS)) as speech:
        await speech.warm()
        assert speech.judge is not None
        assert share(await heard(speech.detector.stream(), sounds.pcm(sounds.voice(1.0)))) > 0.8
        assert speech.states() == {"detector": "silero", "judge": "smart_turn"}


# ── without ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_its_file_loudness_tells_speech_and_nobody_judges(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with opened(read_settings(models_dir=tmp_path)) as speech:
            await speech.warm()
            assert speech.judge is None
            assert speech.states() == {"detector": "loudness", "judge": "none"}
            for _ in range(3):
                assert share(await heard(speech.detector.stream(), sounds.pcm(sounds.voice(1.0)))) > 0.5
    assert [line["event"] for line in logs] == ["detector.missing"]


async def test_a_file_that_is_no_model_is_told_once_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / silero.FILE).write_bytes(b"not a model")
    with structlog.testing.capture_logs() as logs:
        async with Silero(tmp_path) as detector:
            with pytest.raises(RuntimeError, match="no probability"):
                await detector.stream().probability(bytes(WINDOW))
            assert share(await heard(detector.stream(), sounds.pcm(sounds.voice(1.0)))) > 0.5
    assert [line["event"] for line in logs] == ["onnx.unusable", "detector.missing"]


@pytest.mark.parametrize("room", [0.0, 0.002, 0.02])
async def test_loudness_hears_a_voice_above_the_room_it_is_in(room: float) -> None:
    stream = LoudnessStream()
    voice = np.concatenate([np.zeros(16_000), sounds.voice(2.0), np.zeros(16_000)])
    noise = room * np.random.default_rng(3).standard_normal(len(voice))
    probabilities = await heard(stream, sounds.pcm(voice + noise))
    assert share(probabilities[5:30]) == 0.0
    assert share(probabilities[33:90]) > 0.6
    assert share(probabilities[-25:]) == 0.0


async def test_steady_noise_becomes_the_room(tmp_path: Path) -> None:
    stream = LoudnessStream()
    await heard(stream, sounds.silence(1.0))
    probabilities = await heard(stream, sounds.noise(30.0, loudness=0.05))
    assert share(probabilities[:30]) == 1.0
    assert share(probabilities[-100:]) == 0.0
    assert share(await heard(stream, sounds.silence(0.5))) == 0.0


def test_a_tone_stands_in_the_band_that_whisper_has_it_in() -> None:
    bands = log_mel(sounds.tone(1000.0, 8.0))
    assert bands.shape == (80, 800)
    assert {int(band) for band in bands[:, 10:-10].argmax(axis=0)} == {26}, (
        "1 kHz is mel 15 of 45.24, and 81 steps lead there"
    )
    assert math.isclose(float(bands.max() - bands.min()), 2.0, abs_tol=1e-6), "eight decades, quartered"


def test_what_is_shorter_stands_at_the_end_and_of_what_is_longer_the_end_counts() -> None:
    short = log_mel(sounds.tone(1000.0, 1.0))
    assert float(short[26, :650].max()) < float(short[26, 750])
    tail = sounds.pcm(sounds.voice(8.0))
    assert np.array_equal(log_mel(sounds.noise(3.0) + tail), log_mel(tail))
