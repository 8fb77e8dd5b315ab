"""Signing out: one device, all of them, and never a stranger's."""

import asyncio
from datetime import timedelta
from typing import Any

from tests.transport.rest.auth.conftest import ANN, LOGIN, House, Node, refresh


async def test_logging_out_ends_this_device_only(node: Node, ann: dict[str, Any]) -> None:
    _, other = await node.post("/v1/auth/login", LOGIN)
    closed: list[str] = []
    node.bearers.watch(ann["session_id"], lambda: closed.append("this"))
    node.bearers.watch(other["session_id"], lambda: closed.append("other"))
    assert (await node.post("/v1/auth/logout", token=ann["access_token"]))[0] == 204
    assert closed == ["this"]
    assert (await node.get("/v1/auth/sessions", ann["access_token"]))[1]["code"] == "auth.revoked"
    assert (await refresh(node, ann["refresh_token"]))[1]["code"] == "auth.revoked"
    assert (await node.get("/v1/auth/sessions", other["access_token"]))[0] == 200


async def test_logging_out_everywhere_ends_all_devices_on_all_nodes(
    house: House, node: Node, ann: dict[str, Any]
) -> None:
    elsewhere = await house.node()
    following = asyncio.create_task(elsewhere.bearers.follow(), name="follow")
    _, other = await elsewhere.post("/v1/auth/login", LOGIN)
    _, bo = await node.post("/v1/auth/register", {**ANN, "email": "bo@example.org", "name": "Bo"})
    closed = asyncio.Event()
    elsewhere.bearers.watch(other["session_id"], closed.set)
    assert (await node.post("/v1/auth/logout-all", token=ann["access_token"]))[0] == 204
    async with asyncio.timeout(1):
        await closed.wait()
    for where, tokens in ((node, ann), (elsewhere, other)):
        assert (await where.get("/v1/auth/sessions", tokens["access_token"]))[1]["code"] == "auth.revoked"
    assert (await node.get("/v1/auth/sessions", bo["access_token"]))[0] == 200
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_devices_are_listed_and_one_can_be_signed_out(node: Node, house: House, ann: dict[str, Any]) -> None:
    house.clock.at += timedelta(minutes=1)
    async with node.client.post("/v1/auth/login", json=LOGIN, headers={"User-Agent": "Phone\u2028 é" * 99}) as response:
        phone = await response.json()
    status, listed = await node.get("/v1/auth/sessions", ann["access_token"])
    assert status == 200
    assert listed["next_cursor"] is None
    first, second = listed["items"]
    assert (first["id"], first["current"], second["id"], second["current"]) == (
        phone["session_id"],
        False,
        ann["session_id"],
        True,
    )
    assert first["device"].startswith("Phone é")
    assert len(first["device"]) == 200
    assert set(first) == {"id", "device", "created_at", "refreshed_at", "current"}
    assert (await node.delete(f"/v1/auth/sessions/{phone['session_id']}", ann["access_token"]))[0] == 204
    assert (await node.delete(f"/v1/auth/sessions/{phone['session_id']}", ann["access_token"]))[0] == 404
    assert (await node.get("/v1/auth/sessions", phone["access_token"]))[1]["code"] == "auth.revoked"


async def test_a_strangers_device_can_not_be_signed_out(node: Node, ann: dict[str, Any]) -> None:
    _, bo = await node.post("/v1/auth/register", {**ANN, "email": "bo@example.org", "name": "Bo"})
    for session_id in (ann["session_id"], "no-id", ann["user_id"]):
        status, body = await node.delete(f"/v1/auth/sessions/{session_id}", bo["access_token"])
        assert (status, body["code"]) == (404, "not_found")
    assert (await node.get("/v1/auth/sessions", ann["access_token"]))[0] == 200
