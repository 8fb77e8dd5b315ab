"""Refreshing: one step for all who ask at once, lost answers given again, stolen tokens noticed."""

import asyncio
from datetime import timedelta
from typing import Any

from storage.mongo.accounts import LOGIN_SESSIONS
from tests.transport.rest.auth.conftest import LOGIN, House, Node, refresh


async def test_a_refresh_gives_new_tokens(node: Node, house: House, ann: dict[str, Any]) -> None:
    house.clock.at += timedelta(minutes=11)
    assert (await node.get("/v1/auth/sessions", ann["access_token"]))[0] == 401
    status, refreshed = await refresh(node, ann["refresh_token"])
    assert status == 200
    assert refreshed["refresh_token"] != ann["refresh_token"]
    assert (await node.get("/v1/auth/sessions", refreshed["access_token"]))[0] == 200


async def test_fifty_refreshes_at_once_are_one_step_and_all_succeed(house: House, ann: dict[str, Any]) -> None:
    nodes = [await house.node() for _ in range(2)]
    answers = await asyncio.gather(*(refresh(nodes[n % 2], ann["refresh_token"]) for n in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1
    (session,) = await house.store[LOGIN_SESSIONS].find().to_list()
    assert session["counter"] == 2


async def test_a_lost_answer_is_given_again_however_late(node: Node, house: House, ann: dict[str, Any]) -> None:
    _, lost = await refresh(node, ann["refresh_token"])
    house.clock.at += timedelta(days=3)
    status, again = await refresh(node, ann["refresh_token"])
    assert status == 200
    assert again["refresh_token"] == lost["refresh_token"]


async def test_another_tab_gets_the_successor_for_ten_seconds_even_when_it_is_in_use(
    node: Node,
    house: House,
    ann: dict[str, Any],
) -> None:
    _, first = await refresh(node, ann["refresh_token"])
    await node.get("/v1/auth/sessions", first["access_token"])
    house.clock.at += timedelta(seconds=10)
    status, second = await refresh(node, ann["refresh_token"])
    assert status == 200
    assert second["refresh_token"] == first["refresh_token"]


async def test_a_token_whose_successor_is_in_use_ends_the_session_after_ten_seconds(
    node: Node,
    house: House,
    ann: dict[str, Any],
) -> None:
    _, first = await refresh(node, ann["refresh_token"])
    await node.get("/v1/auth/sessions", first["access_token"])
    house.clock.at += timedelta(seconds=11)
    status, body = await refresh(node, ann["refresh_token"])
    assert (status, body["code"]) == (401, "auth.revoked")
    assert (await refresh(node, first["refresh_token"]))[1]["code"] == "auth.revoked"


async def test_a_stolen_older_token_ends_the_whole_session_at_once(
    node: Node,
    house: House,
    ann: dict[str, Any],
) -> None:
    _, second = await refresh(node, ann["refresh_token"])
    _, third = await refresh(node, second["refresh_token"])
    _, elsewhere = await node.post("/v1/auth/login", LOGIN)
    closed: list[str] = []
    node.bearers.watch(ann["session_id"], lambda: closed.append("socket"))
    status, body = await refresh(node, ann["refresh_token"])
    assert (status, body["code"]) == (401, "auth.revoked")
    assert closed == ["socket"]
    assert (await refresh(node, third["refresh_token"]))[1]["code"] == "auth.revoked"
    assert (await node.get("/v1/auth/sessions", third["access_token"]))[1]["code"] == "auth.revoked"
    assert (await node.get("/v1/auth/sessions", elsewhere["access_token"]))[0] == 200
    del house


async def test_a_made_up_refresh_token_does_no_harm(node: Node, ann: dict[str, Any]) -> None:
    session_id, generation, mac = ann["refresh_token"].split(".")
    for forged in (
        f"{session_id}.{generation}.{mac[::-1]}",
        f"{session_id}.9.{mac}",
        f"{ann['user_id']}.{generation}.{mac}",
        "nothing",
    ):
        status, body = await refresh(node, forged)
        assert (status, body["code"]) == (401, "unauthenticated")
    assert (await refresh(node, ann["refresh_token"]))[0] == 200


async def test_an_idle_session_ends(node: Node, house: House, ann: dict[str, Any]) -> None:
    house.clock.at += timedelta(days=30)
    status, body = await refresh(node, ann["refresh_token"])
    assert (status, body["code"]) == (401, "auth.revoked")
