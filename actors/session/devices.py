"""The connections that want a session's events: each lapses unless it is renewed."""

import asyncio
from collections.abc import Iterable

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

    def renew(self, connections: Iterable[str]) -> None:
        """These and no others."""
        self._until = dict.fromkeys(connections, _lease())

    def but(self, connection: str) -> list[str]:
        """All but this one."""
        return [other for other in self._until if other != connection]

    def detach(self, connection: str) -> None:
        self._until.pop(connection, None)


def _lease() -> float:
    return asyncio.get_running_loop().time() + LEASE
