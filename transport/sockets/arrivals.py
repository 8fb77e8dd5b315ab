"""How a device comes in: who it is, where its log stands, and its first words."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from actors.domain.addresses import connection_id
from actors.domain.refusals import RateLimited, Unauthenticated
from actors.ports import Counters, Take
from actors.questions import Attach, Attached, Events, Missed
from actors.runtime.envelope import Unavailable
from actors.runtime.tracing import Trace
from transport import wire
from transport.asking import DeviceId, Session
from transport.sockets.connection import PULL, Connection
from transport.sockets.doors import SocketDoors
from transport.sockets.entrance import Entrance
from transport.sockets.frames import Frame, resync
from transport.sockets.limits import Limits


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a connect. `token` is an access token, or a one-use ticket of `POST /v1/auth/ticket` for this
    `device_id`; `log` is the `session.ready.log` that `since` was counted in.
    """

    token: Annotated[str, Meta(max_length=8_192)]
    device_id: DeviceId
    since: Annotated[int, Meta(ge=0)] | None = None
    log: Annotated[str, Meta(max_length=100)] | None = None


class Host(Protocol):
    """The part of a gateway that arriving needs."""

    doors: SocketDoors
    limits: Limits
    arrived: Counters
    draining: bool

    def remember(self, connection: Connection) -> None: ...

    def forget(self, connection: Connection) -> None: ...

    def end(self, connection: Connection, code: str) -> None: ...

    def start(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]": ...


async def admit(host: Host, entrance: Entrance, sid: str, payload: object, trace: Trace) -> None:
    """Raises what the device is refused with."""
    if host.draining:
        raise Unavailable(retry_after_ms=1_000)
    if payload is None:
        raise Unauthenticated
    auth = wire.read(Auth, payload)
    identity = await host.doors.identify(auth.token, auth.device_id)
    await _count(host, f"{identity.user_id}/{auth.device_id}")
    session = host.doors.sessions.session(identity.user_id)
    connection = _connection(host, entrance, sid, session)
    connection.user_id, connection.login = identity.user_id, identity.session_id
    connection.device = auth.device_id
    host.remember(connection)  # first: what is committed while the session answers is held, not lost
    try:
        attach = Attach(connection.id, auth.device_id)
        attached: Attached = await session.ask(attach, timeout=host.limits.ask, trace=trace)
    except BaseException:
        host.forget(connection)
        raise
    first = _begin(connection, auth, attached, host.doors)
    if not connection.closing:  # it may have gone, or been replaced, while it came in
        connection.unwatch = host.doors.watch(connection.login, lambda: host.end(connection, "auth.revoked"))
    asyncio.get_running_loop().call_soon(_open, host, entrance, connection, first)


async def _count(host: Host, device: str) -> None:
    """Whoever proved to be nobody is not counted: no stranger can lock a device out. Raises RateLimited."""
    (standing,) = await host.arrived.take([Take(host.doors.connects, device)])
    if standing.wait:
        raise RateLimited(retry_after_ms=math.ceil(standing.wait * 1000))


def _connection(host: Host, entrance: Entrance, sid: str, session: Session) -> Connection:
    async def pull(since: int) -> Events:
        missed: Events = await session.ask(Missed(since, PULL), timeout=host.limits.ask)
        return missed

    connection = Connection(host, entrance.line(sid), pull)
    connection.id, connection.sid = connection_id(host.doors.node, sid), sid
    return connection


def _begin(connection: Connection, auth: Auth, attached: Attached, doors: SocketDoors) -> list[Frame]:
    """Where the device stands in its log, and what it is told first."""
    why = _astray(auth, attached)
    resumed = auth.since is not None and why is None
    connection.log = attached.log
    connection.cursor.start(auth.since if resumed and auth.since is not None else attached.seq, attached.seq)
    ready = {
        "user_id": connection.user_id,
        "log": attached.log,
        "seq": attached.seq,
        "resumed": resumed,
        "node": doors.node,
    }
    first = [Frame("session.ready", ready)]
    return first if why is None else [*first, resync(why, doors.snapshot_url)]


def _astray(auth: Auth, attached: Attached) -> str | None:
    """Why the log can't take the device on from its `since`."""
    if auth.since is None:
        return None
    if auth.log is not None and auth.log != attached.log:
        return "log"
    return "ahead" if auth.since > attached.seq else None


def _open(host: Host, entrance: Entrance, connection: Connection, first: list[Frame]) -> None:
    """After CONNECT has been sent, which python-socketio does when the connect handler has returned."""
    if connection.line.gone:
        host.forget(connection)
    elif entrance.joined(connection.sid):
        connection.open(first)
    elif not connection.closing:
        asyncio.get_running_loop().call_later(0.01, _open, host, entrance, connection, first)
