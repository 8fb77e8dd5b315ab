"""Registering and signing in: who gets in, who does not, and what others may see of it."""

import asyncio
import time
from typing import Any

import pytest
from argon2 import PasswordHasher

from actors.commands import OpenAccount
from actors.domain.refusals import Invalid
from actors.runtime.envelope import TimedOut
from actors.runtime.ids import derived
from storage.mongo.accounts import CREDENTIALS, MongoAccounts
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing, Secrets
from tests.transport.rest.auth.conftest import ANN, LOGIN, PASSWORD, House, Node
from transport.mail_addresses import check_address

NO_ADDRESS = (
    "no address", "ann@example.org@example.org", "<ann@example.org>", "Ann <ann@example.org>", "ann@example.org,bo@example.org",
    "ann@example.org;", "mailto:ann@example.org", '"ann"@example.org', "ann(home)@example.org", "ann@[127.0.0.1]",
    "ann@example.org>", ".ann@example.org", "ann.@example.org", "a..b@example.org", "ann@example..org", "ann@-example.org",
    "ann@example.org.", "ann@", "@example.org", " ann@example.org", "ann@example.org\r\nBcc: bo@example.org", f"{'a' * 65}@b.org",
)  # fmt: skip


async def test_registering_opens_the_account_and_signs_in(node: Node, house: House, ann: dict[str, Any]) -> None:
    assert set(ann) == {"user_id", "session_id", "access_token", "expires_in", "refresh_token", "role"}
    assert ann["expires_in"] == 600
    user_id = ann["user_id"]
    assert house.sessions.opened == {user_id: OpenAccount(user_id, "ann@example.org", "Ann", "Europe/Berlin", "de")}
    (order,) = house.sessions.orders
    assert (order.by, order.cid) == (user_id, derived(user_id, "account.open"))
    status, devices = await node.get("/v1/auth/sessions", ann["access_token"])
    assert status == 200
    assert [device["id"] for device in devices["items"]] == [ann["session_id"]]


async def test_logging_in_needs_the_password_and_finds_the_address_however_it_is_written(
    node: Node,
    ann: dict[str, Any],
) -> None:
    status, signed_in = await node.post("/v1/auth/login", {"email": " ANN@Example.ORG", "password": PASSWORD})
    assert status == 200
    assert signed_in["user_id"] == ann["user_id"]
    assert signed_in["session_id"] != ann["session_id"]


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(node: Node, ann: dict[str, Any]) -> None:
    del ann
    wrong = await node.post("/v1/auth/login", {"email": "ann@example.org", "password": "something else"})
    unknown = await node.post("/v1/auth/login", {"email": "bo@example.org", "password": "something else"})
    assert wrong[1].pop("trace_id") != unknown[1].pop("trace_id")
    assert wrong == unknown
    assert (wrong[0], wrong[1]["code"]) == (401, "auth.credentials")


async def test_a_wrong_password_and_an_unknown_address_take_as_long(node: Node, ann: dict[str, Any]) -> None:
    del ann

    async def spent(email: str) -> tuple[float, float]:
        began = time.process_time(), time.monotonic()
        await node.post("/v1/auth/login", {"email": email, "password": "something else"})
        return time.process_time() - began[0], time.monotonic() - began[1]

    pairs = [(await spent("ann@example.org"), await spent("bo@example.org")) for _ in range(8)]
    known, unknown = (min(work for work, _ in answers) for answers in zip(*pairs, strict=True))
    assert max(known, unknown) < 2 * min(known, unknown)
    assert min(took for pair in pairs for _, took in pair) >= 0.05


