"""One Engine.IO connection as its device's connection sees it: what it sends, how full it is, how it ends."""

import asyncio
from typing import Any, Final

import socketio
import structlog
from engineio import packet

from transport.sockets.driver import Sockets
from transport.sockets.frames import Frame
from transport.sockets.packets import Kind
from transport.sockets.straight import ABORT_AFTER, Straight

log = structlog.get_logger(__name__)

GOING: Final = 16
"""Frames handed to Engine.IO and not yet taken by its writer, before the rest waits in the connection's outbox."""
GOING_BYTES: Final = 64 * 1024


def let_go(socket: Any) -> None:
    """End the poll a closed connection still has open: python-engineio leaves it waiting for its whole time limit."""
    if socket is not None and socket.closed:
        socket.queue.put_nowait(packet.Packet(packet.NOOP))


class Line:
    """Frames go out in order, without waiting, as long as there is room."""

    __slots__ = ("_bytes", "_kind", "_opened", "_straight", "server", "sid")

    def __init__(self, server: socketio.AsyncServer, opened: Sockets | None, sid: str, kind: Kind) -> None:
        self.server = server
        self._opened = opened
        self._kind = kind
        self.sid = sid
        self._bytes = 0
        self._straight: Straight | None = None

    @property
    def gone(self) -> bool:
        socket = self.server.eio.sockets.get(self.sid)
        return socket is None or socket.closed

    @property
    def waiting(self) -> int:
        """Frames that have not gone out yet."""
        socket = self.server.eio.sockets.get(self.sid)
        return 0 if socket is None or socket.closed else socket.queue.qsize()

    @property
    def room(self) -> bool:
        waiting = self.waiting
        if not waiting:
            self._bytes = 0
        return waiting < GOING and self._bytes < GOING_BYTES

    def size(self, frame: Frame) -> int:
        """Bytes or characters of the frame as this device gets it."""
        return len(frame.encoded(self._kind))

    def offer(self, frame: Frame) -> bool:
        """Send it if there is room."""
        if self._straight is not None and self._straight.offer(frame.framed(self._kind)):
            return True
        socket = self.server.eio.sockets.get(self.sid)
        if socket is None or socket.closed:
            return True
        if type(socket.queue) is Straight:
            self._straight = socket.queue
        if not self.room:
            return False
        self.send(frame)
        return True

    def send(self, frame: Frame) -> None:
        """One Engine.IO message; to a connection that has gone, nothing."""
        socket = self.server.eio.sockets.get(self.sid)
        if socket is None or socket.closed:
            return
        if type(socket.queue) is Straight:
            socket.queue.write(frame.framed(self._kind))
        else:
            socket.queue.put_nowait(packet.Packet(packet.MESSAGE, frame.encoded(self._kind)))
        self._bytes += self.size(frame)

    async def drained(self) -> None:
        """Returns when everything has gone out, or the connection has."""
        if not self.gone:
            await self.server.eio.sockets[self.sid].queue.join()

    async def close(self, code: int) -> None:
        """Close the WebSocket with `code`; a polling client gets Engine.IO's close packet instead."""
        socket = None if self._opened is None else self._opened.get(self.sid)
        try:
            async with asyncio.timeout(ABORT_AFTER):
                if socket is not None:
                    await socket.close(code)
                else:
                    await self.server.eio.disconnect(self.sid)
        except TimeoutError:
            log.debug("sockets.hung_up")
