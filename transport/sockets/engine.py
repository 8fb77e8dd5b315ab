"""Engine.IO beneath Socket.IO: what one connection sends, how full it is, how it ends; and its WebSocket.

The WebSocket driver is the one seam: python-engineio's own offers deflate, closes with 1000 only and dies of a frame
it can't read. Where the seam no longer fits, the stock driver stays, with a warning: connections then cost more
memory and close without their code.
"""

import asyncio
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, Final

import socketio
import structlog
from aiohttp import web
from engineio import packet

log = structlog.get_logger(__name__)

GOING: Final = 16
"""Frames handed to Engine.IO and not yet taken by its writer, before the rest waits in the connection's outbox."""
GOING_BYTES: Final = 64 * 1024
ABORT_AFTER: Final = 3.0
UNREADABLE: Final = "4?"
_UPGRADING: Final = frozenset({"2probe", "5"})
"""The first two frames of a WebSocket that takes over from polling. Later each "5" would cost an answer."""


class Sockets(dict[str, "WebSocket"]):
    """The open WebSockets of one server, by Engine.IO sid."""


class WebSocket:
    """The driver python-engineio asks for: called with the request, then `wait`, `send`, `close`."""

    def __init__(self, handler: Callable[["WebSocket"], Awaitable[None]], server: Any, opened: Sockets) -> None:
        self._handler = handler
        self._sid: str = handler.__self__.sid  # type: ignore[attr-defined] # a bound method of engineio's socket
        self._opened = opened
        self._response = web.WebSocketResponse(
            compress=False,
            max_msg_size=server.max_http_buffer_size,
            timeout=ABORT_AFTER,
        )
        self._transport: asyncio.Transport | None = None
        self._begun = 0

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        await self._response.prepare(request)
        self._transport = request.transport
        self._opened[self._sid] = self
        try:
            await self._handler(self)
        finally:
            self._opened.pop(self._sid, None)
        return self._response

    async def wait(self) -> str | bytes:
        """The next frame; one Engine.IO could not read comes as one that Socket.IO calls unreadable."""
        data = (await self._response.receive()).data
        if isinstance(data, str):
            self._begun += 1
            return data if self._begun <= 2 and data in _UPGRADING else readable(data)
        if isinstance(data, bytes):
            return data
        raise OSError

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await self._response.send_bytes(frame)
        else:
            await self._response.send_str(frame)

    async def close(self, code: int = 1000) -> None:
        """Closes, and hangs up on a client that does not take even that."""
        if self._transport is not None:
            asyncio.get_running_loop().call_later(ABORT_AFTER, self._transport.abort)
        await self._response.close(code=code)


def readable(text: str) -> str:
    """The Engine.IO packet, or one that stands for "unreadable" where a packet's type makes no sense."""
    if text in {"1", "3"} or (text[:1] == "4" and text[1:2] in set("0123456")):
        return text
    if text[:1] == "b":
        try:
            binascii.a2b_base64(text[1:], strict_mode=True)
        except ValueError:
            return UNREADABLE
        return text
    return UNREADABLE


def fit(server: socketio.AsyncServer) -> Sockets | None:
    """Put the driver into a server; None when the seam no longer fits and the stock one stays."""
    opened = Sockets()
    drivers = _drivers(server)
    if drivers is None:
        log.warning("sockets.stock_driver", reason="python-engineio has no driver table")
        return None
    server.eio._async = {**drivers, "websocket": lambda handler, eio: WebSocket(handler, eio, opened)}  # noqa: SLF001 - the seam
    return opened


def let_go(socket: Any) -> None:
    """End the poll a closed connection still has open: python-engineio leaves it waiting for its whole time limit."""
    if socket is not None and socket.closed:
        socket.queue.put_nowait(packet.Packet(packet.NOOP))


def _drivers(server: socketio.AsyncServer) -> dict[str, Any] | None:
    """The table python-engineio takes its driver from, which is not among its public options."""
    drivers = getattr(server.eio, "_async", None)
    return drivers if isinstance(drivers, dict) and "websocket" in drivers else None


class Line:
    """One Engine.IO connection: frames go out in order, without waiting, as long as there is room."""

    __slots__ = ("_bytes", "_opened", "_server", "sid")

    def __init__(self, server: socketio.AsyncServer, opened: Sockets | None, sid: str) -> None:
        self._server = server
        self._opened = opened
        self.sid = sid
        self._bytes = 0

    @property
    def gone(self) -> bool:
        socket = self._server.eio.sockets.get(self.sid)
        return socket is None or socket.closed

    @property
    def waiting(self) -> int:
        """Frames the writer has not taken yet."""
        return 0 if self.gone else self._server.eio.sockets[self.sid].queue.qsize()

    @property
    def room(self) -> bool:
        waiting = self.waiting
        if not waiting:
            self._bytes = 0
        return waiting < GOING and self._bytes < GOING_BYTES

    def send(self, payload: str | bytes) -> None:
        """One Engine.IO message; to a connection that has gone, nothing."""
        if not self.gone:
            self._bytes += len(payload)
            self._server.eio.sockets[self.sid].queue.put_nowait(packet.Packet(packet.MESSAGE, payload))

    async def drained(self) -> None:
        """Returns when the writer has taken everything, or the connection has gone."""
        if not self.gone:
            await self._server.eio.sockets[self.sid].queue.join()

    async def close(self, code: int) -> None:
        """Close the WebSocket with `code`; a polling client gets Engine.IO's close packet instead."""
        socket = None if self._opened is None else self._opened.get(self.sid)
        try:
            async with asyncio.timeout(ABORT_AFTER):
                if socket is not None:
                    await socket.close(code)
                else:
                    await self._server.eio.disconnect(self.sid)
        except TimeoutError:
            log.debug("sockets.hung_up")
