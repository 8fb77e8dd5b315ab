"""Sound files of any kind become 48 kHz mono, and what is loud in them is known."""

import wave
from pathlib import Path

import numpy as np
import pytest

from scripts.calling.sound import (
    FRAME,
    RATE,
    Decoder,
    Encoder,
    NoSoundError,
    frames_of,
    is_loud,
    level,
    read_sound,
    write_wav,
)

VOICES = Path(__file__).parents[1] / "voices"


def tone(rate: int, channels: int, seconds: float = 1.0) -> bytes:
    wave_form = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.int16)
    return np.repeat(wave_form, channels).tobytes()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 1), (22_050, 1), (16_000, 2)])
def test_any_rate_and_both_channels_become_one_second_of_the_same_tone(
    tmp_path: Path, rate: int, channels: int
) -> None:
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone(rate, channels))
    pcm = read_sound(tmp_path / "tone.wav")
    samples = np.frombuffer(pcm, np.int16)
    assert len(samples) == pytest.approx(RATE, abs=100)
    assert np.argmax(np.abs(np.fft.rfft(samples[:RATE]))) * RATE / len(samples[:RATE]) == pytest.approx(440, abs=2)
    assert level(pcm) == pytest.approx(level(tone(RATE, 1)), abs=0.5)


def test_a_voice_in_opus_is_read_and_comes_back_from_a_wav(tmp_path: Path) -> None:
    pcm = read_sound(VOICES / "goal.opus")
    assert len(pcm) / (2 * RATE) == pytest.approx(2.64, abs=0.05)
    write_wav(tmp_path / "again.wav", pcm)
    assert read_sound(tmp_path / "again.wav") == pcm


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_what_is_no_sound_is_said_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.wav").write_bytes(content)
    with pytest.raises(NoSoundError, match=r"odd\.wav .*\.$"):
        read_sound(tmp_path / "odd.wav")


def test_each_frame_is_one_packet_and_stays_loud_or_silent() -> None:
    encoder, decoder = Encoder(), Decoder()
    frames = list(frames_of(bytes(20 * FRAME) + tone(RATE, 1) + bytes(20 * FRAME)))
    heard = [decoder.decode(encoder.encode(frame)) for frame in frames]
    assert {len(pcm) for pcm in heard} == {2 * FRAME}
    differing = [place for place, pcm in enumerate(heard) if is_loud(pcm) != is_loud(frames[place])]
    assert set(differing) <= {20, 60}  # what the codec delays by less than a frame


def test_garbage_is_no_sound() -> None:
    assert Decoder().decode(b"\xff" * 7) == b""
