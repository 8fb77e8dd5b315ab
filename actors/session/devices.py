"""The connections that want a session's events: each lapses unless it is renewed."""

import asyncio
from collections.abc import Iterable

from actors.domain.addresses import node_of

LEASE = 30.0
"""Seconds a device counts as attached without being renewed."""


class Devices:
    """Their number is bounded where they connect."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether any is still attached."""
        now = asyncio.get_running_loop().time()
        self._until = {connection: until for connection, until in self._until.items() if until > now}
        return bool(self._until)

    def attach(self, connection: str) -> None:
        self._until[connection] = _lease()

    def renew(self, node: str, connections: Iterable[str]) -> None:
        """These and no others of that node."""
        others = {connection: until for connection, until in self._until.items() if node_of(connection) != node}
        self._until = others | dict.fromkeys(connections, _lease())

    @property
    def nodes(self) -> frozenset[str]:
        """Where there are any."""
        return frozenset(map(node_of, self._until)) if self else frozenset()

    def but(self, connection: str) -> list[str]:
        """All but this one."""
        return [other for other in self._until if other != connection]

    def detach(self, connection: str) -> None:
        self._until.pop(connection, None)


def _lease() -> float:
    return asyncio.get_running_loop().time() + LEASE
