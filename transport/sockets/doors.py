"""What the sockets need from the rest of the house."""

import dataclasses
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from actors.ports import MessageRows
from transport.asking import Identify, Sessions
from transport.sockets.limits import Limits
from transport.sockets.outbox import LocalOutbox

Watch = Callable[[str, Callable[[], None]], Callable[[], None]]
"""Be told once when a login session ends; answers how to stop being told."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SocketDoors:
    """Given once by the composition root. `origins` are the pages that may connect; apps send no origin."""

    sessions: Sessions
    identify: Identify
    watch: Watch
    messages: MessageRows
    outbox: LocalOutbox
    registry: CollectorRegistry
    node: str
    origins: frozenset[str] = frozenset()
    limits: Limits = dataclasses.field(default_factory=Limits)
    snapshot_url: str = "/v1/me/snapshot"
