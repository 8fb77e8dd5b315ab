"""aiohttp's queue of the messages a WebSocket has read, from which a message may be taken before it is queued."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

LIMIT: Final = 64 * 1024
"""Bytes read ahead before the transport is paused, as aiohttp has it."""


class Inlet(WebSocketDataQueue):
    """`take` gets a message while nothing is before it; says whether it took it, and calls `settle` once it is done.

    Whatever comes meanwhile is queued, and whoever reads the queue waits with `turn` for what was taken.
    """

    __slots__ = ("_listening", "_pending", "_settled", "take")

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(protocol, LIMIT, loop=loop)
        self.take: Callable[[object], bool] = _nothing
        self._listening = self._pending = False
        self._settled: asyncio.Future[None] | None = None

    def listen(self) -> None:
        """Whoever reads the queue is about to wait."""
        self._listening = not self._buffer

    async def turn(self) -> None:
        """A message was read from the queue: it is its turn when the one taken before it is done."""
        self._listening = False
        if self._pending:
            self._settled = asyncio.get_running_loop().create_future()
            await self._settled

    def settle(self) -> None:
        """What was taken is done."""
        self._pending = False
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def feed_data(self, message: Any, size: int) -> None:
        """What aiohttp's reader calls with each message."""
        if self._listening and not self._pending and self.take(message.data):
            self._pending = True
            return
        self._listening = False
        super().feed_data(message, size)


class Response(web.WebSocketResponse):
    """aiohttp's, whose queue is an `inlet`; None where that seam no longer fits."""

    inlet: Inlet | None = None

    def _post_start(self, request: Any, protocol: str | None, writer: Any) -> None:
        door = request.protocol
        try:
            inlet = Inlet(door, asyncio.get_running_loop())
            parser = WebSocketReader(inlet, self._max_msg_size, compress=False, decode_text=True)
            early, door._message_tail = door._message_tail, b""  # noqa: SLF001 - the seam
        except (AttributeError, TypeError):
            super()._post_start(request, protocol, writer)
            return
        super()._post_start(request, protocol, writer)
        door._payload_parser, door._message_tail = None, early  # noqa: SLF001 - the seam
        door.set_parser(parser)
        self._reader, self._parser, self.inlet = inlet, parser, inlet


def _nothing(_: object) -> bool:
    return False
