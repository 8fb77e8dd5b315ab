"""The loss matrix in virtual time: what comes in time is heard at once, where aiortc's own jitter buffer holds or drops it."""

from collections import Counter

import pytest
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from scripts.benchmarks.heard import Outcome, Watched, voice
from scripts.benchmarks.traces import IN_TIME, TICKS, Trace, in_time, replay, traces
from tests.virtual import run_virtually
from transport.webrtc.inbound import InboundAudio
from transport.webrtc.jitter import Packet

MATRIX = {trace.name: trace for trace in traces(1000)}
SOUNDS = voice(1100)


def ours(trace: Trace) -> Outcome:
    outcome = Outcome(trace.arrivals)

    async def main() -> None:
        inbound = InboundAudio(Counter())
        inbound.jitter = Watched(outcome.heard)

        async def receive(packet: Packet) -> None:
            inbound.receive(packet)

        await replay(trace, SOUNDS, receive)
        outcome.concealed = inbound.counts.concealed
        inbound.close()

    run_virtually(main())
    return outcome


def stock(trace: Trace) -> Outcome:
    """As `RTCRtpReceiver` makes it for sound; a frame is heard when it leaves."""
    outcome, buffer, packets = Outcome(trace.arrivals), JitterBuffer(capacity=16, prefetch=4), trace.packets(SOUNDS)
    for at, number in trace.arrivals:
        packet = RtpPacket(96, 1, packets[number].sequence, packets[number].timestamp, 1, b"")
        packet._data = packets[number].payload  # type: ignore[attr-defined]
        _, frame = buffer.add(packet)
        if frame is not None:
            outcome.heard[frame.timestamp // TICKS] = at
    return outcome


@pytest.mark.parametrize("name", MATRIX)
def test_what_comes_in_time_is_heard_and_waits_little(name: str) -> None:
    trace = MATRIX[name]
    heard = ours(trace)
    assert heard.missed == 0
    assert heard.delay(1) <= 1000 * IN_TIME + 1e-6
    assert heard.delay(0.95) < 1000 * IN_TIME
    missing = len(trace.delays) - len(trace.unsent) - len(trace.arrivals)
    assert heard.concealed <= missing
    assert heard.delay(0.5) == 0


@pytest.mark.parametrize(
    ("name", "milliseconds", "share"), [("0 % loss", 80, 0.99), ("2 % loss", 280, 0.9), ("5 % loss", 280, 0.8)]
)
def test_through_aiortc_s_own_it_waits_longer_and_words_are_lost(name: str, milliseconds: float, share: float) -> None:
    """The baseline is what it was measured to be over real connections."""
    heard = stock(MATRIX[name])
    assert heard.delay(0.5) == pytest.approx(milliseconds)
    assert len(heard.heard) / len(heard.arrivals) == pytest.approx(share, abs=0.05)


def test_who_came_in_time_is_told_by_the_fastest_before() -> None:
    """A hundred milliseconds for the first; the others 10 ms, 50 ms, 51 ms later than the fastest, and one before the first."""
    assert in_time([(0.1, 0), (0.03, 1), (0.08, 2), (0.121, 3), (0.2, -1)]) == {0, 1, 2}


def test_silence_is_announced_and_not_sent() -> None:
    trace = MATRIX["DTX, 2 % loss"]
    packets = trace.packets(SOUNDS)
    assert not trace.unsent & packets.keys()
    assert [packet.sequence for packet in packets.values()] == list(range(len(packets)))
    assert all(len(packets[n - 1].payload) == 1 for n in trace.unsent if n - 1 in packets)
