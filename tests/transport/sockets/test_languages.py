"""What people are told over a socket is in the language their browser asks for."""

from typing import Any

import pytest
from socketio.exceptions import ConnectionError as Refused

from actors.domain.refusals import Unauthenticated
from tests.transport.conftest import StartNode
from tests.transport.sockets.devices import Device, cid
from transport.sentences import SENTENCES


async def test_a_refused_command_is_told_in_the_language_of_the_device(start_node: StartNode) -> None:
    node = await start_node()
    device = Device(node.url)
    wanted = {"Accept-Language": "de-AT, en;q=0.5"}
    await device.io.connect(node.url, auth=device.auth, transports=["websocket"], headers=wanted)
    await device.until(lambda: device.of("session.ready"))
    async with device, Device(node.url, device_id="other") as other:
        body = {"cid": cid(), "title": ""}
        assert (await device.ask("goal.create", body))["error"]["message"] == SENTENCES["de"]["invalid"]
        assert (await other.ask("goal.create", body))["error"]["message"].startswith("Something")


@pytest.mark.parametrize(
    ("wanted", "told"), [("de", SENTENCES["de"]["unauthenticated"]), ("fr", Unauthenticated.message)]
)
async def test_who_is_not_let_in_is_told_so_in_their_language(start_node: StartNode, wanted: str, told: str) -> None:
    node = await start_node()
    device = Device(node.url, token="forged")
    said: list[Any] = []
    device.io.on("connect_error", said.append)
    with pytest.raises(Refused):
        await device.io.connect(
            node.url, auth=device.auth, transports=["websocket"], headers={"Accept-Language": wanted}, retry=False
        )
    await device.io.shutdown()
    assert said[0]["message"] == said[0]["data"]["message"] == told
