"""What a gateway does by the clock: renews its devices at their sessions, and sweeps out who never came in."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from actors.questions import Attached, Renew, Renewal, RenewAll, Renewed
from actors.runtime.envelope import Refused
from transport.sockets import frames
from transport.sockets.connection import Connection
from transport.sockets.doors import SocketDoors
from transport.sockets.entrance import Entrance
from transport.sockets.limits import Limits
from transport.sockets.outbox import LocalOutbox

log = structlog.get_logger(__name__)

AT_ONCE: Final = 50
"""Sessions asked one by one at the same time."""
TOGETHER: Final = 500
"""Users of one batch."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0


class Kept(Protocol):
    """The part of a gateway that sweeping looks at."""

    limits: Limits
    entrances: tuple[Entrance, ...]
    outbox: LocalOutbox

    def forget(self, connection: Connection) -> None: ...


async def renew_for_ever(doors: SocketDoors) -> None:
    """Every `renew` seconds, spread over half of them, tell each session which connections still are.

    Until the node drains: what was renewed last outlasts that.
    """
    while not doors.outbox.leaving:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(doors.limits.renew / 2)
        batches = _batches(doors, doors.outbox.users)
        await asyncio.gather(*(_renew_paced(doors, together) for together in batches.values()))
        await asyncio.sleep(max(0.0, began + doors.limits.renew - asyncio.get_running_loop().time()))


async def _renew_paced(doors: SocketDoors, batches: Sequence["_Batch"]) -> None:
    """Those of one node: while it hangs, the others' devices are renewed."""
    for batch in batches:
        if doors.outbox.leaving:
            return
        await batch.renew(doors)
        await asyncio.sleep(doors.limits.renew / 2 / len(batches))


async def renew_at_once(doors: SocketDoors) -> None:
    """Whenever sessions may live elsewhere, or pushes may have been lost. In vain: again, after ever longer pauses."""
    pause = FIRST_PAUSE
    while True:
        users = await doors.outbox.astray()
        batches = [batch for together in _batches(doors, users).values() for batch in together]
        failed = [user for batch in batches for user in await batch.renew(doors)]
        doors.outbox.renew_soon(failed)
        pause = min(pause * 2, LONGEST_PAUSE) if failed else FIRST_PAUSE
        await asyncio.sleep(pause)


class _Batch(msgspec.Struct, frozen=True):
    """Users whose sessions are asked together, at the node they are known to be awake at; None: one by one."""

    node: str | None
    users: Sequence[str]

    async def renew(self, doors: SocketDoors) -> Sequence[str]:
        """Those whose sessions are out of reach: they are asked again the next time."""
        if self.node is None:
            return await _renew_each(doors, self.users)
        asked = {user: connections for user in self.users if (connections := _open(doors, user))}
        question = RenewAll(doors.node, [_renewal(user, connections) for user, connections in asked.items()])
        try:
            renewed: Renewed = await doors.sessions.at(self.node).ask(question, timeout=doors.limits.ask)
        except Refused as refused:
            log.info("sockets.batch_not_renewed", code=refused.code)
            return list(asked) if refused.effect == "unknown" else await _renew_each(doors, list(asked))
        moved = list[str]()
        for (user, connections), head in zip(asked.items(), renewed.heads, strict=True):
            if head is None:
                moved.append(user)
            else:
                _see(doors, connections, Attached(renewed.log, head))
        return await _renew_each(doors, moved)


def _batches(doors: SocketDoors, users: Iterable[str]) -> Mapping[str | None, Sequence[_Batch]]:
    """By node; of a size that holds up neither of the two for long."""
    at: dict[str | None, list[str]] = {}
    for user in users:
        at.setdefault(doors.sessions.whereabouts(user), []).append(user)
    return {node: _cut(node, together, AT_ONCE if node is None else TOGETHER) for node, together in at.items()}


def _cut(node: str | None, users: Sequence[str], size: int) -> Sequence[_Batch]:
    return [_Batch(node, users[start : start + size]) for start in range(0, len(users), size)]


async def _renew_each(doors: SocketDoors, users: Sequence[str]) -> Sequence[str]:
    """Asked one by one, sessions are looked for, and woken. Those in vain."""
    failed = list[str]()
    for start in range(0, len(users), AT_ONCE):
        some = users[start : start + AT_ONCE]
        renewed = await asyncio.gather(*(_renew(doors, user) for user in some))
        failed += [user for user, done in zip(some, renewed, strict=True) if not done]
    return failed


async def _renew(doors: SocketDoors, user_id: str) -> bool:
    connections = _open(doors, user_id)
    if not connections:
        return True
    one = _renewal(user_id, connections)
    question = Renew(doors.node, one.connections, one.devices, one.ages, one.seq, one.away)
    try:
        attached: Attached = await doors.sessions.session(user_id).ask(question, timeout=doors.limits.ask)
    except Refused as refused:
        log.info("sockets.not_renewed", code=refused.code)
        return False
    _see(doors, connections, attached)
    return True


def _open(doors: SocketDoors, user_id: str) -> list[Connection]:
    return [connection for connection in doors.outbox.of(user_id) if not connection.closing]


def _renewal(user_id: str, connections: Sequence[Connection]) -> Renewal:
    """`seq` is the newest event any of them was given."""
    now = asyncio.get_running_loop().time()
    return Renewal(
        user_id,
        [one.id for one in connections],
        [one.device for one in connections],
        [now - one.began for one in connections],
        max(connection.cursor.seq for connection in connections),
        [one.id for one in connections if one.away],
    )


def _see(doors: SocketDoors, connections: Sequence[Connection], attached: Attached) -> None:
    """A head above what was pushed is pulled."""
    for connection in connections:
        if connection.log == attached.log:
            connection.see(attached.seq)
        else:
            connection.restart(attached, frames.resync("log", doors.snapshot_url))


async def sweep_for_ever(gateway: Kept) -> None:
    """Close connections that joined nothing in time, and forget those whose transport has gone."""
    since: dict[str, float] = {}
    while True:
        await asyncio.sleep(gateway.limits.sweep)
        for connection in gateway.outbox:
            if connection.line.gone:
                gateway.forget(connection)
        now = asyncio.get_running_loop().time()
        outside = {sid: entrance for entrance in gateway.entrances for sid in _outside(gateway, entrance)}
        since = {sid: since.get(sid, now) for sid in outside}
        late = [sid for sid, seen in since.items() if now - seen >= gateway.limits.join]
        await asyncio.gather(*(outside[sid].line(sid).close(1000) for sid in late))


def _outside(gateway: Kept, entrance: Entrance) -> list[str]:
    """Engine.IO connections of an entrance that are not a device's."""
    inside = {connection.line.sid for connection in gateway.outbox}
    return [sid for sid in entrance.io.eio.sockets if sid not in inside]
