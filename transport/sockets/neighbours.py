"""Processes that share a port: a request for a connection that another of them holds is passed on to it.

A polling client's requests reach any of them, and so does the WebSocket it goes on with.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from actors.domain.refusals import NotFound
from transport.refusals import Forbidden
from transport.slot import Slot, slot_name

PASSED_BY: Final = "X-Passed-By"
_OF_ONE_HOP: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization"}
)  # RFC 9110, 7.6.1
_OF_ONE_WEBSOCKET: Final = "sec-websocket-"
_SILENCE: Final = 60.0
"""Seconds without a byte after which a poll is over: a ping goes out sooner."""
_CONNECT: Final = 2.0


class NotPassedError(Exception):
    """The request ends here, with this status."""

    def __init__(self, status: HTTPStatus, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Neighbours:
    """Entered on the gateway's stack. `most` bounds what is passed on at the same time; beyond, it is `overloaded`."""

    def __init__(self, slot: Slot, key: bytes, *, most: int, frame: int) -> None:
        self._slot = slot
        self._key = key
        self._most = most
        self._frame = frame
        self._passing = 0
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for session in self._sessions.values():
            await session.close()

    def holder(self, sid: str) -> str | None:
        """The node whose connection this is; None for our own, and for what is no sid of ours."""
        node, dot, _ = sid.partition(".")
        return node if dot and node != self._slot.node and node.isalnum() else None

    async def pass_on(self, request: web.Request, node: str) -> web.StreamResponse:
        """What the holder answers, as it comes. Raises NotPassedError."""
        if PASSED_BY in request.headers:
            raise NotPassedError(HTTPStatus.BAD_REQUEST, "protocol")
        if self._passing >= self._most:
            raise NotPassedError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded")
        self._passing += 1
        try:
            session = await self._session(node)
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._pass_websocket(request, session)
            return await self._pass_request(request, session)
        except (aiohttp.ClientError, OSError) as problem:  # TimeoutError too; whoever asked comes back with a new sid
            raise NotPassedError(HTTPStatus.BAD_REQUEST, "protocol") from problem
        finally:
            self._passing -= 1

    def check(self, request: web.Request) -> None:
        """Raises NotPassedError for a request that pretends to come from one of us."""
        told = request.headers.get(PASSED_BY)
        if told is not None and not hmac.compare_digest(told.encode(), self._signed(request).encode()):
            raise NotPassedError(HTTPStatus.FORBIDDEN, "forbidden")

    def trusts(self, request: web.Request) -> bool:
        """Whether one of us has passed it on. Raises Forbidden for one that pretends so."""
        try:
            self.check(request)
        except NotPassedError:
            raise Forbidden from None
        return PASSED_BY in request.headers

    async def ask(self, request: web.Request, slot: int) -> web.StreamResponse | None:
        """What the process of that slot answers; None for our own. Raises NotFound where there is none."""
        if slot == self._slot.number:
            return None
        try:
            return await self.pass_on(request, slot_name(slot))
        except NotPassedError:
            raise NotFound from None

    async def _session(self, node: str) -> aiohttp.ClientSession:
        path = Path(self._slot.room, node)
        if not path.is_socket():  # noqa: ASYNC240 - in memory, like its name; a node that is no more, or never was
            if (gone := self._sessions.pop(node, None)) is not None:
                await gone.close()
            raise NotPassedError(HTTPStatus.BAD_REQUEST, "protocol")
        if node not in self._sessions:
            self._sessions[node] = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(path), limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessions[node]

    async def _pass_request(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        body = request.content if request.body_exists else None
        headers = self._headers(request)
        async with session.request(
            request.method, _address(request), headers=headers, data=body, allow_redirects=False
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_of_more_hops(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _pass_websocket(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        """Frames both ways, each waiting until the other side takes it, until one side closes; then the other with its code."""
        async with session.ws_connect(
            _address(request), headers=self._headers(request), max_msg_size=self._frame, autoping=False
        ) as theirs:
            ours = web.WebSocketResponse(compress=False, max_msg_size=self._frame, autoping=False)
            await ours.prepare(request)
            ways = {
                asyncio.create_task(_pump(theirs, ours), name="neighbours.down"),
                asyncio.create_task(_pump(ours, theirs), name="neighbours.up"),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                await ours.close(code=theirs.close_code or aiohttp.WSCloseCode.OK)
            return ours

    def _headers(self, request: web.Request) -> dict[str, str]:
        return {**_of_more_hops(request.headers), PASSED_BY: self._signed(request)}

    def _signed(self, request: web.Request) -> str:
        return hmac.digest(self._key, f"{request.method} {request.path_qs}".encode(), "sha256").hex()


def _address(request: web.Request) -> URL:
    return URL(f"http://neighbour{request.raw_path}", encoded=True)


def _of_more_hops(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in _OF_ONE_HOP and not name.lower().startswith(_OF_ONE_WEBSOCKET)
    }


_WebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse
_SEND: Final[Mapping[aiohttp.WSMsgType, Callable[[_WebSocket, Any], Awaitable[None]]]] = {
    aiohttp.WSMsgType.TEXT: lambda target, text: target.send_str(text),
    aiohttp.WSMsgType.BINARY: lambda target, some: target.send_bytes(some),
    aiohttp.WSMsgType.PING: lambda target, some: target.ping(some),
    aiohttp.WSMsgType.PONG: lambda target, some: target.pong(some),
}


async def _pump(source: _WebSocket, target: _WebSocket) -> None:
    """Returns when the source is closed, or says what can't be read."""
    async for message in source:
        send = _SEND.get(message.type)
        if send is None:
            return
        await send(target, message.data)
