"""Under load what is new is refused at once, at both doors, and taken again when the load is gone."""

import asyncio
import time
from typing import Any

import pytest

from actors.runtime.owned import owned
from tests.transport.conftest import StartNode
from tests.transport.sockets.devices import Device, cid, eventually
from transport.load import Load

ANN = {"Authorization": "Bearer ann/s1"}


async def hog() -> None:
    """What a loop full of work is like: each thing waits for many others."""
    while True:
        time.sleep(0.15)  # noqa: ASYNC251 - the load itself
        await asyncio.sleep(0)


def ignore(*_: Any) -> None:
    """Nothing is reported here."""


async def test_a_late_loop_and_deep_mailboxes_are_load_and_one_pause_is_not() -> None:
    depth = 0
    load = Load(lambda: depth, most_lag=0.1, most_waiting=10)
    async with owned(load.watch(), "load", ignore):
        await asyncio.sleep(0.15)
        time.sleep(0.15)  # noqa: ASYNC251 - a single pause
        await asyncio.sleep(0.01)
        assert not load.over
        async with owned(hog(), "hog", ignore):
            await eventually(lambda: load.over)
        await eventually(lambda: not load.over)
        depth = 11
        await eventually(lambda: load.over)
        depth = 10
        await eventually(lambda: not load.over)


@pytest.mark.parametrize("path", ["socket.io", "socket.io-msgpack"])
async def test_both_doors_refuse_and_take_again(start_node: StartNode, path: str) -> None:
    load = Load(most_waiting=10)
    node = await start_node(load=load)
    async with Device(node.url, path) as device:
        load.waiting = 11
        refused = await device.ask("goal.create", {"cid": cid(), "title": "run"})
        assert (refused["error"]["code"], refused["error"]["effect"]) == ("overloaded", "none")
        assert refused["error"]["retry_after_ms"] == 1000
        async with node.http.post("/v1/goals", json={"title": "run"}, headers=ANN) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
            assert (await response.json())["code"] == "overloaded"
        async with node.http.get("/socket.io/?EIO=4&transport=polling") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        for told in ("/healthz", "/readyz", "/metrics"):
            async with node.http.get(told) as response:
                assert response.status == 200
        assert node.sessions["ann"].asked["Order"] == 0
        load.waiting = 0
        assert (await device.ask("goal.create", {"cid": cid(), "title": "run"}))["ok"]
        async with node.http.post("/v1/goals", json={"title": "swim"}, headers=ANN) as response:
            assert response.status == 201
