"""The connections that want a session's events, whichever nodes they are at: each lapses unless it is renewed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from actors.domain.addresses import node_of
from actors.domain.presence import State
from actors.questions import Renew

LEASE = 30.0
"""Seconds a device counts as attached without being renewed."""
MOST = 32
"""Devices of one user."""


@dataclass(slots=True)
class _Attached:
    device: str
    since: float
    until: float
    away: bool = False


class Devices:
    """The same device again supersedes its older connection; beyond `most`, the oldest is superseded."""

    def __init__(self, most: int = MOST, lease: float = LEASE) -> None:
        self._most = most
        self._lease = lease
        self._of: dict[str, _Attached] = {}
        self._left: float | None = None
        """When the last one said goodbye."""
        self._seen: float | None = None
        """When one of those that are not attached any more was last there."""

    def __bool__(self) -> bool:
        """Whether any is still attached."""
        now = _now()
        for connection, one in list(self._of.items()):
            if one.until <= now:
                del self._of[connection]
                self._see(one.until - self._lease)
        return bool(self._of)

    @property
    def state(self) -> State:
        """Those that have just gone may be back at once: for the time of a lease their user is away."""
        if self:
            return "away" if all(one.away for one in self._of.values()) else "online"
        return "away" if self._left is not None and _now() - self._left < self._lease else "offline"

    @property
    def silence(self) -> float | None:
        """Seconds since any was there; None: none was, as far as is known here."""
        if self:
            return 0.0
        return None if self._seen is None else _now() - self._seen

    def attach(self, connection: str, device: str) -> None:
        now = _now()
        self._of[connection] = _Attached(device, now, now + self._lease)

    def set_away(self, connection: str, *, away: bool) -> None:
        if connection in self._of:
            self._of[connection].away = away

    def renew(self, message: Renew) -> None:
        """These and no others of that node. Those not known yet attached to whoever was the session before."""
        now, before = _now(), self._of
        if any(node_of(name) == message.node and name not in message.connections for name in before):
            self._leave(now)
        self._of = {name: one for name, one in before.items() if node_of(name) != message.node}
        devices = message.devices or message.connections  # a program from before both
        ages = message.ages or [0.0] * len(devices)
        for connection, device, age in zip(message.connections, devices, ages, strict=True):
            since = before[connection].since if connection in before else now - age
            self._of[connection] = _Attached(device, since, now + self._lease, connection in message.away)

    def detach(self, connection: str) -> None:
        if self._of.pop(connection, None) is not None:
            self._leave(_now())

    def superseded(self) -> Sequence[str]:
        """Those that are to go, and are attached no longer."""
        going, stay = list[str](), set[str]()
        newest_first = reversed(self._of.items())  # the loop's clock ticks in milliseconds
        for connection, one in sorted(newest_first, key=lambda pair: pair[1].since, reverse=True):
            if one.device in stay or len(stay) == self._most:
                going.append(connection)
            stay.add(one.device)
        for connection in going:
            del self._of[connection]
        return going

    @property
    def nodes(self) -> frozenset[str]:
        """Where there are any."""
        return frozenset(map(node_of, self._of)) if self else frozenset()

    def but(self, connection: str) -> list[str]:
        """All but this one."""
        return [other for other in self._of if other != connection]

    def _leave(self, now: float) -> None:
        self._left = now
        self._see(now)

    def _see(self, at: float) -> None:
        self._seen = at if self._seen is None else max(self._seen, at)


def _now() -> float:
    return asyncio.get_running_loop().time()
