"""What is heard over one peer connection, in virtual time: nothing is lost, nothing piles up, garbage costs little."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from unittest.mock import Mock

import pytest
import uvloop
from structlog.testing import capture_logs

from actors.media import FRAME, HEARD_RATE, SPOKEN_RATE, Heard
from tests.transport.webrtc.streams import payloads, spoken, stream
from tests.transport.webrtc.tones import loudness, pitch, silence, tone
from tests.virtual import run_virtually
from transport.webrtc.inbound import BURST, CONCEALED, HELD, PACE, InboundAudio
from transport.webrtc.jitter import PATIENCE, Packet

BYTES = round(FRAME * HEARD_RATE) * 2
RFC_STEREO = 0x04


def listening(run: Callable[[InboundAudio], Awaitable[None]]) -> None:
    async def main() -> None:
        inbound = InboundAudio(Counter())
        await run(inbound)
        inbound.close()

    run_virtually(main())


async def send(inbound: InboundAudio, packets: Sequence[Packet]) -> list[Heard]:
    """One every 20 ms, heard as they come."""
    heard: list[Heard] = []
    for packet in packets:
        inbound.receive(packet)
        await asyncio.sleep(FRAME)
        if inbound.waiting:
            heard += await inbound.hear()
    return heard


def test_what_is_said_is_heard_when_it_comes() -> None:
    async def run(inbound: InboundAudio) -> None:
        heard = await send(inbound, stream(spoken(1, hertz=440)))
        assert {len(one.pcm) for one in heard} == {BYTES}
        assert pitch(b"".join(one.pcm for one in heard[10:]), HEARD_RATE) == pytest.approx(440, abs=5)
        assert [one.at for one in heard] == pytest.approx([n * FRAME for n in range(50)])
        assert inbound.alive_at == pytest.approx(49 * FRAME)

    listening(run)


def test_a_lost_frame_is_heard_from_the_packet_after_it() -> None:
    """A tone begins in the frame that is lost."""

    async def run(inbound: InboundAudio) -> None:
        packets = stream(payloads(silence(0.4, SPOKEN_RATE) + tone(300, 0.4, SPOKEN_RATE)))
        heard = await send(inbound, packets[:20] + packets[21:])
        await asyncio.sleep(PATIENCE)
        assert len(heard) == 40
        assert (inbound.counts.recovered, inbound.counts.concealed, inbound.jitter.counts.lost) == (1, 0, 1)
        assert not any(one.concealed for one in heard)
        assert loudness(heard[20].pcm) > 1000

    listening(run)


def test_what_no_packet_tells_is_made_up_and_said_to_be() -> None:
    async def run(inbound: InboundAudio) -> None:
        packets = stream(spoken(1))
        heard = await send(inbound, packets[:20] + packets[23:])
        assert [n for n, one in enumerate(heard) if one.concealed] == [20, 21]
        assert (inbound.counts.concealed, inbound.counts.recovered) == (2, 1)
        assert loudness(heard[20].pcm) > 1000

    listening(run)


def test_a_long_hole_is_not_filled_to_its_end() -> None:
    async def run(inbound: InboundAudio) -> None:
        packets = stream(spoken(4))
        heard = await send(inbound, packets[:20]) + await send(inbound, packets[170:])
        assert inbound.jitter.counts.lost == 150
        assert inbound.counts.concealed + inbound.counts.recovered == CONCEALED * 2 // BYTES
        assert len(heard) == 20 + CONCEALED * 2 // BYTES + 30

    listening(run)


def test_the_last_word_is_heard_though_no_packet_follows() -> None:
    async def run(inbound: InboundAudio) -> None:
        packets = stream(spoken(0.2))
        for packet in (packets[0], packets[2]):
            inbound.receive(packet)
        await inbound.hear()
        began = asyncio.get_running_loop().time()
        assert len(await inbound.hear()) == 2
        assert asyncio.get_running_loop().time() - began == pytest.approx(PATIENCE)

    listening(run)


def test_who_does_not_listen_finds_the_last_second() -> None:
    async def run(inbound: InboundAudio) -> None:
        for packet in stream(spoken(1.6)):
            inbound.receive(packet)
            await asyncio.sleep(FRAME)
        heard = await inbound.hear()
        assert sum(len(one.pcm) for one in heard) == HELD * 2
        assert heard[-1].at == pytest.approx(79 * FRAME)
        assert inbound.counts.dropped == 30

    listening(run)


def test_stereo_and_long_packets_are_heard_too() -> None:
    """Two 20 ms frames in one packet (RFC 6716, code 1), and a mono frame told to be stereo."""

    async def run(inbound: InboundAudio) -> None:
        frame = spoken(0.2)[5]
        both = bytes([frame[0] & ~3 | 1]) + frame[1:] * 2
        stereo = bytes([frame[0] | RFC_STEREO]) + frame[1:]
        inbound.receive(Packet(1, 0, 0, both))
        inbound.receive(Packet(1, 1, 1920, stereo))
        assert [len(one.pcm) for one in await inbound.hear()] == [2 * BYTES, BYTES]
        assert inbound.counts.garbage == 0

    listening(run)


def test_what_a_network_held_back_for_seconds_is_heard_when_it_comes() -> None:
    async def run(inbound: InboundAudio) -> None:
        heard: list[Heard] = []
        packets = stream(spoken(4.5))
        await asyncio.sleep(4.5)
        for packet in packets:
            inbound.receive(packet)
            heard += await inbound.hear()
        assert len(heard) == len(packets)
        assert inbound.counts.flooded == 0

    listening(run)


def test_garbage_is_counted_and_who_speaks_after_it_is_heard() -> None:
    random.seed(5)

    async def run(inbound: InboundAudio) -> None:
        noise = [random.randbytes(random.randrange(60)) for _ in range(500)]
        for n, payload in enumerate(noise):
            inbound.receive(Packet(random.choice([1, 1, 1, 2]), n, random.getrandbits(32), payload))
            await asyncio.sleep(FRAME)
        assert inbound.counts.garbage > 20
        await inbound.hear()
        heard = await send(inbound, stream(spoken(1, hertz=440), ssrc=7))
        assert pitch(b"".join(one.pcm for one in heard[10:]), HEARD_RATE) == pytest.approx(440, abs=5)

    listening(run)


def test_an_empty_packet_has_its_place_and_no_sound() -> None:
    async def run(inbound: InboundAudio) -> None:
        packets = stream(spoken(0.2))
        packets[5] = Packet(1, 5, packets[5].timestamp, b"")
        heard = await send(inbound, packets)
        assert len(heard) == 9
        assert inbound.jitter.counts.lost == 0

    listening(run)


def test_a_flood_is_decoded_no_faster_than_twice_as_fast_as_one_speaks() -> None:
    async def run(inbound: InboundAudio) -> None:
        sounds = spoken(0.2)
        for n in range(10_000):
            inbound.receive(Packet(1, n, n * 960, sounds[n % 10]))
            if n % 10 == 0:
                await asyncio.sleep(0.001)
        assert inbound.jitter.counts.released == pytest.approx((BURST + PACE) / FRAME, abs=4)
        assert inbound.counts.flooded == pytest.approx(10_000 - (BURST + PACE) / FRAME, abs=4)
        assert inbound.waiting == HELD
        await asyncio.sleep(BURST)
        await inbound.hear()
        assert len(await send(inbound, stream(sounds, ssrc=2))) == 10

    listening(run)


def test_a_flood_full_of_holes_costs_each_packet_little() -> None:
    """Real time: at its worst each packet that is taken is a hole to conceal, and the dropped ones cost next to nothing."""

    async def run(inbound: InboundAudio) -> None:
        sounds = spoken(0.2)
        began = time.perf_counter()
        for n in range(20_000):
            inbound.receive(Packet(1, n * 9 % 2**16, n * 9 * 960 % 2**32, sounds[n % 10]))
        taken = time.perf_counter() - began
        print(f"{taken / 20_000 * 1e6:.1f} µs a packet")
        assert taken < 1.0

    listening(run)


def test_after_the_end_what_was_heard_is_given_out_and_then_it_says_so() -> None:
    async def run(inbound: InboundAudio) -> None:
        inbound.receive(stream(spoken(0.2))[0])
        inbound.close()
        inbound.close()
        inbound.receive(stream(spoken(0.2))[1])
        assert len(await inbound.hear()) == 1
        with pytest.raises(EOFError):
            await inbound.hear()

    listening(run)


def test_who_waits_is_told_of_the_end() -> None:
    async def run(inbound: InboundAudio) -> None:
        waiting = asyncio.ensure_future(inbound.hear())
        await asyncio.sleep(0)
        inbound.close()
        with pytest.raises(EOFError):
            await waiting

    listening(run)


def test_the_node_s_tally_gets_what_became_of_the_sound() -> None:
    async def main() -> None:
        tally = Counter[str]()
        inbound = InboundAudio(tally)
        packets = stream(spoken(0.2))
        await send(inbound, [packets[0], packets[2], packets[2], packets[5]])
        await asyncio.sleep(PATIENCE)
        inbound.close()
        inbound.close()
        assert (tally["sound_lost"], tally["sound_duplicate"], tally["sound_released"]) == (3, 1, 3)
        assert tally["sound_concealed"] + tally["sound_recovered"] == 3
        assert tally["sound_delay_ms"] == 80

    run_virtually(main())


def test_in_the_loop_of_the_server_a_gap_that_is_overdue_is_heard_over() -> None:
    """Its timers are other ones than those of virtual time, at first for what is due at once."""

    async def main() -> None:
        inbound = InboundAudio(Counter())
        packets = stream(spoken(1))
        for packet in [*packets[:5], *packets[6:8]]:
            inbound.receive(packet)
        await asyncio.sleep(PATIENCE - 0.0005)
        inbound.receive(packets[8])
        await asyncio.sleep(2 * FRAME)
        inbound.receive(packets[9])
        assert len(await inbound.hear()) == 10
        assert inbound.counts.failed == 0
        inbound.close()

    uvloop.run(main())


def test_a_packet_that_fails_by_a_bug_is_lost_and_the_next_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(inbound: InboundAudio) -> None:
        packets = stream(spoken(1))
        monkeypatch.setattr(inbound, "jitter", Mock(**{"add.side_effect": ZeroDivisionError}))
        with capture_logs() as logged:
            inbound.receive(packets[0])
            inbound.receive(packets[1])
        monkeypatch.undo()
        assert len(await send(inbound, packets[2:5])) == 3
        assert inbound.counts.failed == 2
        assert [(line["event"], line["error"]) for line in logged] == [("webrtc.packet_failed", "ZeroDivisionError")]

    listening(run)
