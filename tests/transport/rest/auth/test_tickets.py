"""Tickets for sockets: once, soon, by the device they were made for, and only while its login session lives."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from actors.domain.refusals import Revoked, TokenSpent, Unauthenticated
from actors.runtime.envelope import Refused
from tests.transport.rest.auth.conftest import House, Node


async def ticket(node: Node, bearer: dict[str, Any], device_id: str = "phone") -> str:
    status, answer = await node.post("/v1/auth/ticket", {"device_id": device_id}, bearer["access_token"])
    assert (status, answer["expires_in"]) == (200, 30)
    return str(answer["ticket"])


async def test_a_ticket_says_once_who_connects_on_any_node(house: House, node: Node, ann: dict[str, Any]) -> None:
    shown = await ticket(node, ann)
    elsewhere = await house.node()
    asked = [one.tickets.identify(shown, "phone") for one in (node, elsewhere) * 5]
    found = await asyncio.gather(*asked, return_exceptions=True)
    (identity,) = [one for one in found if not isinstance(one, BaseException)]
    assert (identity.user_id, identity.session_id) == (ann["user_id"], ann["session_id"])
    assert {type(one) for one in found if isinstance(one, BaseException)} == {TokenSpent}


async def test_an_access_token_says_it_too(node: Node, ann: dict[str, Any]) -> None:
    assert (await node.tickets.identify(ann["access_token"], "phone")).user_id == ann["user_id"]
    with pytest.raises(Unauthenticated):
        await node.tickets.identify(ann["access_token"] + "x", "phone")


@pytest.mark.parametrize("wrong", ["late", "another device", "a newer one", "signed out", "for letters", "nobody's"])
async def test_any_other_ticket_is_refused(house: House, node: Node, ann: dict[str, Any], wrong: str) -> None:
    shown, device = await ticket(node, ann), "phone"
    refused: type[Refused] = TokenSpent
    if wrong == "late":
        house.clock.at += timedelta(seconds=30)
    elif wrong == "another device":
        device = "laptop"
    elif wrong == "a newer one":
        await ticket(node, ann)
    elif wrong == "signed out":
        await node.post("/v1/auth/logout", token=ann["access_token"])
        refused = Revoked
    elif wrong == "for letters":
        proving = node.tickets.proving
        shown = await proving.issue("reset", ann["user_id"], ann["user_id"], timedelta(minutes=1), {"device": device})
    else:
        shown = "A" * 43
    with pytest.raises(refused):
        await node.tickets.identify(shown, device)


async def test_tickets_of_two_devices_live_side_by_side(node: Node, ann: dict[str, Any]) -> None:
    phone, laptop = await ticket(node, ann), await ticket(node, ann, "laptop")
    await node.tickets.identify(phone, "phone")
    await node.tickets.identify(laptop, "laptop")


async def test_a_ticket_opens_no_other_door(node: Node, ann: dict[str, Any]) -> None:
    shown = await ticket(node, ann)
    assert (await node.get("/v1/auth/sessions", shown))[0] == 401
    assert (await node.post("/v1/auth/email/verify", {"token": shown}))[1]["code"] == "auth.token"
    assert (await node.post("/v1/auth/ticket", {"device_id": "phone"}))[0] == 401
    await node.tickets.identify(shown, "phone")
