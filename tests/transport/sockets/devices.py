"""Devices for tests: python-socketio's own client, and a raw WebSocket that may send anything."""

import asyncio
import uuid
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import socketio


def cid() -> str:
    return str(uuid.uuid4())


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

    async def until(self, holds: Any, seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)

    async def __aenter__(self) -> Self:
        return self if self.io.connected else await self.connect()

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.io.disconnect()
        await self.io.shutdown()


class Raw:
    """A WebSocket at the Engine.IO level. `close_code` once it is closed."""

    def __init__(self, http: aiohttp.ClientSession, path: str = "socket.io") -> None:
        self._connecting = http.ws_connect(f"/{path}/?EIO=4&transport=websocket", max_msg_size=0)
        self.msgpack = "msgpack" in path

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
        return self.ws.close_code


def _parsed(text: str) -> tuple[int, int | None, Any]:
    kind, rest = int(text[0]), text[1:]
    digits = len(rest) - len(rest.lstrip("0123456789"))
    ack = int(rest[:digits]) if digits else None
    return kind, ack, msgspec.json.decode(rest[digits:]) if rest[digits:] else None
