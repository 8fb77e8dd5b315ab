"""A share of all traces, told to an OpenTelemetry collector."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.propagation import set_span_in_context

from actors.runtime.outside import Report
from actors.runtime.tracing import Kind, Span, Trace
from transport.tracing import Traces, new_trace, read_traceparent

PATH: Final = "/v1/traces"
EXPORT_SECONDS: Final = 3.0
"""What the collector has for one batch, asking again included."""
FLUSH_SECONDS: Final = 2.0
"""What it has for all that is left when the node ends."""
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
KINDS: Final = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}


class Watched(Traces):
    """Whether one is watched is decided where it begins, and holds at every node it comes to."""

    def __init__(self, tracer: Tracer, share: float) -> None:
        self._tracer = tracer
        self._share = share

    def root(self, name: str, user_id: str | None = None) -> Trace:
        if random.random() >= self._share:  # noqa: S311 - no secret
            return new_trace()
        told = {} if user_id is None else {"user.id": user_id}
        return Part(self._tracer, self._tracer.start_span(name, Context(), SpanKind.SERVER, told))

    def resumed(self, told: str | None) -> Trace | None:
        parent = None if told is None else read_traceparent(told)
        if parent is None or not parent.sampled:
            return super().resumed(told)
        there = SpanContext(int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=SAMPLED)
        return Part(self._tracer, NonRecordingSpan(there))


class Part(Span):
    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: Tracer, span: OtelSpan) -> None:
        self._tracer = tracer
        self._span = span

    def __str__(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def header(self) -> str:
        return f"00-{self}-{self._span.get_span_context().span_id:016x}-01"

    def begin(self, name: str, kind: Kind = "internal", **told: str | int) -> Span:
        within = set_span_in_context(self._span, Context())
        return Part(self._tracer, self._tracer.start_span(name, within, KINDS[kind], told))

    def end(self, problem: str | None = None, **told: str | int) -> None:
        if problem is not None:
            self._span.set_attribute("error.type", problem)
            self._span.set_status(StatusCode.ERROR)
        self._span.set_attributes(told)
        self._span.end()


class Exporter(SpanExporter):
    """Reports the first batch that is not taken, and the first one after it that is. Called by a thread of the SDK."""

    def __init__(self, endpoint: str, report: Report) -> None:
        self._to = OTLPSpanExporter(endpoint.rstrip("/") + PATH, timeout=EXPORT_SECONDS)
        self._report = report
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._to.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing != self._failing:
            self._failing = failing
            self._report("traces.unsent" if failing else "traces.sent", {"spans": len(spans)})
        return result

    def shutdown(self) -> None:
        self._to.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def collected(endpoint: str, service: str, node: str, share: float, report: Report) -> AsyncIterator[Traces]:
    """What is to be sent waits in a bounded queue; what comes while it is full pushes out what came first."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it tells of each try; we of the outcome
    exporter = Exporter(endpoint, report)
    resource = Resource.create({"service.name": service, "service.instance.id": node})
    provider = TracerProvider(sampling.ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Watched(provider.get_tracer("lifebuddy"), share)
    finally:
        sending = asyncio.create_task(asyncio.to_thread(provider.shutdown), name="collector.flush")
        if not (await asyncio.wait([sending], timeout=FLUSH_SECONDS))[0]:
            exporter.shutdown()  # the collector is away: what is left is let go
        await sending
