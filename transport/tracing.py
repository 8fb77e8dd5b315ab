"""Where traces begin and go on. Nobody watches them unless a collector is configured: then a share of them is told to it."""

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol

from actors.runtime.outside import Report
from actors.runtime.tracing import Trace

TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])(-.*)?"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header-field-values, with room for versions to come."""
SHORTEST: Final = 55
"""Characters of a `traceparent`."""
LONGEST: Final = 64
"""Characters of an id that another node may tell."""


class NotInstalledError(Exception):
    """Traces are to be sent, and the packages for it are missing."""


class Wanted(Protocol):
    """What the settings say of traces, under the settings' names."""

    otel_exporter_otlp_endpoint: str | None
    otel_service_name: str
    otel_sdk_disabled: bool
    trace_share: float


class Parent(NamedTuple):
    """A span at another node, as a `traceparent` names it."""

    trace: str
    span: str
    sampled: bool


def read_traceparent(text: str) -> Parent | None:
    found = TRACEPARENT.fullmatch(text) if len(text) >= SHORTEST else None
    return None if found is None else Parent(found[1], found[2], bool(int(found[3], 16) & 1))


def new_trace() -> str:
    """A fresh id: what a person can quote, and what the logs carry."""
    return f"{random.getrandbits(64):016x}"


class Traces:
    """Nobody watches: a trace is its id."""

    def root(self, name: str, user_id: str | None = None) -> Trace:  # noqa: ARG002 - for those that are watched
        """A trace that begins here: at a door, or with a turn of a call."""
        return new_trace()

    def resumed(self, told: str | None) -> Trace | None:
        """One that began at another node, which told its id, or as `traceparent` the span that this is a part of."""
        parent = None if told is None else read_traceparent(told)
        return told[:LONGEST] if told and parent is None else parent and parent.trace


@asynccontextmanager
async def opened(wanted: Wanted, node: str, report: Report) -> AsyncIterator[Traces]:
    """Leaving it sends what is left. Raises NotInstalledError."""
    endpoint = wanted.otel_exporter_otlp_endpoint
    if endpoint is None or wanted.otel_sdk_disabled or not wanted.trace_share:
        yield Traces()
        return
    try:
        from transport.collector import collected  # noqa: PLC0415 - an extra, and a third of a second
    except ImportError:
        raise NotInstalledError("OTEL_EXPORTER_OTLP_ENDPOINT: needs `python3 scripts/bootstrap.py traces`") from None
    async with collected(endpoint, wanted.otel_service_name, node, wanted.trace_share, report) as traces:
        yield traces
