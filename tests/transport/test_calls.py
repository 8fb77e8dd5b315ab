"""One more call is refused where those there are would suffer from it, and what they come to stands in the metrics."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from actors.runtime.envelope import Overloaded
from actors.voice.figures import Figures
from transport.calls import Admission
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
