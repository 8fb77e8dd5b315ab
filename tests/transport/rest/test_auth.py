"""Signing in through the REST door, over a real MongoDB."""

import asyncio
import contextlib
import dataclasses
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry

from actors.commands import OpenAccount
from actors.domain.refusals import Invalid
from actors.runtime.envelope import Refused, TimedOut
from actors.runtime.ids import derived
from actors.runtime.journaled import Accepted, Order
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.accounts import CREDENTIALS, LOGIN_SESSIONS, MongoAccounts, MongoLoginSessions
from storage.mongo.connect import Database, connected
from storage.mongo.goals import MongoGoals
from storage.mongo.keys import MongoKeys
from storage.mongo.messages import MongoMessages
from storage.sealing import Sealing, Secrets
from tests.transport.signing import Clock, Keys, keys
from transport.identity import Bearers
from transport.passwords import Passwords, read_words
from transport.rest.app import app
from transport.rest.auth import routes
from transport.rest.doors import Doors
from transport.rest.readiness import Readiness
from transport.signin import SignIn
from transport.tokens import Tokens

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # requests are keyed by text here
WORDS = read_words((Path(__file__).parents[3] / "config/common_passwords.txt").read_text())
PASSWORD = "ein Pferd frisst Gurkensalat"
ANN = {"email": "ann@example.org", "password": PASSWORD, "name": "Ann", "tz": "Europe/Berlin", "language": "de"}
LOGIN = {"email": "ann@example.org", "password": PASSWORD}
Client = TestClient[web.Request, web.Application]


class Sessions:
    """Stands at the far end of the directory: takes first commands as a session does, or refuses them."""

    def __init__(self) -> None:
        self.opened: dict[str, OpenAccount] = {}
        self.refusing: list[Refused] = []
        self.orders: list[Order] = []

    def session(self, user_id: str) -> "Session":
        return Session(self, user_id)


class Session:
    def __init__(self, sessions: Sessions, user_id: str) -> None:
        self._sessions = sessions
        self._user_id = user_id

    def tell(self, message: Any) -> None:
        raise NotImplementedError

    async def ask(self, message: Any, *, timeout: float, trace: str | None = None) -> Any:  # noqa: ASYNC109 - the port's names
        assert isinstance(message, Order)
        self._sessions.orders.append(message)
        if self._sessions.refusing:
            raise self._sessions.refusing.pop(0)
        assert isinstance(message.command, OpenAccount)
        repeated = self._user_id in self._sessions.opened
        self._sessions.opened[self._user_id] = message.command
        return Accepted(1, {}, repeated)


@dataclasses.dataclass
class Node:
    """One node: a client of its REST door, and what stands behind it."""

    client: Client
    bearers: Bearers
    tokens: Tokens

    async def post(self, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.post(path, json=body, headers=headers) as response:
            return response.status, await response.json() if response.content_length else None

    async def get(self, path: str, token: str) -> tuple[int, Any]:
        async with self.client.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json()

    async def delete(self, path: str, token: str) -> tuple[int, Any]:
        async with self.client.delete(path, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json() if response.content_length else None


@dataclasses.dataclass
class House:
    """The nodes of a fleet over one store; `clock` is everybody's."""

    store: Database
    stack: contextlib.AsyncExitStack
    clock: Clock
    keys: Keys
    sessions: Sessions

    async def node(self) -> Node:
        sealing = Sealing(MongoKeys(self.store), {1: bytes(32)})
        secrets = Secrets(bytes(32))
        logins = MongoLoginSessions(self.store, sealing)
        tokens = Tokens(self.keys, issuer="lifebuddy", timers=self.clock)
        bearers = Bearers(tokens, logins, self.clock)
        signin = SignIn(
            accounts=MongoAccounts(self.store, sealing, secrets),
            logins=logins,
            sessions=self.sessions,
            tokens=tokens,
            bearers=bearers,
            passwords=await self.stack.enter_async_context(Passwords(words=WORDS)),
            timers=self.clock,
        )
        doors = Doors(
            sessions=self.sessions,
            identify=bearers.identify,
            goals=MongoGoals(self.store, sealing, secrets.digest),
            messages=MongoMessages(self.store, sealing),
            readiness=Readiness({}),
            registry=CollectorRegistry(),
            signin=routes(signin),
        )
        client: Client = await self.stack.enter_async_context(TestClient(TestServer(app(doors))))
        return Node(client, bearers, tokens)


@pytest_asyncio.fixture
async def house(mongo: ReplicaSet, database: str, stack: contextlib.AsyncExitStack) -> House:
    store = await stack.enter_async_context(connected(mongo.url, database=database))
    return House(store, stack, Clock(), keys(), Sessions())


@pytest_asyncio.fixture
async def node(house: House) -> Node:
    return await house.node()


@pytest_asyncio.fixture
async def ann(node: Node) -> dict[str, Any]:
    status, signed_in = await node.post("/v1/auth/register", ANN)
    assert status == 201
    return dict(signed_in)


async def refresh(node: Node, token: str) -> tuple[int, Any]:
    return await node.post("/v1/auth/refresh", {"refresh_token": token})


# ── registering and signing in ───────────────────────────────────────────────────────────────────────────────────


async def test_registering_opens_the_account_and_signs_in(node: Node, house: House, ann: dict[str, Any]) -> None:
    assert set(ann) == {"user_id", "session_id", "access_token", "expires_in", "refresh_token"}
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
        ({"email": "no address"}, "invalid", "email"),
        ({"email": "ann@example.org@example.org"}, "invalid", "email"),
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


# ── refreshing ───────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── signing out ──────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── what others may see ──────────────────────────────────────────────────────────────────────────────────────────


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
