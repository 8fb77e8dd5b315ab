"""Pushes to all devices of a user, at this node and at others; implements `ports.Outbox`."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from actors.domain.addresses import node_of, owner
from actors.events import Recorded
from transport.sockets import frames
from transport.sockets.connection import Connection
from transport.sockets.frames import Frame

Send = Callable[[str, str, str, bytes], None]
"""`(node, address, name, body)`: a hint to the outbox of another node. It may be lost: a device pulls what it misses."""
EVENTS: Final = "events"
SIGNAL: Final = "signal"
MOVED: Final = "moved"
REPLACED: Final = "replaced"

_encode = msgspec.msgpack.Encoder().encode
_read_events: Final = msgspec.msgpack.Decoder(list[tuple[int, dict[str, Any]]]).decode
_read_connection: Final = msgspec.msgpack.Decoder(str).decode
_read_signal: Final = msgspec.msgpack.Decoder(tuple[dict[str, Any], str | None]).decode


def _nobody(_node: str, _address: str, _name: str, _body: bytes) -> None:
    """There is one node only."""


class LocalOutbox:
    """Never waits: each connection has a bounded outbox of its own, and a slow one ends without delaying another.

    `leaving`: the node drains. Devices here wake no session elsewhere only to be renewed: they go soon.
    """

    def __init__(self, node: str = "", send: Send = _nobody) -> None:
        self.leaving = False
        self._node = node
        self._send = send
        self._of: dict[str, dict[str, Connection]] = {}
        self._far: dict[str, frozenset[str]] = {}
        self._astray: set[str] = set()
        self._moved = asyncio.Event()

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

    # ── for the sessions that live here ──────────────────────────────────────────────────────────────────────────

    def push(self, address: str, events: Sequence[Recorded]) -> None:
        connections, far = self.of(owner(address)), self._far.get(address)
        if not connections and far is None:
            return
        packed = [frames.event(event) for event in events]
        for connection in connections:
            connection.push(packed)
        if far is not None:
            self._hint(far, address, EVENTS, [(frame.seq, frame.data) for frame in packed])

    def signal(self, address: str, type: str, data: Mapping[str, Any], *, connection: str | None = None) -> None:  # noqa: A002 - the wire's word
        connections, far = self.of(owner(address)), self._far.get(address, frozenset())
        if not connections and not far:
            return
        frame = frames.signal(type, dict(data))
        _signal(connections, frame, connection)
        self._hint(
            far if connection is None else far & {node_of(connection)}, address, SIGNAL, (frame.data, connection)
        )

    def signal_all(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the wire's word
        """An ephemeral signal to every device of the node."""
        frame = frames.signal(type, dict(data))
        for one in self:
            one.signal(frame)

    def reach(self, address: str, nodes: Collection[str]) -> None:
        far = frozenset(nodes) - {self._node}
        if far:
            self._far[address] = far
        else:
            self._far.pop(address, None)

    def end(self, address: str, connection: str) -> None:
        self._replace(address, connection)
        self._hint({node_of(connection)} - {self._node}, address, REPLACED, connection)

    def leave(self, address: str) -> None:
        if not self.leaving:
            self.renew_soon([owner(address)])
        self._hint(self._far.pop(address, ()), address, MOVED, None)

    def _hint(self, nodes: Collection[str], address: str, name: str, body: object) -> None:
        if nodes:
            packed = _encode(body)
            for node in nodes:
                self._send(node, address, name, packed)

    # ── for the devices that are here ────────────────────────────────────────────────────────────────────────────

    def take(self, address: str, name: str, body: bytes) -> None:
        """A hint from where the session lives. Raises msgspec's DecodeError for one only a newer program can read."""
        connections = self.of(owner(address))
        if name == EVENTS and connections:
            packed = [Frame("event", fields, seq) for seq, fields in _read_events(body)]
            for connection in connections:
                connection.push(packed)
        elif name == SIGNAL and connections:
            fields, only = _read_signal(body)
            _signal(connections, Frame("signal", fields), only)
        elif name == REPLACED:
            self._replace(address, _read_connection(body))
        elif name == MOVED:
            self.renew_soon([owner(address)])

    def _replace(self, address: str, connection: str) -> None:
        for one in self.of(owner(address)):
            if one.id == connection:
                one.end("replaced")

    def renew_soon(self, users: Collection[str]) -> None:
        """Their sessions may live elsewhere by now, or pushes were lost: those with devices here are renewed."""
        here = self._of.keys() & users
        if here:
            self._astray |= here
            self._moved.set()

    def renew_all(self) -> None:
        """Pushes for anybody may have been lost."""
        self.renew_soon(self._of.keys())

    async def astray(self) -> list[str]:
        """Whoever is to be renewed at once; waits until there is somebody."""
        await self._moved.wait()
        self._moved.clear()
        users, self._astray = self._astray, set()
        return [user for user in users if user in self._of]


def _signal(connections: Sequence[Connection], frame: Frame, only: str | None) -> None:
    for one in connections:
        if only is None or one.id == only:
            one.signal(frame)
