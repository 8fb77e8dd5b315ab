"""The WebSocket beneath Engine.IO: python-engineio's own offers deflate, closes with 1000 only, dies of a frame it
can't read, and takes two tasks and a timer for each message.

Where this seam no longer fits, the stock driver or its loop stays, with a warning and a count: connections then cost
more and close without their code.
"""

import asyncio
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import socketio
import structlog
from aiohttp import web
from engineio import packet
from engineio.exceptions import SocketIsClosedError

from transport.sockets.inlet import Response
from transport.sockets.straight import ABORT_AFTER, Cork, Straight

log = structlog.get_logger(__name__)

UNREADABLE: Final = "4?"
_UPGRADING: Final = ("2probe", "5")
"""The first two frames of a WebSocket that takes over from polling. Later each "5" would cost an answer."""

Lost = Callable[[str], None]
"""Is told which seam no longer fits."""


class Commands(Protocol):
    """Whoever answers the commands among the messages."""

    async def take(self, engine_sid: str, payload: str | bytes, straight: Straight) -> bool:
        """Whether the payload of a message was a command, and has been answered."""

    def short(self, engine_sid: str, straight: Straight, done: Callable[[], None]) -> Callable[[object], bool]:
        """What takes a whole frame without waiting, when it can, and calls `done` once it is answered."""


class Sockets(dict[str, "WebSocket"]):
    """The open WebSockets of one server, by Engine.IO sid, and what they write with."""

    def __init__(self) -> None:
        super().__init__()
        self.cork = Cork()


class WebSocket:
    """The driver python-engineio asks for: called with the request, then `wait`, `send`, `close`."""

    def __init__(
        self,
        handler: Callable[["WebSocket"], Awaitable[None]],
        limit: int,
        opened: Sockets,
        commands: Commands,
        lost: Lost,
    ) -> None:
        self._handler = handler
        self._socket: Any = handler.__self__  # type: ignore[attr-defined] # a bound method of engineio's socket
        self._opened = opened
        self._commands = commands
        self._lost = lost
        self._response = Response(compress=False, max_msg_size=limit, timeout=ABORT_AFTER)
        self._transport: asyncio.Transport | None = None
        self._begun = 0

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        await self._response.prepare(request)
        self._transport = request.transport
        self._opened.setdefault(self._socket.sid, self)
        try:
            if Straight.fits(request) and hasattr(self._socket, "queue"):
                await self._converse(request)
            else:
                self._lost("loop")
                await self._handler(self)
        finally:
            if self._opened.get(self._socket.sid) is self:
                del self._opened[self._socket.sid]
        return self._response

    async def wait(self) -> str | bytes:
        """The next frame; one Engine.IO could not read comes as one that Socket.IO calls unreadable."""
        inlet = self._response.inlet
        if inlet is not None:
            inlet.listen()
        data = (await self._response.receive()).data
        if not isinstance(data, str | bytes):
            raise OSError
        if inlet is not None:
            await inlet.turn()
        if isinstance(data, bytes):
            return data
        self._begun += 1
        return data if self._begun <= 2 and data in _UPGRADING else readable(data)

    async def send(self, frame: str | bytes) -> None:
        await (self._response.send_bytes(frame) if isinstance(frame, bytes) else self._response.send_str(frame))

    async def close(self, code: int = 1000) -> None:
        """Closes, and hangs up on a client that does not take even that."""
        if self._transport is not None:
            asyncio.get_running_loop().call_later(ABORT_AFTER, self._transport.abort)
        if type(self._socket.queue) is Straight:
            self._socket.queue.flush()
        await self._response.close(code=code)

    async def _converse(self, request: web.Request) -> None:
        """The whole conversation: what `AsyncSocket._websocket_handler` does, in one loop and without a writer."""
        socket = self._socket
        try:
            if socket.connected and (socket.upgrading or not await self._upgrade()):
                return  # another WebSocket is taking over, or this one did not
            socket.connected = socket.upgraded = True
            straight = Straight(request, socket, self._opened.cork)
            straight.take_over()
        except OSError:
            socket.upgrading = False
            return
        try:
            await self._read(straight)
        finally:
            straight.end()
            await socket.close(wait=False, abort=True, reason=socket.server.reason.TRANSPORT_CLOSE)

    async def _upgrade(self) -> bool:
        """A WebSocket takes over from polling: sends are held until the client says that it has."""
        socket = self._socket
        socket.upgrading = True
        if await self.wait() == _UPGRADING[0]:
            await self.send(packet.Packet(packet.PONG, data="probe").encode())
            await socket.queue.put(packet.Packet(packet.NOOP))  # ends the poll
            socket.upgraded = await self.wait() == _UPGRADING[1]
        socket.upgrading = False
        return bool(socket.upgraded) and not socket.closed

    async def _read(self, straight: Straight) -> None:
        """Frame by frame until one side is gone; what the inlet took never comes here."""
        socket, commands, inlet = self._socket, self._commands, self._response.inlet
        if inlet is None:
            self._lost("inlet")
        else:
            inlet.take = commands.short(socket.sid, straight, inlet.settle)
        try:
            while True:
                frame = await self.wait()
                payload = frame[1:] if isinstance(frame, str) and frame[0] == "4" else frame
                if (payload is frame and isinstance(frame, str)) or not await commands.take(
                    socket.sid, payload, straight
                ):
                    await socket.receive(packet.Packet(encoded_packet=frame))
        except (OSError, SocketIsClosedError):
            return


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


def fit(server: socketio.AsyncServer, commands: Commands, lost: Lost) -> Sockets | None:
    """Put the driver into a server; None when the seam no longer fits and the stock one stays."""
    opened = Sockets()
    drivers = table_of(server)
    if drivers is None:
        lost("driver")
        return None

    def driver(handler: Callable[[WebSocket], Awaitable[None]], engine: Any) -> WebSocket:
        return WebSocket(handler, engine.max_http_buffer_size, opened, commands, lost)

    server.eio._async = {**drivers, "websocket": driver}  # noqa: SLF001 - the seam
    return opened


def table_of(server: socketio.AsyncServer) -> dict[str, Any] | None:
    """The table python-engineio takes its driver from, which is not among its public options."""
    drivers = getattr(server.eio, "_async", None)
    return drivers if isinstance(drivers, dict) and "websocket" in drivers else None
