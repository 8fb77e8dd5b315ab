"""The seams in python-engineio and aiohttp: that they fit the installed versions, and that all works without them."""

from collections.abc import Callable
from typing import Any

import aiohttp
import engineio
import msgspec
import pytest
import socketio
from engineio.async_socket import AsyncSocket

from tests.transport.conftest import StartNode
from tests.transport.sockets.devices import Device, cid
from transport.sockets import driver, entrance, inlet
from transport.sockets.driver import fit
from transport.sockets.frames import Frame
from transport.sockets.line import Line
from transport.sockets.packets import JsonPacket, MsgpackPacket
from transport.sockets.straight import Straight, framed


def server() -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="aiohttp", serializer=JsonPacket, logger=entrance._silent)


class Deaf:
    """Answers no command."""

    async def take(self, *_: Any) -> bool:
        return False

    def short(self, *_: Any) -> Callable[[object], bool]:
        return lambda _: False


def test_the_seam_fits_the_installed_version() -> None:
    lost: list[str] = []
    made = server()
    assert fit(made, Deaf(), lost.append) == {}
    assert lost == []
    assert made.eio._async["websocket"] is not engineio.async_drivers.aiohttp.WebSocket


def test_the_seam_belongs_to_one_server() -> None:
    fit(server(), Deaf(), lambda _: None)
    other = server()
    assert other.eio._async["websocket"] is engineio.async_drivers.aiohttp.WebSocket


def test_an_engine_s_socket_has_what_the_loop_relies_on() -> None:
    socket = AsyncSocket(server().eio, "one")
    for name in ("connected", "upgrading", "upgraded", "closed", "queue"):
        assert hasattr(socket, name), name


async def test_a_line_that_has_gone_takes_everything_and_waits_for_nothing() -> None:
    line = Line(server(), None, "nobody", JsonPacket)
    assert line.gone
    line.send(Frame("event", {}))
    await line.drained()
    assert line.waiting == 0


@pytest.mark.parametrize("length", [0, 124, 125, 126, 65_534, 65_535, 65_536, 100_000])
def test_a_frame_says_how_long_it_is(length: int) -> None:
    """RFC 6455, section 5.2; a text message carries Engine.IO's "4" before it."""
    frame = framed("x" * length)
    assert frame[0] == 0x81
    begins = {126: 4, 127: 10}.get(frame[1], 2)
    said = frame[1] if begins == 2 else int.from_bytes(frame[2:begins], "big")
    assert said == length + 1 == len(frame) - begins
    assert frame[begins:] == b"4" + b"x" * length
    assert framed(b"x" * length)[0] == 0x82


def test_a_push_is_encoded_once_for_all_who_speak_alike() -> None:
    frame = Frame("event", {"v": 1})
    assert frame.framed(JsonPacket) is frame.framed(JsonPacket)
    assert frame.framed(MsgpackPacket) is frame.framed(MsgpackPacket)
    assert frame.framed(JsonPacket) == framed('2["event",{"v":1}]')


@pytest.mark.parametrize("seam", ["driver", "loop", "inlet"])
async def test_without_a_seam_devices_are_served_and_closed_all_the_same(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seam: str
) -> None:
    if seam == "driver":
        monkeypatch.setattr(driver, "table_of", lambda _server: None)
    elif seam == "loop":
        monkeypatch.setattr(Straight, "fits", lambda _request: False)
    else:
        monkeypatch.setattr(inlet, "WebSocketReader", lambda *_: None)
    node = await start_node()
    async with Device(node.url) as device:
        assert "sockets.stock" in capsys.readouterr().out
        assert (await device.ask("chat.send", {"cid": cid(), "text": "hi"}))["ok"]
        await device.until(lambda: device.seqs() == [1])
        await node.gateway.close_all("draining", over=0.0)
        await device.until(device.gone.is_set)
        assert device.of("session.closing")[0]["code"] == "draining"


async def test_whoever_requests_is_asked_whether_their_transport_says_when_it_is_full(start_node: StartNode) -> None:
    """aiohttp's own request handler has what `Straight` needs; anything else is served by the stock loop."""
    node = await start_node()
    async with Device(node.url):
        (entered,) = [one for one in node.gateway.entrances if one.io.eio.sockets]
        (socket,) = entered.io.eio.sockets.values()
        assert type(socket.queue) is Straight
    assert not Straight.fits(type("Request", (), {"protocol": object()})())


async def _polling(http: aiohttp.ClientSession) -> str:
    """The path of a connection that begins with polling, and has joined."""
    path = "/socket.io/?EIO=4&transport="
    opened = await (await http.get(f"{path}polling")).text()
    sid = msgspec.json.decode(opened[1:])["sid"]
    joining = '40{"token":"ann/s1","device_id":"two"}'
    assert (await http.post(f"{path}polling&sid={sid}", data=joining)).status == 200
    return f"&sid={sid}"


async def test_only_one_websocket_takes_over_from_polling(start_node: StartNode) -> None:
    node = await start_node()
    async with aiohttp.ClientSession(node.url) as http:
        path = "/socket.io/?EIO=4&transport=websocket" + await _polling(http)
        async with http.ws_connect(path) as first:
            await first.send_str("2probe")
            assert await first.receive_str(timeout=5) == "3probe"
            async with http.ws_connect(path) as second:
                assert (await second.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE
            await first.send_str("5")
            await first.send_str('427["nothing",{}]')
            while not (said := await first.receive_str(timeout=5)).startswith("437"):
                pass
            assert "invalid.command" in said


async def test_a_connection_closed_while_it_upgrades_is_hung_up_on(start_node: StartNode) -> None:
    node = await start_node()
    async with aiohttp.ClientSession(node.url) as http:
        query = await _polling(http)
        async with http.ws_connect(f"/socket.io/?EIO=4&transport=websocket{query}") as device:
            await device.send_str("2probe")
            assert await device.receive_str(timeout=5) == "3probe"
            await http.post(f"/socket.io/?EIO=4&transport=polling{query}", data="1")
            await device.send_str("5")
            assert (await device.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE
