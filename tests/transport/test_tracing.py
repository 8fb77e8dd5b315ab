"""Which traces are watched, what is told of them, and that nobody waits for who watches."""

import asyncio
import re
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.envelope import Overloaded
from actors.runtime.tracing import Span, part, trace_id
from tests.collector import Collector, collector
from transport.tracing import LONGEST, Traces, opened, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


AWAY = "http://127.0.0.1:9"


def quiet(_: str, __: dict[str, Any]) -> None: ...


def wanted(url: str | None, share: float = 1.0, **more: Any) -> Any:
    given = {"otel_service_name": "tested", "otel_sdk_disabled": False, "trace_share": share, **more}
    return SimpleNamespace(otel_exporter_otlp_endpoint=url, **given)


def test_a_traceparent_is_read_as_the_recommendation_says() -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-01") == (TRACE, SPAN, True)
    assert read_traceparent(f"00-{TRACE}-{SPAN}-00") == (TRACE, SPAN, False)
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-03-what-is-to-come") == (TRACE, SPAN, True)
    for wrong in (
        "",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
    ):
        assert read_traceparent(wrong) is None, wrong


@given(told=st.none() | st.text())
async def test_garbage_is_just_untraced(told: str | None) -> None:
    async with opened(wanted(AWAY), "a", quiet) as traces:
        resumed = traces.resumed(told)
    assert resumed is None or (isinstance(resumed, str) and resumed == str(told)[:LONGEST])


async def test_where_nobody_watches_a_trace_is_its_id() -> None:
    for off in (wanted(None), wanted(AWAY, 0.0), wanted(AWAY, otel_sdk_disabled=True)):
        async with opened(off, "a", quiet) as traces:
            assert type(traces) is Traces
            assert re.fullmatch("[0-9a-f]{16}", str(traces.root("x")))
            assert traces.resumed(f"00-{TRACE}-{SPAN}-01") == TRACE, (
                "the id of another node's trace is kept for the log"
            )


async def test_a_share_of_them_is_watched() -> None:
    async with opened(wanted(AWAY, 0.2), "a", quiet) as traces:
        watched = [isinstance(traces.root("x"), Span) for _ in range(2_000)]
    assert 0.1 < sum(watched) / len(watched) < 0.3


async def test_a_part_at_another_node_is_of_the_same_trace() -> None:
    async with collector() as collected:
        async with (
            opened(wanted(collected.url), "one", quiet) as one,
            opened(wanted(collected.url), "two", quiet) as two,
        ):
            begun = one.root("chat.send", "ann")
            assert isinstance(begun, Span)
            there = two.resumed(begun.header)
            assert str(there) == str(begun)
            trace_id.set(there)
            with pytest.raises(Overloaded), part("work", "client", writes=3):
                raise Overloaded
            assert two.resumed(begun.header[:-1] + "0") == str(begun), "whose beginning is not watched, is not here"
            begun.end()
        root, work = sorted(collected.of(str(begun)), key=lambda span: span.name)
    assert (root.node, root.service, root.told, root.problem) == ("one", "tested", {"user.id": "ann"}, "")
    assert (work.node, work.parent, work.problem, work.told["writes"]) == ("two", root.id, "overloaded", 3)


@pytest.mark.parametrize("away", ["refuses", "hangs"])
async def test_an_end_does_not_wait_for_a_collector_that_is_away(away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.collector.EXPORT_SECONDS", 0.6)
    monkeypatch.setattr("transport.collector.FLUSH_SECONDS", 0.3)
    loop, reports = asyncio.get_running_loop(), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = AWAY if away == "refuses" else f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with opened(wanted(url), "a", lambda event, _: reports.append(event)) as traces:
            for _ in range(3_000):
                begun = traces.root("x")
                assert isinstance(begun, Span)
                begun.end()
            ending = loop.time()
        assert loop.time() - ending < 1.5
    assert reports == ["traces.unsent"]


async def test_what_is_watched_reaches_the_collector_before_the_end() -> None:
    async with collector() as collected:
        await _many(collected, 1_000)
        assert len(collected.spans) == 1_000


async def _many(collected: Collector, number: int) -> None:
    async with opened(wanted(collected.url), "a", quiet) as traces:
        for _ in range(number):
            begun = traces.root("x")
            assert isinstance(begun, Span)
            begun.end()
