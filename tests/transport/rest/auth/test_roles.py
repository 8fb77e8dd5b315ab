"""Roles of people: who gets one and how, what it opens at every door, and that the old one ends everywhere."""

import asyncio
from datetime import timedelta
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from actors.domain.roles import INCLUDES, Role
from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from scripts.roles import app as roles
from storage.mongo.accounts import MongoLoginSessions
from storage.mongo.keys import MongoKeys
from storage.mongo.roles import MongoRoles
from storage.sealing import Sealing
from tests.transport.rest.auth.conftest import ANN, LOGIN, PASSWORD, House, Node, refresh
from transport.rest.routes import Route
from transport.rest.table import ROUTES

SETUP, AUDIT = "/v1/admin/setup", "/v1/admin/audit"
BO = {"email": "bo@example.org", "password": PASSWORD}


async def sign_in(node: Node, who: dict[str, str] = LOGIN) -> dict[str, Any]:
    status, signed_in = await node.post("/v1/auth/login", who)
    assert status == 200
    return dict(signed_in)


async def fresh(node: Node, bearer: dict[str, Any]) -> None:
    proof = {"password": PASSWORD, "scope": "roles"}
    assert (await node.post("/v1/auth/reauth", proof, bearer["access_token"]))[0] == 204


async def proven(house: House, node: Node, bearer: dict[str, Any]) -> dict[str, Any]:
    """As one who has signed in with a second factor."""
    sealing = Sealing(MongoKeys(house.store), {1: bytes(32)})
    await MongoLoginSessions(house.store, sealing).prove(bearer["session_id"], house.clock.at)
    status, again = await refresh(node, bearer["refresh_token"])
    assert status == 200
    return dict(again)


async def become(house: House, node: Node, role: Role) -> dict[str, Any]:
    """Ann in that role, signed in."""
    ann = await sign_in(node)
    await MongoRoles(house.store).grant(ann["user_id"], role, "test", house.clock.at)
    return await proven(house, node, await sign_in(node))


async def tried(node: Node, route: Route, token: str) -> tuple[int, str]:
    path = route.path.format(**dict.fromkeys(route.places, "019aad3e-7d1f-7c43-9d3a-5f0e8a1b2c4d"))
    headers = {"Authorization": f"Bearer {token}"}
    async with node.client.request(route.method, path, json={}, headers=headers) as response:
        body = await response.json(content_type=None) if response.content_length else {}
        return response.status, body.get("code", "")


# ── the first administrator ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_token_makes_one_administrator_whoever_is_quicker(
    house: House, node: Node, ann: dict[str, Any]
) -> None:
    token = await node.granting.first_token()
    assert token is not None
    _, bo = await node.post("/v1/auth/register", {**ANN, **BO})
    asked = [node.post(SETUP, {"token": token}, one["access_token"]) for one in (ann, bo)]
    statuses = [status for status, _ in await asyncio.gather(*asked)]
    assert sorted(statuses) == [204, 410]
    first = LOGIN if statuses[0] == 204 else BO
    assert (await node.get("/v1/auth/sessions", (ann, bo)[statuses.index(204)]["access_token"]))[0] == 401
    admin = await sign_in(node, first)
    assert admin["role"] == "admin"
    assert (await node.get(AUDIT, admin["access_token"]))[1]["code"] == "forbidden.factor"
    admin = await proven(house, node, admin)
    (line,) = (await node.get(AUDIT, admin["access_token"]))[1]["items"]
    assert (line["by"], line["whom"], line["before"], line["role"]) == ("set-up", admin["user_id"], "user", "admin")
    assert await node.granting.first_token() is None
    house.clock.at += timedelta(days=400)
    assert await node.granting.first_token() is None


async def test_of_nodes_that_start_together_one_prints_a_token_and_none_while_it_is_good(
    house: House, node: Node, ann: dict[str, Any]
) -> None:
    elsewhere = await house.node()
    tokens = await asyncio.gather(*(one.granting.first_token() for one in (node, elsewhere) * 3))
    (token,) = [token for token in tokens if token is not None]
    assert await node.granting.first_token() is None
    house.clock.at += timedelta(hours=24)
    late = await sign_in(node)
    assert (await node.post(SETUP, {"token": token}, late["access_token"]))[1]["code"] == "auth.token"
    again = await node.granting.first_token()
    assert again not in {None, token}
    await become(house, node, "admin")
    moderator = await sign_in(node)
    assert (await node.post(SETUP, {"token": again}, moderator["access_token"]))[1]["code"] == "auth.token"
    del ann


@pytest.mark.parametrize("guess", ["", "A" * 43])
async def test_whoever_guesses_or_is_nobody_becomes_nothing(node: Node, ann: dict[str, Any], guess: str) -> None:
    token = await node.granting.first_token()
    assert (await node.post(SETUP, {"token": guess}, ann["access_token"]))[1]["code"] == "auth.token"
    assert (await node.post(SETUP, {"token": token}))[0] == 401
    assert (await node.get(AUDIT, ann["access_token"]))[1]["code"] == "forbidden.role"


# ── what a role opens ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", get_args(Role))
async def test_every_route_opens_to_the_roles_it_says_and_to_no_other(
    house: House, node: Node, ann: dict[str, Any], role: Role
) -> None:
    asked = [route for route in ROUTES if route.role is not None]
    assert len(asked) >= 3
    bearer = await become(house, node, role)
    assert bearer["role"] == role
    for route in asked:
        status, code = await tried(node, route, bearer["access_token"])
        opened = route.role in INCLUDES[role]
        assert (status != 403) == opened, (route.name, code)
        assert opened or code == "forbidden.role", (route.name, code)
    del ann


