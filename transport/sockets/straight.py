"""An Engine.IO socket's queue once it is a WebSocket: what is put in is framed and written at once, without a task."""

import asyncio
import struct
from typing import Any, Final

from aiohttp import web
from engineio import packet

TOGETHER: Final = 16 * 1024
"""Bytes that may come together before they are written: whether the transport is full has to be known in time."""
ABORT_AFTER: Final = 3.0
"""Seconds a device has to hang up after it was told to."""
_TEXT, _BINARY = 0x81, 0x82


def framed(payload: str | bytes) -> bytes:
    """An Engine.IO message as one unmasked WebSocket frame (RFC 6455, section 5.2)."""
    return _frame(_BINARY, payload) if isinstance(payload, bytes) else _frame(_TEXT, f"4{payload}".encode())


class Cork:
    """Who has written in this round of the loop: an event and the ack behind it go out in one call of the system.

    Whoever waits for an answer comes before all who only watch: the calls for those take the system some 8 µs each, and
    what the answered ask next arrives meanwhile, together, for one group commit.
    """

    __slots__ = ("_answered", "_written")

    def __init__(self) -> None:
        self._answered: list[Straight] = []
        self._written: list[Straight] = []

    def soon(self, one: "Straight") -> None:
        """Have it flush when all that is ready now has run."""
        if not self._written:
            asyncio.get_running_loop().call_soon(self._flush)
        self._written.append(one)

    def first(self, one: "Straight") -> None:
        """Of those that flush soon, have it be among the first."""
        self._answered.append(one)

    def _flush(self) -> None:
        answered, self._answered = self._answered, []
        written, self._written = self._written, []
        for one in (*answered, *written):
            one.flush()


class Straight:
    """In place of `AsyncSocket.queue`. While the transport is full frames wait here, and one task waits for it.

    What waits is bounded by those who put: `Line.room` for what is pushed, `Limits.acks` for answers.
    """

    __slots__ = ("_cork", "_drainer", "_protocol", "_socket", "_transport", "_waiting", "_written")

    def __init__(self, request: web.Request, socket: Any, cork: Cork) -> None:
        if request.transport is None:
            raise ConnectionResetError
        self._socket = socket
        self._cork = cork
        self._written = b""
        self._protocol: Any = request.protocol
        self._transport: Any = request.transport
        self._waiting: list[bytes] = []
        self._drainer: asyncio.Task[None] | None = None

    @staticmethod
    def fits(request: web.Request) -> bool:
        """Whether aiohttp still tells when its transport is full, and when it no longer is."""
        return hasattr(request.protocol, "_paused") and hasattr(request.protocol, "_drain_helper")

    def write(self, frame: bytes) -> None:
        """A whole WebSocket frame, behind those before it; to a transport that has gone, nothing."""
        if self.offer(frame):
            self._cork.first(self)
        else:
            self._waiting.append(frame)
            if self._drainer is None:
                self._drainer = asyncio.create_task(self._drain(), name="sockets.drain")

    def offer(self, frame: bytes) -> bool:
        """Write it if nothing waits; what a push costs each of its recipients, beside the call of the system."""
        if self._waiting or self._protocol._paused:  # noqa: SLF001 - the seam
            return False
        if not self._written:
            self._written = frame
            self._cork.soon(self)
        else:
            self._written += frame
            if len(self._written) > TOGETHER:
                self.flush()
        return True

    def flush(self) -> None:
        """Hand over what was written in this round of the loop."""
        written, self._written = self._written, b""
        if written and not self._transport.is_closing():
            self._transport.write(written)

    def take_over(self) -> None:
        """Stand in for the socket's queue, and write what waits there."""
        before, self._socket.queue = self._socket.queue, self
        while not before.empty():
            self.put_nowait(before.get_nowait())
        self.watch()

    def watch(self) -> None:
        """Hang up on a device that has not answered the ping it was sent last when its time is over."""
        pinged, within = self._socket.last_ping, self._socket.server.ping_timeout
        if pinged:
            asyncio.get_running_loop().call_later(within, self._hang_up, pinged)

    def end(self) -> None:
        """The conversation is over: what waits is dropped."""
        self.flush()
        self._waiting.clear()
        if self._drainer is not None:
            self._drainer.cancel()

    # What Engine.IO asks of a queue.

    def put_nowait(self, one: packet.Packet | None) -> None:
        if one is None:
            return
        encoded = one.encode()
        self.write(_frame(_BINARY, encoded) if isinstance(encoded, bytes) else _frame(_TEXT, encoded.encode()))
        if one.packet_type == packet.PING:
            self.watch()
        elif one.packet_type == packet.CLOSE:
            asyncio.get_running_loop().call_later(ABORT_AFTER, self._transport.abort)

    async def put(self, one: packet.Packet | None) -> None:
        self.put_nowait(one)

    def qsize(self) -> int:
        return len(self._waiting)

    async def join(self) -> None:
        """Returns when nothing waits here any more."""
        self.flush()
        if self._drainer is not None:
            await asyncio.wait([self._drainer])

    def _hang_up(self, pinged: float) -> None:
        if self._socket.last_ping == pinged:
            self._transport.abort()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._protocol._drain_helper()  # noqa: SLF001 - the seam
                while self._waiting and not self._protocol._paused:  # noqa: SLF001 - the seam
                    self._transport.write(self._waiting.pop(0))
        except ConnectionError:
            self._waiting.clear()
        finally:
            self._drainer = None


def _frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((kind, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", kind, 126, length) + payload
    return struct.pack("!BBQ", kind, 127, length) + payload
