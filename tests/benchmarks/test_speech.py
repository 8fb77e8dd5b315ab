"""The bench of speech where there are no models, and what it makes of recordings."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from scripts.benchmarks.recordings import Clip
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.speech import sound_of, speech


async def test_without_models_the_rows_are_left_out_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFEBUDDY_MODELS_DIR", str(tmp_path))
    async with AsyncExitStack() as opened:
        assert await speech(Setting(tmp_path, tmp_path, 3, opened)) == []
    assert "speech: skipped, the local models are not here" in capsys.readouterr().out


def test_a_raw_recording_is_spoken_at_the_rate_of_a_call_with_silence_around_it(tmp_path: Path) -> None:
    path = tmp_path / "one.raw"
    path.write_bytes(b"\x01\x00" * 1600)
    sound = sound_of(Clip("one", "one", path))
    silence = bytes(2 * 48_000 // 5)
    assert sound == silence + b"\x01\x00" * 4800 + silence
