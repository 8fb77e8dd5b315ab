"""What a gateway does by the clock: renews its devices at their sessions, and sweeps out who never came in."""

import asyncio
from typing import Final, Protocol

import structlog

from actors.questions import Attached, Renew
from actors.runtime.envelope import Refused
from transport.sockets import frames
from transport.sockets.connection import Connection
from transport.sockets.doors import SocketDoors
from transport.sockets.entrance import Entrance
from transport.sockets.limits import Limits
from transport.sockets.outbox import LocalOutbox

log = structlog.get_logger(__name__)

AT_ONCE: Final = 50
"""Sessions asked at the same time."""
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
    while True:
        await asyncio.sleep(doors.limits.renew / 2)
        users = doors.outbox.users
        batches = [users[start : start + AT_ONCE] for start in range(0, len(users), AT_ONCE)]
        for batch in batches:
            if doors.outbox.leaving:
                return
            await asyncio.gather(*(renew(doors, user) for user in batch))
            await asyncio.sleep(doors.limits.renew / 2 / len(batches))
        if not batches:
            await asyncio.sleep(doors.limits.renew / 2)


async def renew_at_once(doors: SocketDoors) -> None:
    """Whenever sessions may live elsewhere, or pushes may have been lost. In vain: again, after ever longer pauses."""
    pause = FIRST_PAUSE
    while True:
        users = await doors.outbox.astray()
        failed: list[str] = []
        for start in range(0, len(users), AT_ONCE):
            batch = users[start : start + AT_ONCE]
            renewed = await asyncio.gather(*(renew(doors, user) for user in batch))
            failed += [user for user, done in zip(batch, renewed, strict=True) if not done]
        doors.outbox.renew_soon(failed)
        pause = min(pause * 2, LONGEST_PAUSE) if failed else FIRST_PAUSE
        await asyncio.sleep(pause)


async def renew(doors: SocketDoors, user_id: str) -> bool:
    """A head above what was pushed is pulled. False for a session out of reach: it is asked again the next time."""
    connections = [connection for connection in doors.outbox.of(user_id) if not connection.closing]
    newest = max((connection.cursor.seq for connection in connections), default=0)
    ids, devices = [one.id for one in connections], [one.device for one in connections]
    now = asyncio.get_running_loop().time()
    question = Renew(doors.node, ids, devices, [now - one.began for one in connections], newest)
    try:
        attached: Attached = await doors.sessions.session(user_id).ask(question, timeout=doors.limits.ask)
    except Refused as refused:
        log.info("sockets.not_renewed", code=refused.code)
        return False
    for connection in connections:
        if connection.log == attached.log:
            connection.see(attached.seq)
        else:
            connection.restart(attached, frames.resync("log", doors.snapshot_url))
    return True


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