async def test_an_address_belongs_to_one_account_even_when_many_want_it_at_once(node: Node, house: House) -> None:
    answers = await asyncio.gather(*(node.post("/v1/auth/register", {**ANN, "name": f"Ann {n}"}) for n in range(6)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 5
    assert {body["code"] for status, body in answers if status == 409} == {"auth.mail_taken"}
    assert len(house.sessions.opened) == 1


async def test_what_is_wrong_with_a_registration_is_said_and_nothing_is_kept(node: Node, house: House) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"password": "Password123!"}, "auth.password", "password"),
        ({"password": "short"}, "auth.password", "password"),
        ({"password": "ann@example.org"}, "auth.password", "password"),
        *(({"email": wrong}, "invalid.email", "email") for wrong in NO_ADDRESS),
        ({"email": {"$ne": ""}}, "invalid", "email"),
        ({"tz": "Mars/Olympus"}, "invalid", "tz"),
        ({"name": "  "}, "invalid", "name"),
        ({"admin": True}, "invalid", "admin"),
    ]
    for wrong, code, field in cases:
        status, body = await node.post("/v1/auth/register", {**ANN, **wrong})
        assert (status in {400, 422}, body["code"], list(body["fields"])) == (True, code, [field])
    assert await house.store[CREDENTIALS].count_documents({}) == 0
    assert house.sessions.opened == {}


async def test_an_account_that_could_not_be_opened_is_opened_by_the_next_login(node: Node, house: House) -> None:
    house.sessions.refusing = [TimedOut(effect="unknown")]
    status, _ = await node.post("/v1/auth/register", ANN)
    assert status == 504
    assert house.sessions.opened == {}
    status, signed_in = await node.post("/v1/auth/login", LOGIN)
    assert status == 200
    assert house.sessions.opened[signed_in["user_id"]].name == "Ann"
    assert len({order.cid for order in house.sessions.orders}) == 1
    await node.post("/v1/auth/login", LOGIN)
    assert len(house.sessions.orders) == 2


async def test_an_account_refused_for_good_leaves_the_address_free(node: Node, house: House) -> None:
    house.sessions.refusing = [Invalid(fields={"name": "is not accepted"})]
    assert (await node.post("/v1/auth/register", ANN))[0] == 400
    assert (await node.post("/v1/auth/register", ANN))[0] == 201


async def test_an_outdated_hash_is_replaced_by_the_login(node: Node, house: House, ann: dict[str, Any]) -> None:
    sealing = Sealing(MongoKeys(house.store), {1: bytes(32)})
    accounts = MongoAccounts(house.store, sealing, Secrets(bytes(32)))
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await accounts.rehash(ann["user_id"], weak)
    assert (await node.post("/v1/auth/login", LOGIN))[0] == 200
    credential = await accounts.by_mail(ANN["email"])
    assert credential is not None
    assert "m=19456,t=2,p=1" in credential.password_hash
    assert (await node.post("/v1/auth/login", LOGIN))[0] == 200


async def test_public_keys_are_public_and_tokens_are_not_to_be_kept_by_caches(node: Node) -> None:
    async with node.client.get("/.well-known/jwks.json") as response:
        assert response.status == 200
        assert [key["kid"] for key in (await response.json())["keys"]] == ["k1"]
        assert "public" in response.headers["Cache-Control"]
    async with node.client.post("/v1/auth/register", json=ANN) as response:
        assert response.headers["Cache-Control"] == "no-store"


async def test_nothing_private_stands_in_the_database(node: Node, house: House, ann: dict[str, Any]) -> None:
    await node.post("/v1/auth/login", LOGIN)
    seen = repr([await house.store[name].find().to_list() for name in await house.store.list_collection_names()])
    for secret in ("ann@", "xample.org", "argon2", "Gurkensalat", "Berlin", ann["refresh_token"].rpartition(".")[2]):
        assert secret not in seen


@pytest.mark.parametrize(
    "email",
    ["a@b", "ann+coach@mail.example.org", "o'neill@xn--bcher-kva.example", "zoë@bücher.example", "用户@例子.公司"],
)
def test_a_plain_address_in_any_script_is_one(email: str) -> None:
    check_address(email)
