"""What the REST handlers need from the rest of the house."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry

from actors.ports import ExportFiles, GoalRows, MessageRows
from actors.runtime.tracing import Trace
from transport.addresses import Network
from transport.asking import Identify, Sessions
from transport.limits import Gate, Meter
from transport.load import Load
from transport.presence import WhoIsThere
from transport.rest.readiness import Readiness
from transport.service_keys import ServiceKeys
from transport.signin import SignIn
from transport.tokens import Identity
from transport.tracing import Traces

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a body; seconds for a whole request and for one question to a session."""

    body: int = 256 * 1024
    request: float = 30.0
    ask: float = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Documents:
    """What apps are promised, as it is served; `policy` is the Content-Security-Policy of the page."""

    openapi: bytes
    asyncapi: bytes
    page: str
    policy: str


class Processes(Protocol):
    """Those that share our port, by the numbers of their slots."""

    def trusts(self, request: web.Request) -> bool:
        """Whether one of them has passed it on, and so let it in."""

    async def ask(self, request: web.Request, slot: int) -> web.StreamResponse | None:
        """What the one of that slot answers; None for our own. Raises NotFound."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Given once by the composition root. `own_doors` are paths in the same application that guard themselves;
    `caught_mail` is where the mail catcher of one machine keeps what it caught; `call_page`: there is a page to call from.
    """

    sessions: Sessions
    identify: Identify
    goals: GoalRows
    messages: MessageRows
    presences: WhoIsThere
    exports: ExportFiles | None = None
    signin: SignIn
    gate: Gate
    keys: ServiceKeys | None = None
    readiness: Readiness
    registry: CollectorRegistry
    processes: Processes | None = None
    documents: Callable[[], Documents]
    origins: frozenset[str] = frozenset()
    own_doors: frozenset[str] = frozenset({"/socket.io/", "/socket.io-msgpack/"})
    metrics_from: Sequence[Network] = LOOPBACK
    trusted_proxies: Sequence[Network] = ()
    limits: Limits = Limits()
    caught_mail: Path | None = None
    call_page: bool = False
    ice_servers: Callable[[str], Sequence[Mapping[str, Any]]] | None = None
    """By user; None where no calls are made."""
    longest_call: float = 0.0
    load: Load = dataclasses.field(default_factory=Load)
    traces: Traces = dataclasses.field(default_factory=Traces)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


DOORS = web.AppKey("doors", Doors)
TRACE: web.RequestKey[Trace] = web.RequestKey("trace", str)
METER = web.RequestKey("meter", Meter)
IDENTITY = web.RequestKey("identity", Identity)
CID = web.RequestKey("cid", str)
LANGUAGE = web.RequestKey("language", str)
PAGE = web.RequestKey("page", str)
"""The origin of the page that asks, when there is one."""
