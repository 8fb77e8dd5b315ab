"""How connections end: what the device is told, what its WebSocket is closed with, and that it is forgotten."""

import asyncio

import aiohttp
import pytest

from actors.questions import Attach
from actors.session.devices import Devices
from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, Raw, cid, eventually
from transport.sockets.limits import Limits

PATHS = ["socket.io", "socket.io-msgpack"]


async def nobody_is_left(node: Node) -> None:
    await eventually(lambda: not list(node.gateway.outbox))
    await eventually(lambda: not any(one.io.eio.sockets for one in node.gateway.entrances))
    assert node.sessions["ann"].connections == {}
    assert not any(node.logins.watching.values())


async def hears(device: Raw) -> bool:
    """Whether it gets an event before it is closed."""
    while (packet := await device.next()) is not None:
        if packet[0] == 2 and packet[2][0] == "event":
            return True
    return False


@pytest.mark.parametrize("path", PATHS)
async def test_a_device_that_connects_again_replaces_its_old_connection(start_node: StartNode, path: str) -> None:
    node = await start_node(Limits(sweep=0.1))
    async with Raw(node.http, path) as old:
        await old.join(device_id="phone")
        async with Device(node.url, device_id="phone") as new, Device(node.url, device_id="laptop") as other:
            assert (await old.until("session.closing"))["code"] == "replaced"
            assert await old.closed() == 1012
            assert new.io.connected
            assert other.io.connected
            assert len(list(node.gateway.outbox)) == 2
    await nobody_is_left(node)


@pytest.mark.parametrize("path", PATHS)
async def test_of_two_connections_of_a_device_at_once_the_newer_stays(start_node: StartNode, path: str) -> None:
    """Both are coming in when the first is let in: it may not end the one that is to replace it."""
    node = await start_node()
    both = asyncio.Barrier(2)

    async def together(message: object) -> None:
        if isinstance(message, Attach):
            async with asyncio.timeout(5):
                await both.wait()

    node.sessions["ann"].before = together
    async with Raw(node.http, path) as one, Raw(node.http, path) as two:
        await asyncio.gather(one.join(device_id="phone"), two.join(device_id="phone"))
        await eventually(lambda: len(list(node.gateway.outbox)) == 1)
        await asyncio.sleep(0.1)
        assert [connection.closing for connection in node.gateway.outbox] == [False]
        node.sessions["ann"].say("still here")
        assert [device for device in (one, two) if await hears(device)]
    await nobody_is_left(node)


@pytest.mark.parametrize("path", PATHS)
async def test_a_revoked_login_session_is_gone_within_a_second(start_node: StartNode, path: str) -> None:
    node = await start_node(Limits(sweep=0.1))
    async with Raw(node.http, path) as lost, Device(node.url, token="ann/s2", device_id="laptop") as kept:
        await lost.join()
        await lost.until("session.ready")
        began = asyncio.get_running_loop().time()
        node.logins.revoke("s1")
        closing = await lost.until("session.closing")
        assert closing == {"code": "auth.revoked", "reconnect": False, "delay_ms": 0}
        assert (await lost.next())[0] == 1
        assert await lost.closed() == 1000
        assert asyncio.get_running_loop().time() - began < 1
        assert kept.io.connected
    await nobody_is_left(node)


async def test_a_polling_device_is_told_and_closed_as_well(start_node: StartNode) -> None:
    node = await start_node(Limits(sweep=0.1))
    device = await Device(node.url).connect("polling")
    async with device:
        node.logins.revoke("s1")
        await device.until(device.gone.is_set)
        assert device.of("session.closing")[0]["code"] == "auth.revoked"
    await nobody_is_left(node)


async def test_draining_closes_everyone_over_time_and_lets_nobody_in(start_node: StartNode) -> None:
    node = await start_node(Limits(sweep=0.1))
    devices = [Raw(node.http) for _ in range(4)]
    for number, device in enumerate(devices):
        await device.__aenter__()
        await device.join(device_id=f"d{number}")
    loop = asyncio.get_running_loop()
    began = loop.time()
    draining = asyncio.create_task(node.gateway.close_all("draining", over=1.0))
    ends = []
    for device in devices:
        assert await device.until("session.closing") == {"code": "draining", "reconnect": True, "delay_ms": 0}
        assert await device.closed() == 1012
        ends.append(loop.time() - began)
    await draining
    assert ends[0] < 0.4 < ends[3] < 2
    async with node.http.get("/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 503
        assert "Retry-After" in answer.headers
    await nobody_is_left(node)


async def test_a_device_that_hangs_up_is_forgotten_by_its_session(start_node: StartNode) -> None:
    node = await start_node(Limits(sweep=0.1))
    for path in PATHS:
        async with Raw(node.http, path) as device:
            await device.join()
            assert len(node.sessions["ann"].connections) == 1
    await nobody_is_left(node)


async def test_a_client_that_leaves_the_namespace_is_forgotten_and_may_come_again(start_node: StartNode) -> None:
    node = await start_node()
    async with Raw(node.http) as device:
        await device.join()
        await device.until("session.ready")
        await device.ws.send_str("41")
        await asyncio.sleep(0.05)
        assert list(node.gateway.outbox) == []
        assert (await device.join())[0] == 0
        await device.until("session.ready")


async def test_a_connection_that_joins_nothing_is_closed(start_node: StartNode) -> None:
    node = await start_node(Limits(join=0.3, sweep=0.1))
    async with Raw(node.http) as idle, Raw(node.http) as refused, Device(node.url) as joined:
        await refused.join(token="forged")
        assert await idle.closed() == 1000
        assert await refused.closed() == 1000
        await asyncio.sleep(0.3)
        assert joined.io.connected


async def test_a_node_takes_no_more_connections_than_its_bound(start_node: StartNode) -> None:
    node = await start_node(Limits(connections=1))
    async with Device(node.url), node.http.get("/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 503


async def test_a_user_has_a_bounded_number_of_devices(start_node: StartNode) -> None:
    node = await start_node()
    node.sessions["ann"].devices = Devices(most=2)
    async with Raw(node.http) as first, Raw(node.http) as second, Raw(node.http) as third:
        for number, device in enumerate((first, second, third)):
            await device.join(device_id=f"d{number}")
        assert (await first.until("session.closing"))["code"] == "replaced"
        assert {one.device for one in node.gateway.outbox if not one.closing} == {"d1", "d2"}


async def test_commands_stop_when_a_connection_is_closing(start_node: StartNode) -> None:
    node = await start_node()
    async with Raw(node.http) as device:
        await device.join()
        await device.until("session.ready")
        node.logins.revoke("s1")
        await device.emit("chat.send", {"cid": cid(), "text": "too late"}, ack=1)
        await device.closed()
    assert node.sessions["ann"].seq == 0


async def test_who_answers_no_ping_is_let_go_in_time_and_who_answers_stays(start_node: StartNode) -> None:
    node = await start_node(Limits(sweep=0.1, ping_interval=0.1, ping_timeout=0.3))
    async with Device(node.url, device_id="laptop") as alive, Raw(node.http, "socket.io") as dead:
        await dead.join(device_id="phone")
        async with asyncio.timeout(2):
            while (await dead.ws.receive()).type is not aiohttp.WSMsgType.CLOSED:
                pass
        await asyncio.sleep(1.0)
        assert alive.io.connected
        assert [one.device for one in node.gateway.outbox] == ["laptop"]
