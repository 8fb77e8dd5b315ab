"""The client over real peer connections: it is heard, hears, measures both, and says what it plays."""

import asyncio
from pathlib import Path

import pytest

from scripts.calling.line import Line, line
from scripts.calling.mouth import Utterance
from scripts.calling.shaping import Weather
from scripts.calling.sound import RATE, is_loud, read_sound
from tests.calling.far_end import WAITS, FarEnd, far_end
from tests.calling.reports import unreported

VOICES = Path(__file__).parents[1] / "voices"


def voice(name: str) -> Utterance:
    return Utterance(read_sound(VOICES / name))


async def test_a_word_is_answered_and_an_interruption_silences() -> None:
    async with far_end() as end, line(Weather(), near=True, report=unreported) as here:
        await _connect(here, end)
        here.mouth.speak(said := voice("story.opus"))
        await said.ended.wait()
        came = await here.ear.voice_after(said.voice_ended)
        assert WAITS - 0.1 < came - said.voice_ended < WAITS + 0.2
        await asyncio.sleep(0.2)
        here.mouth.speak(stop := voice("stop.opus"))
        await asyncio.sleep(0.4)
        stretch = here.ear.stretch_at(stop.voice_began)
        assert stretch is not None
        assert stretch.ended - stop.voice_began < 0.2
        _heard_in(here.ear.heard, said, stretch.began)
        assert end.pongs[-1]["rtp"] > end.pongs[len(end.pongs) // 2]["rtp"]
        assert end.pongs[-1]["lost"] == 0


async def _connect(here: Line, end: FarEnd) -> None:
    await here.accept(await end.answer(await here.offer()))
    await here.connected.wait()


def _heard_in(heard: bytes, said: Utterance, began: float) -> None:
    """The recording has the silence before the answer, then the answer."""
    before = heard[: 2 * round((began - said.voice_ended) * RATE)]
    assert not is_loud(before)
    assert is_loud(heard[-2 * RATE :])


async def test_packets_are_lost_on_the_way_out_and_the_answer_comes_all_the_same() -> None:
    async with far_end() as end, line(Weather(0.1, 0.01, 2), near=True, report=unreported) as here:
        await _connect(here, end)
        here.mouth.speak(said := voice("story.opus"))
        await said.ended.wait()
        assert await here.ear.voice_after(said.voice_ended) > said.voice_ended
        assert here.shaping.lost > 0
        assert here.shaping.seen - here.shaping.lost == pytest.approx(end.received, abs=2)
