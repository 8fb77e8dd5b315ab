"""The connections that want a session's events, whichever nodes they are at: each lapses unless it is renewed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from actors.domain.addresses import node_of
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


class Devices:
    """The same device again supersedes its older connection; beyond `most`, the oldest is superseded."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._of: dict[str, _Attached] = {}

    def __bool__(self) -> bool:
        """Whether any is still attached."""
        now = _now()
        self._of = {connection: one for connection, one in self._of.items() if one.until > now}
        return bool(self._of)

    def attach(self, connection: str, device: str) -> None:
        now = _now()
        self._of[connection] = _Attached(device, now, now + LEASE)

    def renew(self, message: Renew) -> None:
        """These and no others of that node. Those not known yet attached to whoever was the session before."""
        now, before = _now(), self._of
        self._of = {name: one for name, one in before.items() if node_of(name) != message.node}
        devices = message.devices or message.connections  # a program from before both
        ages = message.ages or [0.0] * len(devices)
        for connection, device, age in zip(message.connections, devices, ages, strict=True):
            since = before[connection].since if connection in before else now - age
            self._of[connection] = _Attached(device, since, now + LEASE)

    def detach(self, connection: str) -> None:
        self._of.pop(connection, None)

    def superseded(self) -> Sequence[str]:
        """Those that are to go, and are attached no longer."""
        going, stay = list[str](), set[str]()
        for connection, one in sorted(self._of.items(), key=lambda pair: pair[1].since, reverse=True):
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


def _now() -> float:
    return asyncio.get_running_loop().time()
