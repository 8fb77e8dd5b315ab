"""What programs may ask with an API key: what its scopes say, until it ends, and nothing of people's own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.api_keys import app as api_keys
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.api_keys import API_KEYS, MongoApiKeys
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing
from tests.transport.rest.auth.conftest import House, Node
from transport.rest.table import ROUTES
from transport.service_keys import SCOPES, new_key

FIND = "/v1/admin/users/find"
WHO = {"email": " Ann@example.org"}


async def made(house: House, *scopes: str) -> tuple[str, str]:
    """The id of a fresh key, and its text."""
    keys = MongoApiKeys(house.store, Sealing(MongoKeys(house.store), {1: bytes(32)}))
    key, text = new_key("CANARY support desk", scopes, house.clock.at, timedelta(days=90))
    await keys.add(key)
    return key.id, text


async def metrics(node: Node, token: str) -> int:
    headers = {"X-Forwarded-For": "203.0.113.7", **({"Authorization": f"Bearer {token}"} if token else {})}
    async with node.client.get("/metrics", headers=headers) as response:
        return response.status


async def test_a_key_finds_an_account_and_says_nothing_a_person_wrote(
    node: Node, house: House, ann: dict[str, Any]
) -> None:
    key_id, text = await made(house, "users:read")
    status, found = await node.post(FIND, WHO, text)
    assert status == 200
    (account,) = found["items"]
    assert (account["user_id"], account["confirmed"], account["devices"]) == (ann["user_id"], False, 1)
    assert set(account) == {"user_id", "confirmed", "devices", "created_at"}
    assert (await node.post(FIND, {"email": "bo@example.org"}, text))[1]["items"] == []
    (kept,) = await house.store[API_KEYS].find().to_list()
    assert (kept["_id"], kept["used_at"]) == (key_id, house.clock.at)
    assert "CANARY" not in repr(kept)
    assert text.rpartition("_")[2] not in repr(kept)


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(node: Node, house: House, ann: dict[str, Any]) -> None:
    del ann
    _, users = await made(house, "users:read")
    _, numbers = await made(house, "metrics:read")
    assert (await node.post(FIND, WHO, numbers))[1]["code"] == "forbidden"
    assert await metrics(node, numbers) == 200
    assert [await metrics(node, token) for token in (users, "", "nonsense")] == [403, 403, 401]
    for route in ROUTES:
        if route.opens_to == "user":
            path = route.path.format(**dict.fromkeys(route.places, "019aad3e-7d1f-7c43-9d3a-5f0e8a1b2c4d"))
            async with node.client.request(
                route.method, path, json={}, headers={"Authorization": f"Bearer {users}"}
            ) as response:
                assert (response.status, route.name) == (401, route.name)


async def test_a_person_is_no_program(node: Node, ann: dict[str, Any]) -> None:
    for route in (route for route in ROUTES if route.opens_to == "service"):
        assert route.scope in SCOPES
        expected = "forbidden" if route.role is None else "forbidden.role"
        assert (await node.post(route.path, WHO, ann["access_token"]))[1]["code"] == expected
        assert (await node.post(route.path, WHO))[1]["code"] == "unauthenticated"


async def test_a_key_that_ended_or_was_changed_is_none(node: Node, house: House) -> None:
    key_id, text = await made(house, "users:read")
    head, _, secret = text.rpartition("_")
    for forged in (f"{head}_{secret[::-1]}", f"lbk_000000000000_{secret}", f"{text}x", "lbk_", f"{head}_"):
        assert (await node.post(FIND, WHO, forged))[1]["code"] == "unauthenticated"
    assert (await node.post(FIND, WHO, text))[0] == 200
    house.clock.at += timedelta(days=90)
    assert (await node.post(FIND, WHO, text))[1]["code"] == "unauthenticated"
    house.clock.at -= timedelta(days=1)
    keys = MongoApiKeys(house.store, Sealing(MongoKeys(house.store), {1: bytes(32)}))
    assert await keys.revoke(key_id, house.clock.at)
    assert not await keys.revoke(key_id, house.clock.at)
    assert (await node.post(FIND, WHO, text))[1]["code"] == "unauthenticated"


def test_a_key_without_known_scopes_is_not_made() -> None:
    for scopes in ((), ("everything",), ("users:read", "users:write")):
        with pytest.raises(ValueError, match="metrics:read"):
            new_key("x", scopes, datetime.now(UTC), timedelta(days=1))


async def test_the_command_line_makes_lists_and_revokes(node: Node, house: House, mongo: ReplicaSet) -> None:
    del node
    environment = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_MONGO_DATABASE": house.store.name,
        "LIFEBUDDY_MASTER_KEY": bytes(32).hex(),
    }

    async def run(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, api_keys, words, env=environment)
        return result.exit_code, result.stdout

    _, text = await run("create", "Prometheus", "--scope", "metrics:read", "--days", "30")
    key_id = text.split("_")[1]
    house.clock.at = datetime.now(UTC)
    assert await metrics(await house.node(), text.strip()) == 200
    assert (await run("revoke", key_id))[0] == 0
    _, listed = await run("list")
    assert [key_id in listed, "revoked" in listed, "Prometheus" in listed] == [True, True, True]
    assert text.strip() not in listed
    assert (await run("create", "x", "--scope", "everything"))[0] == 2
