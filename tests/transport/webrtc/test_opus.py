"""Opus: what is spoken is heard, a lost frame is told by the next packet, and garbage does no harm."""

import random
from collections.abc import Iterator

import pytest

from actors.media import FRAME, HEARD_RATE, SPOKEN_RATE
from tests.transport.webrtc.tones import loudness, pitch, silence, tone
from transport.webrtc import opus
from transport.webrtc.opus import Decoder, Encoder, OpusError, OpusMissingError, samples_in

HEARD = round(FRAME * HEARD_RATE)


def encoded(pcm: bytes, encoder: Encoder) -> list[bytes]:
    return [encoder.encode(pcm[at : at + Encoder.size]) for at in range(0, len(pcm), Encoder.size)]


def test_a_tone_is_heard_at_its_pitch_and_loudness() -> None:
    packets = encoded(tone(440, 1, SPOKEN_RATE), Encoder())
    decoder = Decoder()
    frames = [decoder.decode(packet) for packet in packets]
    assert {len(frame) for frame in frames} == {2 * HEARD}
    heard = b"".join(frames[10:])
    assert pitch(heard, HEARD_RATE) == pytest.approx(440, abs=5)
    assert loudness(heard) == pytest.approx(8000 * 0.71, rel=0.15)
    assert sum(map(len, packets)) * 8 < 1.3 * opus.BITRATE
    assert samples_in(packets[20]) == HEARD


def test_a_lost_frame_is_told_by_the_packet_after_it() -> None:
    """A tone begins in the very frame that is lost: concealment can't know of it, the next packet does."""
    packets = encoded(silence(0.4, SPOKEN_RATE) + tone(300, 0.4, SPOKEN_RATE), Encoder())
    whole, told, guessed = Decoder(), Decoder(), Decoder()
    for packet in packets[:20]:
        for decoder in (whole, told, guessed):
            decoder.decode(packet)
    lost = loudness(whole.decode(packets[20]))
    recovered, concealed = told.recover(packets[21], HEARD), guessed.conceal(HEARD)
    assert len(recovered) == len(concealed) == 2 * HEARD
    assert loudness(recovered) == pytest.approx(lost, rel=0.1)
    assert loudness(concealed) < lost / 10


def test_garbage_is_refused_and_what_comes_after_it_is_heard() -> None:
    random.seed(7)
    packets, decoder, refused = encoded(tone(440, 1, SPOKEN_RATE), Encoder()), Decoder(), 0
    for _ in range(1000):
        try:
            heard = decoder.decode(random.randbytes(random.randrange(1, 200)))
        except OpusError:
            refused += 1
        else:
            assert len(heard) <= 2 * opus.LONGEST * HEARD_RATE
    assert refused > 0
    for packet in packets:
        heard = decoder.decode(packet)
    assert pitch(heard, HEARD_RATE) == pytest.approx(440, abs=60)
    assert loudness(heard) > 4000


def test_an_empty_packet_is_refused() -> None:
    with pytest.raises(OpusError):
        samples_in(b"")


def test_a_frame_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="960 bytes"):
        Encoder().encode(bytes(962))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(opus, "_places", lambda: ["/nowhere/libopus.so", "libc.so.6"])
    opus.library.cache_clear()
    yield
    opus.library.cache_clear()


@pytest.mark.usefixtures("nowhere")
def test_without_libopus_it_says_what_to_install() -> None:
    with pytest.raises(OpusMissingError, match="libopus0"):
        Decoder()
