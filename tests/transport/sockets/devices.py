"""Devices for tests: python-socketio's own client, and a raw WebSocket that may send anything."""

import asyncio
import socket
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import socketio


def cid() -> str:
    return str(uuid.uuid4())


async def eventually(holds: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait until something is so that happens on the other side of a wire."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


class Device:
    """A stock client; `seen` is everything the server emitted, in order."""

    def __init__(self, url: str, path: str = "socket.io", **auth: Any) -> None:
        self.auth = {"token": "ann/s1", "device_id": "phone"} | auth
        self.seen: list[tuple[str, Any]] = []
        self.gone = asyncio.Event()
        serializer = "msgpack" if "msgpack" in path else "default"
        self.io = socketio.AsyncClient(reconnection=False, serializer=serializer)
        self._url, self._path = url, path
        self.io.on("*", self._on)
        self.io.on("disconnect", self._on_disconnect)
        self.reason: str | None = None

    async def _on(self, name: str, *data: Any) -> None:
        self.seen.append((name, data[0] if data else None))

    async def _on_disconnect(self, reason: str) -> None:
        self.reason = reason
        self.gone.set()

    async def connect(self, *transports: str) -> Self:
        await self.io.connect(
            self._url,
            socketio_path=self._path,
            auth=self.auth,
            transports=list(transports) or ["websocket"],
        )
        await self.until(lambda: "session.ready" in self.names())
        return self

    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    def of(self, name: str) -> list[Any]:
        return [data for seen, data in self.seen if seen == name]

    def seqs(self) -> list[int]:
        return [data["seq"] for data in self.of("event")]

    async def ask(self, name: str, body: Any) -> Any:
        return await self.io.call(name, body, timeout=10)

    async def until(self, holds: Callable[[], object], seconds: float = 8.0) -> None:
        await eventually(holds, seconds)

    async def __aenter__(self) -> Self:
        return self if self.io.connected else await self.connect()

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.io.disconnect()
        await self.io.shutdown()
        if self.io.eio.http is not None:  # python-engineio opens another one for a last word after it was closed
            await self.io.eio.http.close()


def send_head(socket: aiohttp.ClientWebSocketResponse, length: int) -> None:
    """The head of a text frame of so many bytes, and no more of it (RFC 6455, section 5.2).

    Whoever goes on sending may find the connection reset before the server's close can be read.
    """
    assert socket._conn is not None
    assert socket._conn.transport is not None
    socket._conn.transport.write(b"\x81\xff" + length.to_bytes(8, "big") + b"mask")


class Raw:
    """A WebSocket at the Engine.IO level. `code` is what the server closed it with."""

    def __init__(self, http: aiohttp.ClientSession, path: str = "socket.io") -> None:
        self._connecting = http.ws_connect(f"/{path}/?EIO=4&transport=websocket", max_msg_size=0)
        self.msgpack = "msgpack" in path
        self.code: int | None = None

    async def __aenter__(self) -> Self:
        self.ws = await self._connecting
        assert (await self.ws.receive_str()).startswith("0{")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.ws.close()

    async def join(self, **auth: Any) -> Any:
        auth = {"token": "ann/s1", "device_id": "raw"} | auth
        if self.msgpack:
            await self.ws.send_bytes(msgspec.msgpack.encode({"type": 0, "nsp": "/", "data": auth}))
        else:
            await self.ws.send_str("40" + msgspec.json.encode(auth).decode())
        return await self.next()

    async def emit(self, name: str, body: Any, ack: int | None = None) -> None:
        if self.msgpack:
            fields = {"type": 2, "nsp": "/", "data": [name, body], "id": ack}
            await self.ws.send_bytes(msgspec.msgpack.encode({k: v for k, v in fields.items() if v is not None}))
        else:
            await self.ws.send_str(f"42{'' if ack is None else ack}{msgspec.json.encode([name, body]).decode()}")

    async def next(self) -> Any:
        """The next Socket.IO packet: `(type, id, data)`; pings are answered, a close ends it with None."""
        while True:
            message = await self.ws.receive(timeout=8)
            if message.type == aiohttp.WSMsgType.CLOSE:
                self.code = message.data
            if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}:
                return None
            if message.type == aiohttp.WSMsgType.BINARY:
                fields = msgspec.msgpack.decode(message.data)
                return fields["type"], fields.get("id"), fields.get("data")
            if message.data == "2":
                await self.ws.send_str("3")
            elif message.data[0] == "4":
                return _parsed(message.data[1:])

    async def until(self, name: str) -> Any:
        """The data of the next event of that name."""
        while True:
            packet = await self.next()
            assert packet is not None, f"closed before {name}"
            if packet[0] == 2 and packet[2][0] == name:
                return packet[2][1]

    async def closed(self) -> int | None:
        """Read on until the server closes; answers its code."""
        while await self.next() is not None:
            pass
        return self.code


def _parsed(text: str) -> tuple[int, int | None, Any]:
    kind, rest = int(text[0]), text[1:]
    if rest.startswith("/"):
        rest = rest.partition(",")[2]
    digits = len(rest) - len(rest.lstrip("0123456789"))
    ack = int(rest[:digits]) if digits else None
    return kind, ack, msgspec.json.decode(rest[digits:]) if rest[digits:] else None


class Stuck:
    """A WebSocket by hand whose client joins, may send, and does not read until it is told to."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address = (host, int(port))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        self._socket.setblocking(False)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._address)
        lines = [
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
            "Host: x",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        await loop.sock_sendall(self._socket, "\r\n".join([*lines, "\r\n"]).encode())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._socket.close()

    async def send(self, text: str) -> None:
        raw = text.encode()
        size = bytes([0x80 | len(raw)]) if len(raw) < 126 else b"\xfe" + len(raw).to_bytes(2, "big")
        await self.send_raw(b"\x81" + size + bytes(4) + raw)

    async def send_raw(self, octets: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, octets)

    async def hung_up(self, within: float) -> bool:
        """Whether the server hangs up by then; what it still says is read and forgotten."""
        try:
            async with asyncio.timeout(within):
                while await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def join(self, **auth: Any) -> None:
        auth = {"token": "ann/s1", "device_id": "stuck"} | auth
        await self.send("40" + msgspec.json.encode(auth).decode())

    async def read(self, most: int = 1 << 30) -> bytes:
        """What is there to read, until the server hangs up or nothing has come for half a second."""
        read = bytearray()
        try:
            while len(read) < most:
                async with asyncio.timeout(0.5):
                    some = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
                if not some:
                    break
                read += some
        except (TimeoutError, ConnectionError):
            pass
        return bytes(read)
