"""One more call is refused where those there are would suffer from it, and what they come to stands in the metrics."""

import math

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from actors.runtime.envelope import Overloaded
from actors.voice.figures import Figures
from actors.voice.timings import Timings
from config.settings import read_settings
from transport.calls import Admission, timed
from transport.load import Lateness
from transport.rest.gauges import Histograms


def test_a_late_loop_takes_no_call_beside_others() -> None:
    lateness, live = Lateness(), 0
    admit = Admission(lambda: live, lambda: lateness.p99, 0.1)
    for late in [0.0] * 190 + [0.5] * 10:
        lateness.add(late)
    admit()  # alone it harms nobody
    live = 1
    with pytest.raises(Overloaded):
        admit()
    for _ in range(200):
        lateness.add(0.02)
    admit()


def test_whoever_runs_calls_says_their_times_and_unsaid_they_are_what_they_are() -> None:
    assert timed(read_settings(_env_file=None)) == Timings()
    given = read_settings(
        _env_file=None,
        calls_longest_seconds=600,
        calls_away_seconds=20,
        calls_leaving_seconds=2,
        calls_working_seconds=3,
        calls_thinking_seconds=9,
        caption_seconds=0,
    )
    assert timed(given) == Timings(longest=600, away=20, leaving=2, tool=3, thought=9, caption=math.inf)


def test_one_pause_is_not_lateness() -> None:
    lateness = Lateness()
    assert lateness.p99 == 0
    for late in (2.0, 0.01, 0.01):
        lateness.add(late)
    assert lateness.p99 == 0.01


def test_stages_are_histograms_in_seconds() -> None:
    figures, registry = Figures(), CollectorRegistry()
    figures.answered({"endpoint": 500, "transcript": 130})
    figures.answered({"endpoint": 20_000})
    registry.register(Histograms("call_stage_seconds", "How long", "stage", figures.stages))
    lines = generate_latest(registry).decode().splitlines()
    assert 'call_stage_seconds_bucket{le="0.4",stage="endpoint"} 0.0' in lines
    assert 'call_stage_seconds_bucket{le="0.8",stage="endpoint"} 1.0' in lines
    assert 'call_stage_seconds_bucket{le="+Inf",stage="endpoint"} 2.0' in lines
    assert 'call_stage_seconds_sum{stage="endpoint"} 20.5' in lines
    assert 'call_stage_seconds_count{stage="transcript"} 1.0' in lines