# ── giving roles ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_whoever_gets_another_role_is_signed_out_on_every_node(
    house: House, node: Node, ann: dict[str, Any]
) -> None:
    admin = await become(house, node, "admin")
    elsewhere = await house.node()
    following = asyncio.create_task(elsewhere.bearers.follow(), name="follow")
    _, bo = await node.post("/v1/auth/register", {**ANN, **BO})
    closed = asyncio.Event()
    elsewhere.bearers.watch(bo["session_id"], closed.set)
    path = f"/v1/admin/users/{bo['user_id']}/role"
    assert (await node.put(path, {"role": "moderator"}, admin["access_token"]))[1]["code"] == "auth.fresh"
    await fresh(node, admin)
    assert (await node.put(path, {"role": "moderator"}, admin["access_token"]))[0] == 204
    async with asyncio.timeout(1):
        await closed.wait()
    assert (await refresh(elsewhere, bo["refresh_token"]))[1]["code"] == "auth.revoked"
    bo = await sign_in(elsewhere, BO)
    assert bo["role"] == "moderator"
    assert (await refresh(elsewhere, bo["refresh_token"]))[1]["role"] == "moderator"
    assert (await node.put(path, {"role": "user"}, admin["access_token"]))[0] == 204
    assert (await node.get("/v1/auth/sessions", bo["access_token"]))[1]["code"] == "auth.revoked"
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    del ann


async def test_a_grant_that_was_cut_short_is_done_by_the_next_try(
    house: House, node: Node, ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await become(house, node, "admin")
    await fresh(node, admin)
    _, bo = await node.post("/v1/auth/register", {**ANN, **BO})
    path = f"/v1/admin/users/{bo['user_id']}/role"

    async def away(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(MongoLoginSessions, "revoke_all", away)
        assert (await node.put(path, {"role": "moderator"}, admin["access_token"]))[0] == 503
    assert (await node.get("/v1/auth/sessions", bo["access_token"]))[0] == 200
    assert (await node.put(path, {"role": "moderator"}, admin["access_token"]))[0] == 204
    assert (await node.get("/v1/auth/sessions", bo["access_token"]))[1]["code"] == "auth.revoked"
    assert len((await node.get(AUDIT, admin["access_token"]))[1]["items"]) == 2
    del ann


async def test_every_grant_stands_in_the_audit_page_by_page(house: House, node: Node, ann: dict[str, Any]) -> None:
    admin = await become(house, node, "admin")
    await fresh(node, admin)
    _, bo = await node.post("/v1/auth/register", {**ANN, **BO})
    for role in ("moderator", "moderator", "admin", "user"):
        house.clock.at += timedelta(seconds=1)
        path = f"/v1/admin/users/{bo['user_id']}/role"
        assert (await node.put(path, {"role": role}, admin["access_token"]))[0] == 204
    lines, cursor = [], ""
    for _ in range(4):
        _, page = await node.get(f"{AUDIT}?limit=1{cursor}", admin["access_token"])
        lines += page["items"]
        cursor = f"&cursor={page['next_cursor']}"
    told = [(line["by"], line["whom"], line["before"], line["role"]) for line in lines]
    by, whom = admin["user_id"], bo["user_id"]
    assert told == [
        (by, whom, "admin", "user"),
        (by, whom, "moderator", "admin"),
        (by, whom, "user", "moderator"),
        ("test", ann["user_id"], "user", "admin"),
    ]


async def test_nobody_changes_their_own_role_or_that_of_nobody(house: House, node: Node, ann: dict[str, Any]) -> None:
    admin = await become(house, node, "admin")
    await fresh(node, admin)
    own, nobody = (f"/v1/admin/users/{one}/role" for one in (ann["user_id"], "019aad3e-7d1f-7c43-9d3a-5f0e8a1b2c4d"))
    assert (await node.put(own, {"role": "user"}, admin["access_token"]))[1]["code"] == "forbidden.own_role"
    assert (await node.put(nobody, {"role": "user"}, admin["access_token"]))[1]["code"] == "not_found"
    assert (await node.put(own, {"role": "root"}, admin["access_token"]))[1]["code"] == "invalid"
    assert (await node.get("/v1/auth/sessions", admin["access_token"]))[0] == 200


async def test_an_administrator_finds_an_account_as_a_program_does(
    house: House, node: Node, ann: dict[str, Any]
) -> None:
    admin = await become(house, node, "admin")
    _, found = await node.post("/v1/admin/users/find", {"email": ANN["email"]}, admin["access_token"])
    assert [account["user_id"] for account in found["items"]] == [ann["user_id"]]


async def test_the_command_line_gives_roles_and_shows_who_did(
    house: House, node: Node, mongo: ReplicaSet, ann: dict[str, Any]
) -> None:
    environment = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_MONGO_DATABASE": house.store.name,
        "LIFEBUDDY_MASTER_KEY": bytes(32).hex(),
    }

    async def run(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, roles, words, env=environment)
        return result.exit_code, result.output

    assert await run("grant", "ANN@example.org", "admin") == (0, "was user, is admin\n")
    assert (await refresh(node, ann["refresh_token"]))[1]["code"] == "auth.revoked"
    assert (await sign_in(node))["role"] == "admin"
    code, listed = await run("list")
    assert (code, f"{ann['user_id']}  user → admin  by command line" in listed) == (0, True)
    assert (await run("grant", "nobody@example.org", "admin"))[0] == 2
    assert (await run("grant", "ann@example.org", "root"))[0] == 2
