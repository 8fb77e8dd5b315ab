"""A node's doors on a loopback port, before sessions a test writes the script of."""

import dataclasses
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from scripts.embedded.ports import held_port
from tests.transport.scripted_session import (
    ScriptedGoals,
    ScriptedLogins,
    ScriptedMessages,
    ScriptedSessions,
    ScriptedSignIn,
    nobody,
)
from transport.contract.served import documents
from transport.limits import Gate, HereCounters
from transport.limits import Limits as RateLimits
from transport.load import Load
from transport.rest.app import app, listening
from transport.rest.doors import Doors
from transport.rest.readiness import Check, Readiness
from transport.slot import Slot
from transport.sockets.doors import SocketDoors
from transport.sockets.gateway import Gateway
from transport.sockets.limits import Limits
from transport.sockets.neighbours import Neighbours
from transport.sockets.outbox import LocalOutbox

KEY = bytes(32)
ORIGIN = "https://app.example"


@dataclasses.dataclass
class Node:
    url: str
    gateway: Gateway
    sessions: ScriptedSessions
    logins: ScriptedLogins
    doors: Doors
    app: web.Application
    http: aiohttp.ClientSession


async def _ok() -> None:
    """A part that is well."""


def _shared(sessions: ScriptedSessions, logins: ScriptedLogins, load: Load) -> dict[str, Any]:
    """What both doors are given."""
    return {
        "sessions": sessions,
        "identify": logins.identify,
        "messages": ScriptedMessages(sessions),
        "presences": nobody(sessions),
        "registry": CollectorRegistry(),
        "origins": frozenset({ORIGIN}),
        "load": load,
    }


def _bound(slot: Slot, port: int) -> Slot:
    return msgspec.structs.replace(slot, listener=socket.create_server(("127.0.0.1", port)).detach())


@asynccontextmanager
async def node(
    limits: Limits,
    checks: dict[str, Check] | None = None,
    rest: dict[str, Any] | None = None,
    slot: Slot | None = None,
    load: Load | None = None,
) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        outbox, logins = LocalOutbox(), ScriptedLogins()
        sessions = ScriptedSessions(outbox)
        shared = _shared(sessions, logins, load or Load())
        readiness = Readiness({"mongo": _ok, "redis": _ok} if checks is None else checks, fresh=0.0)
        gate = Gate(HereCounters(), RateLimits())
        only_here = {**shared, "gate": gate, "documents": documents, **(rest or {})}
        doors = Doors(goals=ScriptedGoals(sessions), signin=ScriptedSignIn(), readiness=readiness, **only_here)
        neighbours = None if slot is None else Neighbours(slot, KEY, most=2, frame=limits.frame)
        name = "n1" if slot is None else slot.node
        gateway = Gateway(
            SocketDoors(watch=logins.watch, outbox=outbox, node=name, limits=limits, neighbours=neighbours, **shared)
        )
        application = app(doors)
        gateway.mount(application)
        port = stack.enter_context(held_port())
        await stack.enter_async_context(listening(application, "127.0.0.1", port, slot=slot and _bound(slot, port)))
        if neighbours is not None:
            await stack.enter_async_context(neighbours)
        await stack.enter_async_context(gateway)
        http = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        yield Node(f"http://127.0.0.1:{port}", gateway, sessions, logins, doors, application, http)


StartNode = Callable[..., Awaitable[Node]]


@pytest_asyncio.fixture
async def start_node() -> AsyncIterator[StartNode]:
    """`await start_node(limits…)`: doors with bounds of the test's own."""
    async with AsyncExitStack() as stack:

        async def start(
            limits: Limits | None = None,
            checks: dict[str, Check] | None = None,
            rest: dict[str, Any] | None = None,
            slot: Slot | None = None,
            load: Load | None = None,
        ) -> Node:
            return await stack.enter_async_context(node(limits or Limits(), checks, rest, slot, load))

        yield start


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client sends, no traceback stands in the log and nothing is reported by the loop."""
    yield
    told = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.exc_info or record.levelno >= logging.ERROR
    ]
    assert told == []
