"""Two processes behind one port: whichever of them a request reaches, the one that holds the connection answers."""

import asyncio
import io
import itertools
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from scripts.embedded.ports import held_port
from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, cid
from tests.transport.sockets.test_javascript import script
from transport.slot import Slot
from transport.sockets.neighbours import PASSED_BY

POLLING = "/socket.io/?EIO=4&transport=polling"


@pytest_asyncio.fixture
async def nodes(start_node: StartNode) -> AsyncIterator[list[Node]]:
    with tempfile.TemporaryDirectory(prefix="lb-") as room:
        yield [await start_node(slot=Slot(number, f"n{number}", -1, -1, room)) for number in (1, 2)]
        assert {path.name for path in Path(room).iterdir()} == {"n1", "n2", "slot-1", "slot-2"}


@asynccontextmanager
async def in_turn(nodes: list[Node]) -> AsyncIterator[str]:
    """The URL of a port whose connections reach one node after the other, as a kernel may have it."""
    ports = itertools.cycle(int(node.url.rpartition(":")[2]) for node in nodes)
    tasks = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, out = await asyncio.open_connection("127.0.0.1", next(ports))
        tasks.update({asyncio.create_task(copy(reader, out)), asyncio.create_task(copy(inner, writer))})

    with held_port() as port:
        async with await asyncio.start_server(pass_on, "127.0.0.1", port):
            yield f"http://127.0.0.1:{port}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opened(http: aiohttp.ClientSession) -> str:
    """The sid of a new polling connection."""
    async with http.get(POLLING) as answer:
        return str((await answer.text()).partition('"sid":"')[2].partition('"')[0])


async def test_a_stock_client_polls_and_upgrades_across_both(nodes: list[Node]) -> None:
    async with in_turn(nodes) as url:
        there = Node(
            url, *(getattr(nodes[0], name) for name in ("gateway", "sessions", "logins", "doors", "app", "http"))
        )
        async with script("first_device.mjs", there, "ann/s1") as device:
            assert (await device.until("upgrade"))[0] == {"transport": "websocket"}
            ready = (await device.until("session.ready"))[0]
            made = await device.ask("goal.create", {"cid": cid(), "title": "grüße" * 30})
            assert made["ok"]
            assert [event["seq"] for event in await device.until("event")] == [1]
            holder = next(node for node in nodes if node.gateway.doors.node == ready["node"])
            await holder.gateway.close_all("draining", over=0.0)
            assert (await device.until("disconnect"))[0]["reason"] == "transport close"


@pytest.mark.parametrize("path", ["socket.io", "socket.io-msgpack"])
async def test_a_client_that_only_polls_is_served_through_the_other(nodes: list[Node], path: str) -> None:
    async with in_turn(nodes) as url:
        device = await Device(url, path).connect("polling")
        for number in range(5):
            assert (await device.ask("goal.create", {"cid": cid(), "title": f"goal {number}"}))["ok"]
        await device.until(lambda: device.seqs() == [1, 2, 3, 4, 5])
        await device.io.disconnect()
        await device.io.shutdown()
    assert [list(node.gateway.outbox) for node in nodes] == [[], []]


async def test_a_connection_of_a_node_that_is_no_more_is_refused_so_that_clients_come_anew(nodes: list[Node]) -> None:
    for sid in ("n3.abc", "..n1", "n1/../n2.abc", "a" * 5000 + ".x", "n2.abc", "abc"):
        async with nodes[0].http.get(POLLING, params={"sid": sid}) as answer:
            assert answer.status == 400


async def test_what_is_passed_on_is_neither_forged_nor_passed_twice(nodes: list[Node]) -> None:
    sid = await opened(nodes[1].http)
    forged = {PASSED_BY: "0" * 64}
    async with nodes[1].http.get(POLLING, params={"sid": sid}, headers=forged) as answer:
        assert answer.status == 403
    async with nodes[0].http.get(POLLING, params={"sid": sid}, headers=forged) as answer:
        assert answer.status == 403
    async with nodes[0].http.post(POLLING, params={"sid": sid}, data="40{}") as answer:
        assert answer.status == 200


async def test_no_more_is_passed_on_than_there_is_room_for(nodes: list[Node]) -> None:
    sids = [await opened(nodes[1].http) for _ in range(3)]
    polls = [asyncio.create_task(nodes[0].http.get(POLLING, params={"sid": sid})) for sid in sids[:2]]
    await asyncio.sleep(0.3)
    async with nodes[0].http.get(POLLING, params={"sid": sids[2]}) as answer:
        assert (answer.status, await answer.json()) == (503, {"code": "overloaded"})
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


async def test_a_large_frame_through_the_other_closes_like_at_the_door_itself(nodes: list[Node]) -> None:
    sid = await opened(nodes[1].http)
    async with nodes[0].http.post(POLLING, params={"sid": sid}, data=io.BytesIO(bytes(1024 * 1024 + 1))) as answer:
        assert answer.status == 413
