"""One Socket.IO path: its python-socketio server, and what every HTTP request to it is checked for."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol

import socketio
from aiohttp import hdrs, web
from socketio import packet

from transport.sockets.doors import SocketDoors
from transport.sockets.driver import fit, readable
from transport.sockets.line import Line, let_go
from transport.sockets.neighbours import NotPassedError
from transport.sockets.packets import COMMAND, UNREADABLE, Kind, Words
from transport.sockets.straight import Straight, framed

_SEPARATOR: Final = "\x1e"
_UPLOAD_SECONDS: Final = 30.0
_silent = logging.Logger("socketio")  # noqa: LOG001 - outside the tree on purpose: its tracebacks quote what clients send
_silent.disabled = True


class Guard(Protocol):
    """Whoever decides what becomes of a connection."""

    @property
    def full(self) -> bool:
        """Whether no new connection is taken, because there are too many or the node drains."""

    async def connect(self, entrance: "Entrance", sid: str, environ: dict[str, Any], auth: object) -> None: ...

    async def command(self, sid: str, words: Words) -> dict[str, Any]: ...

    def short(self, sid: str, words: Words, answered: Callable[[dict[str, Any]], None]) -> bool:
        """Take a command without waiting for its answer; False when it needs the long way."""

    def unreadable(self, sid: str) -> None: ...

    def lost(self, seam: str) -> None:
        """A library has changed, and connections take its own slower way."""

    def disconnect(self, sid: str) -> None: ...


class Entrance(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio is not annotated
    """A path, a way to speak, and the namespace `/` of its server; every event of the server comes through here."""

    def __init__(self, path: str, kind: Kind, doors: SocketDoors, guard: Guard) -> None:
        super().__init__("/")
        limits = doors.limits
        self.path = path
        self.kind = kind
        self._origins = doors.origins
        self._guard = guard
        self._posting: set[str] = set()
        self._frame = limits.frame
        self._kernel = limits.kernel
        self._neighbours = doors.neighbours
        self.io = socketio.AsyncServer(
            async_mode="aiohttp",
            serializer=kind,
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
        self.io.eio.generate_id = partial(_sid, doors.node)
        self.io.register_namespace(self)
        self._opened = fit(self.io, self, guard.lost)

    def line(self, sid: str) -> Line:
        """The connection beneath a Socket.IO sid, or beneath an Engine.IO one that joined nothing."""
        return Line(self.io, self._opened, self.io.manager.eio_sid_from_sid(sid, "/") or sid, self.kind)

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

    async def take(self, engine_sid: str, payload: str | bytes, straight: Straight) -> bool:
        """A command on its long way: what python-socketio would do for it, without its dispatch."""
        incoming = self.kind(encoded_packet=payload)
        sid = self.io.manager.sid_from_eio_sid(engine_sid, "/")
        if sid is None or incoming.packet_type != packet.EVENT or incoming.data[0] != COMMAND:
            return False
        answer = await self._guard.command(sid, incoming.data[1:])
        if incoming.id is not None:
            straight.write(framed(self.kind.ack(incoming.id, answer)))
        return True

    def short(self, engine_sid: str, straight: Straight, done: Callable[[], None]) -> Callable[[object], bool]:
        """The short way of one WebSocket: whether a frame was a command, whose ack is written as soon as it is known."""
        return partial(self._short, engine_sid, straight, done)

    def _short(self, engine_sid: str, straight: Straight, done: Callable[[], None], frame: object) -> bool:
        plain = None if straight.qsize() else self.kind.command(frame)
        sid = None if plain is None else self.io.manager.sid_from_eio_sid(engine_sid, "/")
        if plain is None or sid is None:
            return False
        ack, words = plain

        def answered(answer: dict[str, Any]) -> None:
            if ack is not None:
                straight.write(framed(self.kind.ack(ack, answer)))
            done()

        return self._guard.short(sid, words, answered)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler of the path."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin not in self._origins:
            return _refuse(HTTPStatus.FORBIDDEN, "forbidden")
        if "j" in request.query:
            return _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported")
        sid = request.query.get("sid")
        if (passed := await self._passed_on(request, sid)) is not None:
            return passed
        if sid is None and self._guard.full:
            return _refuse(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", {hdrs.RETRY_AFTER: "2"})
        if request.method == hdrs.METH_POST and sid is not None:
            return await self._post(request, sid)
        if hdrs.UPGRADE in request.headers and request.transport is not None:
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._kernel)
        return await self._serve(request)

    async def _passed_on(self, request: web.Request, sid: str | None) -> web.StreamResponse | None:
        """The answer of the process behind this port that holds the connection; None when it is this one."""
        if self._neighbours is None or sid is None:
            return None
        try:
            self._neighbours.check(request)
            holder = self._neighbours.holder(sid)
            return None if holder is None else await self._neighbours.pass_on(request, holder)
        except NotPassedError as refused:
            return _refuse(refused.status, refused.code)

    async def _serve(self, request: "web.Request | _Posted") -> web.StreamResponse:
        try:
            response: web.StreamResponse = await self.io.handle_request(request)
        except KeyError:  # python-engineio's word for a connection that has just gone
            return _refuse(HTTPStatus.BAD_REQUEST, "protocol")
        return response

    async def _post(self, request: web.Request, sid: str) -> web.StreamResponse:
        """Packets of a polling client: one request at a time, each packet made readable first."""
        if sid in self._posting:
            return _refuse(HTTPStatus.BAD_REQUEST, "protocol")
        self._posting.add(sid)
        beneath = self.io.eio.sockets.get(sid)
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS):
                body = await _body(request, self._frame)
            if body is None:
                return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
            return await self._serve(_Posted(request, body))
        except TimeoutError:
            return _refuse(HTTPStatus.REQUEST_TIMEOUT, "timeout")
        finally:
            self._posting.discard(sid)
            let_go(beneath)


def _refuse(status: HTTPStatus, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"code": code}, status=status, headers=headers)


def _sid(node: str) -> str:
    """Unguessable, and says who holds the connection."""
    return f"{node}.{secrets.token_urlsafe(15)}"


async def _body(request: web.Request, limit: int) -> bytes | None:
    """At most `limit` bytes, each packet one that Engine.IO can read; None for more."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
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
