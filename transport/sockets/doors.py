"""What the sockets need from the rest of the house."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from actors.domain.rate_limit import Limit
from actors.ports import MessageRows
from actors.runtime.envelope import Envelope, Reply
from actors.runtime.tracing import Trace
from transport import asking
from transport.limits import read_limit
from transport.load import Load
from transport.presence import WhoIsThere
from transport.sockets.limits import Limits
from transport.sockets.neighbours import Neighbours
from transport.sockets.outbox import LocalOutbox
from transport.tokens import Identity
from transport.tracing import Traces

CONNECTS: Final = read_limit("connect", "10/min")
Identify = Callable[[str, str], Awaitable[Identity]]
"""From what a device shows, an access token or a ticket, and its id to who it is. Raises TokenSpent, Unauthenticated, Revoked."""


class Session(asking.Session, Protocol):
    """One that can also be asked without waiting."""

    def request(self, message: Any, reply: Reply, *, timeout: float, trace: Trace | None = None) -> Envelope:
        """`reply` is told what `ask` would answer or raise, `TimedOut` by whoever has it expire."""


class Sessions(Protocol):
    """The directory: user → session, and many sessions of a node at once."""

    def session(self, user_id: str) -> Session: ...

    def whereabouts(self, user_id: str) -> str | None:
        """The node the user's session is known to be awake at."""

    def at(self, node: str) -> Session:
        """The node itself."""


Watch = Callable[[str, Callable[[], None]], Callable[[], None]]
"""Be told once when a login session ends; answers how to stop being told."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SocketDoors:
    """Given once by the composition root.

    `origins` are the pages that may connect; apps send no origin. `connects`: how often one device may, at this node.
    `neighbours` are the processes behind the same port.
    """

    sessions: Sessions
    identify: Identify
    watch: Watch
    messages: MessageRows
    presences: WhoIsThere
    outbox: LocalOutbox
    registry: CollectorRegistry
    node: str
    origins: frozenset[str] = frozenset()
    connects: Limit = CONNECTS
    limits: Limits = dataclasses.field(default_factory=Limits)
    neighbours: Neighbours | None = None
    load: Load = dataclasses.field(default_factory=Load)
    traces: Traces = dataclasses.field(default_factory=Traces)
    snapshot_url: str = "/v1/me/snapshot"
