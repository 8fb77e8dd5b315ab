"""Memory under slow consumers: `python -m scripts.slow_devices [--devices N]`.

So many devices connect and stop reading, while their users go on talking from another one. Prints the memory of the
node, and how many it let go as `overloaded`; exits 1 when it grew by more than its bound, or a reader missed anything.
"""

import asyncio
import re
import resource
import socket
import tempfile
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aiohttp
import msgspec
import typer

from config.settings import variable
from scripts.benchmarks.measure import resident_bytes
from scripts.embedded.mongo import mongod
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import valkey_server
from scripts.rolling import READY_WITHIN, Nodes, Person

DEVICES_EACH = 25
SAID = 2000
"""Commands of each user: more than the kernel and a device's outbox hold."""
TITLE = "x" * 200
MOST_EACH = 300_000
"""Bytes of the node that a device which reads nothing may cost, with all it is still owed and what the talk itself takes."""
HELLO = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSED = re.compile(r'socket_closings_total\{code="overloaded"\} (\d+)')
CONNECTED = re.compile(r"socket_connections (\d+)")


@dataclass
class Figures:
    before: int
    most: int
    let_go: int
    readers_behind: int


async def stuck(port: int, token: str) -> socket.socket:
    """A device that joins, and never reads."""
    loop, one = asyncio.get_running_loop(), socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.setblocking(False)
    await loop.sock_connect(one, ("127.0.0.1", port))
    await loop.sock_sendall(one, HELLO.encode())
    raw = b"40" + msgspec.json.encode({"token": token, "device_id": str(uuid.uuid4())})
    await asyncio.sleep(0.05)  # the answer to the upgrade comes first
    await loop.sock_sendall(one, b"\x81\xfe" + len(raw).to_bytes(2, "big") + bytes(4) + raw)
    return one


async def told(http: aiohttp.ClientSession, url: str, pattern: re.Pattern[str]) -> int:
    async with http.get(f"{url}/metrics") as response:
        found = pattern.search(await response.text())
    return int(float(found[1])) if found else 0


async def talk(person: Person, said: int) -> None:
    """One goal, renamed again and again: what grows is what waits for devices, not what is known."""
    made = await person.surely("goal.create", {"cid": str(uuid.uuid4()), "title": "run"})
    for number in range(said):
        renamed = {"goal_id": made["goal"]["id"], "title": f"{number} {TITLE}"[:200]}
        await person.surely("goal.change", {"cid": str(uuid.uuid4()), **renamed})


async def tried(server: Nodes, port: int, devices: int) -> Figures:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        crowd = [Person(server.url) for _ in range(max(1, devices // DEVICES_EACH))]
        for person in crowd:
            await person.come(http)
        for number in range(devices):
            stack.callback((await stuck(port, crowd[number % len(crowd)].tokens["access_token"])).close)
        while await told(http, server.url, CONNECTED) < devices + len(crowd):  # noqa: ASYNC110 - the node is asked
            await asyncio.sleep(0.2)
        figures = Figures(resident_bytes(server.pid), 0, 0, 0)
        talking = asyncio.gather(*(talk(person, SAID) for person in crowd))
        while not talking.done():
            figures.most = max(figures.most, resident_bytes(server.pid))
            await asyncio.sleep(0.25)
        await talking
        await asyncio.sleep(1.0)
        figures.let_go = await told(http, server.url, CLOSED)
        figures.readers_behind = sum(len(person.seen) < SAID for person in crowd)
        await asyncio.gather(*(person.io.disconnect() for person in crowd))
        return figures


async def measured(devices: int) -> Figures:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slow-")))
        mongo = await stack.enter_async_context(mongod(directory / "mongo", throwaway=True))
        valkey = await stack.enter_async_context(valkey_server(directory / "valkey", throwaway=True))
        (directory / "nodes").mkdir()
        port = stack.enter_context(held_port())
        variables = {variable("mongo_url"): mongo.url, variable("redis_url"): valkey.url}
        server = Nodes(directory / "nodes", port, 1, variables | {variable("shed_lag_seconds"): "60"})
        server.start()
        stack.push_async_callback(server.stop, 40.0)
        await server.said("ready http", 1, READY_WITHIN)
        return await tried(server, port, devices)


def main(devices: Annotated[int, typer.Option(help="Devices that read nothing.")] = 1000) -> None:
    """Exit code 1 when memory was not bounded, or a device that does read was behind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = asyncio.run(measured(devices))
    grown = figures.most - figures.before
    print(
        f"{devices} devices connected: {figures.before / 1e6:.0f} MB; none of them reads, at most: {figures.most / 1e6:.0f} MB"
    )
    print(f"that is {grown / devices / 1e3:.0f} kB a device (at most {MOST_EACH / 1e3:.0f}); let go: {figures.let_go}")
    print(f"devices that do read and are behind: {figures.readers_behind}")
    raise typer.Exit(1 if grown > MOST_EACH * devices or figures.readers_behind else 0)


if __name__ == "__main__":
    typer.run(main)
