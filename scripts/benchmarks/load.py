"""The load: many Socket.IO clients on raw WebSockets in one cheap process, told what to do by lines of JSON.

`{"do": "connect", "url": …, "tokens": […]}`; `{"do": "burst", "each": N, "users": [FROM, TO]}`: all these users at once,
each the next message when the last was acknowledged; `{"do": "alone", …}`: one user after the other. Answers are JSON lines.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvloop

from actors.runtime.ids import uuid7

TEXT = "I walked to work today instead of taking the bus, and it felt good. What could I try next week? "
ACK_WITHIN = 60.0  # seconds


class Client:
    """One user's device: Engine.IO 4 and Socket.IO 5 frames as they are on the wire."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.problems: Counter[str] = Counter()
        self._http = http
        self._url = f"{url}/socket.io/?EIO=4&transport=websocket"
        self._token = token
        self._acks: dict[str, asyncio.Future[str]] = {}
        self._number = 0
        self._socket: aiohttp.ClientWebSocketResponse
        self._reading: asyncio.Task[None]

    async def connect(self) -> None:
        self._socket = await self._http.ws_connect(self._url, compress=0, autoping=True)
        await self._socket.receive_str()
        await self._socket.send_str("40" + json.dumps({"token": self._token, "device_id": "bench"}))
        answer = await self._socket.receive_str()
        if not answer.startswith("40"):
            raise ConnectionError(answer)
        self._reading = asyncio.create_task(self._read(), name="reading")

    async def send(self, text: str) -> float:
        """One message; the seconds until it was acknowledged."""
        self._number += 1
        number = str(self._number)
        acked = self._acks[number] = asyncio.get_running_loop().create_future()
        body = json.dumps({"cid": uuid7(datetime.now(UTC)), "text": text})
        began = time.perf_counter()
        await self._socket.send_str(f'42{number}["chat.send",{body}]')
        async with asyncio.timeout(ACK_WITHIN):
            answer = json.loads(await acked)[0]
        took = time.perf_counter() - began
        if not answer["ok"]:
            self.problems[answer["error"]["code"]] += 1
        return took

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        """Acks to whoever waits, an answer to every ping; events only cost their reading."""
        async for frame in self._socket:
            text: str = frame.data
            if text.startswith("43"):
                number, bracket, rest = text[2:].partition("[")
                self._acks.pop(number).set_result(bracket + rest)
            elif text == "2":
                await self._socket.send_str("3")


class Load:
    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._clients: list[Client] = []

    async def connect(self, url: str, tokens: list[str]) -> dict[str, Any]:
        self._clients = [Client(self._http, url, token) for token in tokens]
        for start in range(0, len(self._clients), 20):
            await asyncio.gather(*(client.connect() for client in self._clients[start : start + 20]))
        return {"connected": len(self._clients)}

    async def burst(self, each: int, users: list[int]) -> dict[str, Any]:
        began = time.perf_counter()
        took = await asyncio.gather(*(_several(client, each) for client in self._clients[slice(*users)]))
        return self._told(began, [one for several in took for one in several])

    async def alone(self, each: int, users: list[int]) -> dict[str, Any]:
        began = time.perf_counter()
        took: list[float] = []
        for client in self._clients[slice(*users)]:
            took += await _several(client, each)
        return self._told(began, took)

    async def close(self) -> dict[str, Any]:
        await asyncio.gather(*(client.close() for client in self._clients))
        return {"closed": len(self._clients)}

    def _told(self, began: float, took: list[float]) -> dict[str, Any]:
        problems: Counter[str] = Counter()
        for client in self._clients:
            problems += client.problems
            client.problems.clear()
        ordered = sorted(took)
        return {
            "seconds": time.perf_counter() - began,
            "sent": len(took),
            "problems": dict(problems),
            "p50": ordered[len(ordered) // 2],
            "p99": ordered[len(ordered) * 99 // 100],
        }


async def _several(client: Client, each: int) -> list[float]:
    return [await client.send(TEXT) for _ in range(each)]


async def main() -> None:
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        load = Load(http)
        orders: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "connect": load.connect,
            "burst": load.burst,
            "alone": load.alone,
            "close": load.close,
        }
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            print(json.dumps(await orders[order.pop("do")](**order)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
