"""The seam in python-engineio: that it fits the installed version, and that the server works without it."""

from typing import Any

import engineio
import socketio

from tests.transport.conftest import StartNode
from tests.transport.sockets.devices import Device, cid
from transport.sockets import engine, entrance
from transport.sockets.engine import Line, fit
from transport.sockets.packets import JsonPacket


def server() -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="aiohttp", serializer=JsonPacket, logger=entrance._silent)


def test_the_seam_fits_the_installed_version() -> None:
    made = server()
    assert fit(made) == {}
    assert made.eio._async["websocket"] is not engineio.async_drivers.aiohttp.WebSocket


def test_the_seam_belongs_to_one_server() -> None:
    fit(server())
    other = server()
    assert other.eio._async["websocket"] is engineio.async_drivers.aiohttp.WebSocket


async def test_a_line_that_has_gone_takes_everything_and_waits_for_nothing() -> None:
    line = Line(server(), {}, "nobody")  # type: ignore[arg-type] # an empty dict of open sockets
    assert line.gone
    line.send("x")
    await line.drained()
    assert line.waiting == 0


async def test_without_the_seam_devices_are_served_and_closed_all_the_same(
    start_node: StartNode,
    monkeypatch: Any,
    capsys: Any,
) -> None:
    monkeypatch.setattr(engine, "_drivers", lambda _server: None)
    node = await start_node()
    assert "sockets.stock_driver" in capsys.readouterr().out
    async with Device(node.url) as device:
        assert (await device.ask("chat.send", {"cid": cid(), "text": "hi"}))["ok"]
        await device.until(lambda: device.seqs() == [1])
        await node.gateway.close_all("draining", over=0.0)
        await device.until(device.gone.is_set)
        assert device.of("session.closing")[0]["code"] == "draining"
