"""A collector of traces on loopback: takes OTLP over HTTP as protobuf, and keeps the spans."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Taken:
    """A span as it came; `node` is who sent it."""

    node: str
    service: str
    trace: str
    id: str
    parent: str
    name: str
    kind: int
    problem: str
    told: dict[str, str | int]


@dataclass
class Collector:
    url: str = ""
    spans: list[Taken] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        read = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        async with self.came:
            for resource in read.resource_spans:
                whose = {one.key: one.value.string_value for one in resource.resource.attributes}
                self.spans += [_taken(span, whose) for scope in resource.scope_spans for span in scope.spans]
            self.came.notify_all()
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def until(self, seen: Callable[[Taken], bool], within: float = 10.0) -> Taken:
        """The first span that is so, past or to come."""
        async with asyncio.timeout(within), self.came:
            while True:
                for span in self.spans:
                    if seen(span):
                        return span
                await self.came.wait()

    def of(self, trace: str) -> list[Taken]:
        return [span for span in self.spans if span.trace == trace]

    def parents(self, span: Taken) -> list[str]:
        """The names of what it is a part of, the nearest first."""
        by_id = {one.id: one for one in self.spans}
        names = []
        while span.parent in by_id:
            span = by_id[span.parent]
            names.append(span.name)
        return names


def _taken(span: Span, whose: dict[str, str]) -> Taken:
    told = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    return Taken(
        whose["service.instance.id"],
        whose["service.name"],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.kind,
        str(told.get("error.type", "")),
        told,
    )


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    application = web.Application()
    application.router.add_post("/v1/traces", found.take)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = site.name
        yield found
    finally:
        await runner.cleanup()
