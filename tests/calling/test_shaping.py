"""A bad network is as bad as it was asked to be, and the same again for the same seed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.calling.shaping import Shaping, Weather
from scripts.calling.wire import Wire, is_voice
from tests.virtual import run_virtually

MANY = 20_000
VOICE, REPORT, DTLS = b"\x90\x6f voice", b"\x80\xc8 report", b"\x16\xfe handshake"


@pytest.mark.parametrize(("loss", "burst"), [(0.01, 1), (0.05, 3), (0.2, 1), (0.5, 2)])
def test_as_many_are_lost_as_it_says_and_so_many_in_a_row(loss: float, burst: int) -> None:
    shaping = Shaping(Weather(loss, burst=burst))
    lost = "".join("x" if shaping.delay() is None else "." for _ in range(MANY))
    assert shaping.lost / shaping.seen == pytest.approx(loss, rel=0.15)
    assert min(len(run) for run in lost.rstrip("x").split(".") if run) == burst


@given(seed=st.integers(0, 100), jitter=st.floats(0, 0.2))
def test_the_same_seed_makes_the_same_weather_and_no_packet_takes_too_long(seed: int, jitter: float) -> None:
    first, again = Shaping(Weather(0.1, jitter, 2, seed)), Shaping(Weather(0.1, jitter, 2, seed))
    delays = [first.delay() for _ in range(200)]
    assert delays == [again.delay() for _ in range(200)]
    assert all(delay is None or 0 <= delay <= jitter for delay in delays)


def test_all_are_lost_or_none() -> None:
    everything, nothing = Shaping(Weather(1.0)), Shaping(Weather(0.0))
    assert {everything.delay() for _ in range(100)} == {None}
    assert {nothing.delay() for _ in range(100)} == {0.0}


def test_only_voice_is_delayed_and_each_packet_goes_out_once() -> None:
    async def scene() -> None:
        clock, out = asyncio.get_running_loop(), list[tuple[float, bytes]]()

        async def onward(packet: bytes) -> None:
            out.append((clock.time(), packet))

        wire = Wire(onward, Shaping(Weather(jitter=0.05)))
        running = asyncio.create_task(wire.run(), name="wire")
        for number in range(10):
            await wire.send(VOICE + bytes([number]))
            await wire.send(DTLS)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        running.cancel()
        assert [at for at, packet in out if packet == DTLS] == pytest.approx([0.02 * number for number in range(10)])
        voice = [(at, packet[-1]) for at, packet in out if is_voice(packet)]
        assert sorted(number for _, number in voice) == list(range(10))
        late = [at - 0.02 * number for at, number in voice]
        assert all(-1e-6 <= one <= 0.05 + 1e-6 for one in late)
        assert max(late) > 0.02

    run_virtually(scene())


def test_reports_and_handshakes_are_no_voice() -> None:
    assert [is_voice(packet) for packet in (VOICE, REPORT, DTLS, b"", b"\x90")] == [True, False, False, False, False]
