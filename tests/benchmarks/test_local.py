"""The bench of the local model where there is none."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from scripts.benchmarks.local import local
from scripts.benchmarks.setting import Setting


async def test_without_a_model_the_row_is_left_out_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFEBUDDY_MODELS_DIR", str(tmp_path))
    async with AsyncExitStack() as opened:
        assert await local(Setting(tmp_path, tmp_path, 3, opened)) == []
    assert "local: skipped, there is no local model here" in capsys.readouterr().out
