"""Pushes to all devices of a user that are connected here; implements `ports.Outbox`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actors.domain.addresses import owner
from actors.events import Recorded
from transport.sockets import frames
from transport.sockets.connection import Connection


class LocalOutbox:
    """Never waits: each connection has a bounded outbox of its own, and a slow one ends without delaying another."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Connection]] = {}

    def __iter__(self) -> Iterator[Connection]:
        return (connection for connections in list(self._of.values()) for connection in list(connections.values()))

    @property
    def users(self) -> list[str]:
        """Whoever has a device here."""
        return list(self._of)

    def add(self, connection: Connection) -> None:
        self._of.setdefault(connection.user_id, {})[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        connections = self._of.get(connection.user_id, {})
        connections.pop(connection.id, None)
        if not connections:
            self._of.pop(connection.user_id, None)

    def of(self, user_id: str) -> list[Connection]:
        """The user's connections, oldest first."""
        return list(self._of.get(user_id, {}).values())

    def push(self, address: str, events: Sequence[Recorded]) -> None:
        connections = self.of(owner(address))
        if connections:
            packed = [frames.event(event) for event in events]
            for connection in connections:
                connection.push(packed)

    def signal_all(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the wire's word
        """An ephemeral signal to every device of the node."""
        frame = frames.signal(type, dict(data))
        for one in self:
            one.signal(frame)

    def signal(self, address: str, type: str, data: Mapping[str, Any], *, connection: str | None = None) -> None:  # noqa: A002 - the wire's word
        connections = self.of(owner(address))
        if connections:
            frame = frames.signal(type, dict(data))
            for one in connections:
                if connection is None or one.id == connection:
                    one.signal(frame)
