"""The callers of the bench hear answers of a server for calls, and time them from the last word on."""

from pathlib import Path

import pytest

from scripts.benchmarks.callers import VOICES, cut_short, percentile
from scripts.benchmarks.programs import load
from scripts.benchmarks.voice import CLIENTS, MODELS, alone
from scripts.calling.sound import frames_of, is_loud, read_sound


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_a_call_is_answered_once_the_models_have_had_their_time(tmp_path: Path) -> None:
    async with alone(tmp_path, "our_calls") as url, load(CLIENTS) as callers:
        told = await callers.order("talk", url=url, tokens=["anybody"], turns=1)
    (took,) = told["took"]
    assert MODELS < took < MODELS + 2


@pytest.mark.parametrize("name", ["goal.opus", "stop.opus"])
def test_what_is_said_ends_in_a_vowel(name: str) -> None:
    whole = read_sound(VOICES / name)
    short = cut_short(whole)
    assert is_loud(list(frames_of(short))[-1])
    assert len(whole) * 0.8 < len(short) < len(whole)


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95)] == [1.0, 2.0, 3.0]
    assert percentile([], 0.99) == 0.0
