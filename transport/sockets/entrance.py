"""One Socket.IO path: its python-socketio server, and what every HTTP request to it is checked for."""

import asyncio
import logging
from typing import Any, Final, Protocol

import socketio
from aiohttp import hdrs, web
from socketio import packet

from transport.sockets.doors import SocketDoors
from transport.sockets.engine import Line, fit, let_go, readable
from transport.sockets.packets import COMMAND, UNREADABLE

_SEPARATOR: Final = "\x1e"
_silent = logging.Logger("socketio")  # noqa: LOG001 - outside the tree on purpose: its tracebacks quote what clients send
_silent.disabled = True


class Guard(Protocol):
    """Whoever decides what becomes of a connection."""

    @property
    def full(self) -> bool:
        """Whether no new connection is taken, because there are too many or the node drains."""

    async def connect(self, entrance: "Entrance", sid: str, environ: dict[str, Any], auth: object) -> None: ...

    async def command(self, sid: str, words: tuple[Any, ...]) -> dict[str, Any] | None: ...

    def unreadable(self, sid: str) -> None: ...

    def disconnect(self, sid: str) -> None: ...


class Entrance(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio is not annotated
    """A path, a way to speak, and the namespace `/` of its server; every event of the server comes through here."""

    def __init__(self, path: str, packet_class: type[packet.Packet], doors: SocketDoors, guard: Guard) -> None:
        super().__init__("/")
        limits = doors.limits
        self.path = path
        self.packet_class = packet_class
        self._origins = doors.origins
        self._guard = guard
        self._posting: set[str] = set()
        self._frame = limits.frame
        self.io = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=packet_class,
            async_handlers=False,
            http_compression=False,
            max_http_buffer_size=limits.frame,
            ping_interval=limits.ping_interval,
            ping_timeout=limits.ping_timeout,
            cors_allowed_origins=sorted(doors.origins),
            cors_credentials=False,
            logger=_silent,
            engineio_logger=_silent,
        )
        self.io.register_namespace(self)
        self._opened = fit(self.io)

    def line(self, sid: str) -> Line:
        """The connection beneath a Socket.IO sid, or beneath an Engine.IO one that joined nothing."""
        return Line(self.io, self._opened, self.io.manager.eio_sid_from_sid(sid, "/") or sid)

    def joined(self, sid: str) -> bool:
        return bool(self.io.manager.is_connected(sid, "/"))

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """What python-socketio dispatches: its own connect and disconnect, and what `packets` made of the rest."""
        if event == COMMAND:
            return await self._guard.command(args[0], args[1:])
        if event == UNREADABLE:
            self._guard.unreadable(args[0])
        elif event == "connect":
            await self._guard.connect(self, *args)
        elif event == "disconnect":
            self._guard.disconnect(args[0])
        return None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler of the path."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin not in self._origins:
            return web.json_response({"code": "forbidden"}, status=403)
        if "j" in request.query:
            return web.json_response({"code": "unsupported"}, status=415)
        sid = request.query.get("sid")
        if sid is None and self._guard.full:
            return web.json_response({"code": "overloaded"}, status=503, headers={hdrs.RETRY_AFTER: "2"})
        if request.method == hdrs.METH_POST and sid is not None:
            return await self._post(request, sid)
        response: web.StreamResponse = await self.io.handle_request(request)
        return response

    async def _post(self, request: web.Request, sid: str) -> web.StreamResponse:
        """Packets of a polling client: one request at a time, each packet made readable first."""
        if sid in self._posting:
            return web.json_response({"code": "protocol"}, status=400)
        self._posting.add(sid)
        beneath = self.io.eio.sockets.get(sid)
        try:
            async with asyncio.timeout(30):
                body = await _body(request, self._frame)
            response: web.StreamResponse = await self.io.handle_request(_Posted(request, body))
        except web.HTTPException as refused:
            return refused
        except TimeoutError:
            return web.json_response({"code": "timeout"}, status=408)
        finally:
            self._posting.discard(sid)
            let_go(beneath)
        return response


async def _body(request: web.Request, limit: int) -> bytes:
    """At most `limit` bytes, each packet one that Engine.IO can read."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, len(body))
    packets = body.decode(errors="replace").split(_SEPARATOR)
    return _SEPARATOR.join(map(readable, packets)).encode()


class _Posted:
    """A POST request whose body has been read: as much of aiohttp's Request as Engine.IO's driver looks at."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.content = self
        self.method = request.method
        self.query_string = request.query_string
        self.path_qs = request.path_qs
        self.path = request.path
        self.version = request.version
        self.headers = {**request.headers, hdrs.CONTENT_LENGTH: str(len(body))}
        self._body = body

    async def read(self, length: int) -> bytes:
        return self._body[:length]
