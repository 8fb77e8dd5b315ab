"""The load: many Socket.IO clients on raw WebSockets in one cheap process, told what to do by lines of JSON.

`{"do": "connect", "url": …, "tokens": […]}`; `{"do": "burst", "what": …, "each": N, "users": [FROM, TO]}`: all these
users at once, each the next command when the last was acknowledged; `{"do": "alone", …}`: one user after the other;
`{"do": "paced", …, "rate": R}`: R commands a second over all of them, whatever the answers do; `{"do": "insist", …}`: all
at once, each the same command again every 250 ms until it is carried out. Answers are JSON lines.
"""

import asyncio
import contextlib
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
UNANSWERED = 12.0  # seconds after which it is asked again: a node itself answers in ten
AGAIN = 0.25
FUTURE = 10**9  # a seq no log has reached: the answer is "nothing was missed"

WHAT: dict[str, Callable[[], dict[str, object]]] = {
    "chat.send": lambda: {"cid": uuid7(datetime.now(UTC)), "text": TEXT},
    "goal.create": lambda: {"cid": uuid7(datetime.now(UTC)), "title": TEXT},
    "sync": lambda: {"since": FUTURE},
}


class Client:
    """One user's device: Engine.IO 4 and Socket.IO 5 frames as they are on the wire."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, *, deflate: bool) -> None:
        self.problems: Counter[str] = Counter()
        self._http = http
        self._url = f"{url}/socket.io/?EIO=4&transport=websocket"
        self._token = token
        self._deflate = 15 if deflate else 0
        self._acks: dict[str, asyncio.Future[str]] = {}
        self._number = 0
        self._socket: aiohttp.ClientWebSocketResponse
        self._reading: asyncio.Task[None]

    async def connect(self) -> None:
        self._socket = await self._http.ws_connect(self._url, compress=self._deflate, autoping=True)
        await self._socket.receive_str()
        await self._socket.send_str("40" + json.dumps({"token": self._token, "device_id": f"bench-{id(self)}"}))
        answer = await self._socket.receive_str()
        if not answer.startswith("40"):
            raise ConnectionError(answer)
        self._reading = asyncio.create_task(self._read(), name="reading")

    async def send(self, what: str) -> float:
        """One command; the seconds until it was acknowledged."""
        began = time.perf_counter()
        answer = await self._ask(what, json.dumps(WHAT[what]()), ACK_WITHIN)
        took = time.perf_counter() - began
        if not answer["ok"]:
            self.problems[answer["error"]["code"]] += 1
        return took

    async def insist(self, what: str) -> float:
        """One command, again and again with the same cid; the seconds until it was carried out."""
        began, body = time.perf_counter(), json.dumps(WHAT[what]())
        async with asyncio.timeout(ACK_WITHIN):
            while True:
                with contextlib.suppress(TimeoutError):
                    if (await self._ask(what, body, UNANSWERED))["ok"]:
                        return time.perf_counter() - began
                await asyncio.sleep(AGAIN)

    async def _ask(self, what: str, body: str, within: float) -> dict[str, Any]:
        self._number += 1
        number = str(self._number)
        acked = self._acks[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(f'42{number}["{what}",{body}]')
        try:
            async with asyncio.timeout(within):
                answer: dict[str, Any] = json.loads(await acked)[0]
        finally:
            self._acks.pop(number, None)
        return answer

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        """Acks to whoever waits, an answer to every ping; events only cost their reading."""
        async for frame in self._socket:
            text: str = frame.data
            if text.startswith("43"):
                number, bracket, rest = text[2:].partition("[")
                acked = self._acks.pop(number, None)
                if acked is not None and not acked.done():
                    acked.set_result(bracket + rest)
            elif text == "2":
                await self._socket.send_str("3")


class Load:
    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._clients: list[Client] = []

    async def connect(self, url: str, tokens: list[str], *, deflate: bool = False) -> dict[str, Any]:
        """Those that are connected already stay."""
        new = [Client(self._http, url, token, deflate=deflate) for token in tokens]
        for start in range(0, len(new), 20):
            await asyncio.gather(*(client.connect() for client in new[start : start + 20]))
        self._clients += new
        return {"connected": len(self._clients)}

    async def burst(self, what: str, each: int, users: list[int]) -> dict[str, Any]:
        began = time.perf_counter()
        took = await asyncio.gather(*(_several(client, what, each) for client in self._clients[slice(*users)]))
        return self._told(began, [one for several in took for one in several])

    async def alone(self, what: str, each: int, users: list[int]) -> dict[str, Any]:
        began = time.perf_counter()
        took: list[float] = []
        for client in self._clients[slice(*users)]:
            took += await _several(client, what, each)
        return self._told(began, took)

    async def paced(self, what: str, each: int, users: list[int], rate: float) -> dict[str, Any]:
        began = time.perf_counter()
        sending: list[asyncio.Task[float]] = []
        for number, client in enumerate(self._clients[slice(*users)] * each):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            sending.append(asyncio.create_task(client.send(what), name="sending"))
        return self._told(began, await asyncio.gather(*sending))

    async def insist(self, what: str, users: list[int]) -> dict[str, Any]:
        began = time.perf_counter()
        took = await asyncio.gather(*(client.insist(what) for client in self._clients[slice(*users)]))
        return self._told(began, took) | {"first": min(took), "last": max(took)}

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


async def _several(client: Client, what: str, each: int) -> list[float]:
    return [await client.send(what) for _ in range(each)]


async def main() -> None:
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        load = Load(http)
        orders: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
            "connect": load.connect,
            "burst": load.burst,
            "alone": load.alone,
            "paced": load.paced,
            "insist": load.insist,
            "close": load.close,
        }
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            print(json.dumps(await orders[order.pop("do")](**order)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
