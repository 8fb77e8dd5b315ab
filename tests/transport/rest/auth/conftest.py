"""Nodes whose REST door signs people in, over a real MongoDB and one clock for all."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from actors.commands import ChangeMail, OpenAccount
from actors.journal.journaled import Accepted, Order
from actors.runtime.envelope import Refused
from actors.runtime.owned import owned
from actors.runtime.tracing import Trace
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from storage.mongo.accounts import MongoAccounts, MongoLoginSessions
from storage.mongo.api_keys import MongoApiKeys
from storage.mongo.connect import Database, connected
from storage.mongo.factors import MongoFactors
from storage.mongo.goals import MongoGoals
from storage.mongo.keys import MongoKeys
from storage.mongo.mails import MongoMails
from storage.mongo.messages import MongoMessages
from storage.mongo.passkeys import MongoPasskeys
from storage.mongo.proofs import MongoProofs
from storage.mongo.roles import MongoRoles
from storage.redis.connect import connected as redis_connected
from storage.redis.counters import RedisCounters, counters
from storage.sealing import Sealing, Secrets
from tests.post_office import PostOffice, post_office
from tests.storage.redis.conftest import Reports
from tests.transport.scripted_session import ScriptedSessions, nobody
from tests.transport.signing import Clock, Keys, keys
from transport.contract.served import documents
from transport.identity import Bearers
from transport.limits import Gate, Limits
from transport.mailing import Mailing
from transport.passwords import Passwords, read_words
from transport.providers import sender as sending
from transport.providers.mail import Smtp, Templates
from transport.providers.sender import Sender
from transport.proving import Proving
from transport.rest.app import app
from transport.rest.doors import Doors
from transport.rest.readiness import Readiness
from transport.roles import Granting
from transport.service_keys import ServiceKeys
from transport.signed_in import Site
from transport.signin import SignIn
from transport.sockets.outbox import LocalOutbox
from transport.tickets import Tickets
from transport.tokens import Tokens

WORDS = read_words((Path(__file__).parents[4] / "config/common_passwords.txt").read_text())
PASSWORD = "ein Pferd frisst Gurkensalat"
ANN = {"email": "ann@example.org", "password": PASSWORD, "name": "Ann", "tz": "Europe/Berlin", "language": "de"}
LOGIN = {"email": "ann@example.org", "password": PASSWORD}
Client = TestClient[web.Request, web.Application]


class Sessions:
    """Stands at the far end of the directory: takes first commands as a session does, or refuses them."""

    def __init__(self) -> None:
        self.opened: dict[str, OpenAccount] = {}
        self.moved: dict[str, str] = {}
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

    async def ask(self, message: Any, *, timeout: float, trace: Trace | None = None) -> Any:  # noqa: ASYNC109 - the port's names
        assert isinstance(message, Order)
        self._sessions.orders.append(message)
        if self._sessions.refusing:
            raise self._sessions.refusing.pop(0)
        if isinstance(message.command, ChangeMail):
            self._sessions.moved[self._user_id] = message.command.email
            return Accepted(2, {}, repeated=False)
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
    tickets: Tickets
    granting: Granting

    async def post(self, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.post(path, json=body, headers=headers) as response:
            return response.status, await response.json() if response.content_length else None

    async def get(self, path: str, token: str) -> tuple[int, Any]:
        async with self.client.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json()

    async def put(self, path: str, body: Any, token: str) -> tuple[int, Any]:
        async with self.client.put(path, json=body, headers={"Authorization": f"Bearer {token}"}) as response:
            return response.status, await response.json() if response.content_length else None

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
    redis_url: str
    limits: Limits = dataclasses.field(default_factory=lambda: Limits().scaled(1_000))
    verification: bool = False

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
            roles=MongoRoles(self.store),
            factors=MongoFactors(self.store, sealing),
            passkeys=MongoPasskeys(self.store, sealing),
            site=Site("app.example", ("https://app.example", "https://buddy.app.example")),
            proving=self._proving(sealing, secrets),
            verification=self.verification,
            passwords=await self.stack.enter_async_context(Passwords(words=WORDS)),
            timers=self.clock,
        )
        doors = Doors(
            sessions=self.sessions,
            identify=bearers.identify,
            goals=await self.stack.enter_async_context(MongoGoals(self.store, sealing, secrets.digest)),
            presences=nobody(ScriptedSessions(LocalOutbox())),
            messages=MongoMessages(self.store, sealing),
            readiness=Readiness({}),
            registry=CollectorRegistry(),
            documents=documents,
            signin=signin,
            keys=ServiceKeys(MongoApiKeys(self.store, sealing), self.clock),
            gate=Gate(await self._counters(), self.limits),
            trusted_proxies=(ip_network("127.0.0.0/8"),),
        )
        client: Client = await self.stack.enter_async_context(TestClient(TestServer(app(doors))))
        return Node(client, bearers, tokens, Tickets(signin.proving, bearers), Granting(signin))

    def _proving(self, sealing: Sealing, secrets: Secrets) -> Proving:
        mailing = Mailing(MongoMails(self.store, sealing), self.clock, "https://app.example", on=True)
        return Proving(MongoProofs(self.store, sealing, secrets), mailing, self.clock)

    async def _counters(self) -> RedisCounters:
        redis = await self.stack.enter_async_context(redis_connected(self.redis_url, _nobody_told))
        return await self.stack.enter_async_context(
            counters(redis, Secrets(bytes(32)).digest, _nobody_told, time_limit=5.0)
        )


@pytest_asyncio.fixture
async def house(mongo: ReplicaSet, valkey: Valkey, database: str, stack: contextlib.AsyncExitStack) -> House:
    store = await stack.enter_async_context(connected(mongo.url, database=database))
    return House(store, stack, Clock(), keys(), Sessions(), valkey.url)


def _nobody_told(event: str, fields: dict[str, Any]) -> None:
    """Redis may be away: what is promised then is tested elsewhere."""


@pytest_asyncio.fixture
async def office(
    house: House, stack: contextlib.AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostOffice]:
    """What the house mails arrives here."""
    monkeypatch.setattr(sending, "POLL", 0.02)
    opened = await stack.enter_async_context(post_office())
    mails = MongoMails(house.store, Sealing(MongoKeys(house.store), {1: bytes(32)}))
    templates = Templates(Path(__file__).parents[4] / "config" / "mails")
    mailing = Mailing(mails, house.clock, "", on=True)
    sender = Sender(mailing, Smtp(opened.url), templates, "LifeBuddy <buddy@example.org>")
    await stack.enter_async_context(owned(sender.run(), "sender", Reports()))
    yield opened


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
