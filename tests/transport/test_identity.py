"""Who a bearer is, and that a revoked login session ends everywhere within a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from actors.domain.refusals import Revoked, Unauthenticated
from actors.ports import LoginSession
from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.accounts import MongoLoginSessions
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing
from tests.storage.mongo.cutting import cut_off
from tests.transport.signing import Clock, Counted, keys
from transport.identity import Bearers
from transport.tokens import Tokens

ANN = "018f0000-0000-7000-8000-000000000001"
BO = "018f0000-0000-7000-8000-000000000002"
DEVICE = "018f0000-0000-7000-8000-0000000000aa"


@pytest_asyncio.fixture
async def store(mongo: ReplicaSet, database: str) -> AsyncIterator[Database]:
    async with connected(mongo.url, database=database) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(keys(), issuer="lifebuddy", timers=clock)


@pytest_asyncio.fixture
async def logins(store: Database, clock: Clock) -> Counted:
    counted = Counted(MongoLoginSessions(store, Sealing(MongoKeys(store), {1: bytes(32)})))
    await counted.add(LoginSession(DEVICE, ANN, "phone", b"k" * 32, 1, 0, clock.at, clock.at))
    return counted


@pytest.fixture
def bearers(tokens: Tokens, logins: Counted, clock: Clock) -> Bearers:
    return Bearers(tokens, logins, clock)


@asynccontextmanager
async def following(bearers: Bearers) -> AsyncIterator[None]:
    task = asyncio.create_task(bearers.follow(), name="follow")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_bearer_is_known_and_looked_up_once_in_a_while(
    bearers: Bearers,
    tokens: Tokens,
    logins: Counted,
) -> None:
    token = tokens.issue(ANN, DEVICE, 1)
    for _ in range(20):
        identity = await bearers.identify(token)
    assert (identity.user_id, identity.session_id, identity.generation) == (ANN, DEVICE, 1)
    assert logins.calls == {"get": 1, "use": 1}
    await asyncio.sleep(0.55)
    await bearers.identify(token)
    assert logins.calls == {"get": 2, "use": 1}


async def test_each_generation_is_marked_as_used_once(bearers: Bearers, tokens: Tokens, logins: Counted) -> None:
    for generation in (1, 2, 1, 2):
        await bearers.identify(tokens.issue(ANN, DEVICE, generation))
    assert logins.calls["use"] == 2
    session = await logins.get(DEVICE)
    assert session is not None
    assert session.used == 2


async def test_tokens_without_a_living_session_of_that_user_are_refused(
    bearers: Bearers,
    tokens: Tokens,
    logins: Counted,
    clock: Clock,
) -> None:
    with pytest.raises(Unauthenticated):
        await bearers.identify("a.b.c")
    with pytest.raises(Revoked):
        await bearers.identify(tokens.issue(ANN, BO, 1))
    with pytest.raises(Revoked):
        await bearers.identify(tokens.issue(BO, DEVICE, 1))


@pytest.mark.parametrize(("later", "lives"), [(29, True), (30, False)])
async def test_a_session_left_idle_ends(
    bearers: Bearers,
    tokens: Tokens,
    clock: Clock,
    later: int,
    lives: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    clock.at += timedelta(days=later)
    token = tokens.issue(ANN, DEVICE, 1)
    if lives:
        await bearers.identify(token)
    else:
        with pytest.raises(Revoked):
            await bearers.identify(token)


async def test_a_session_in_use_ends_after_90_days_all_the_same(
    bearers: Bearers,
    tokens: Tokens,
    logins: Counted,
    clock: Clock,
) -> None:
    for generation in range(1, 4):
        clock.at += timedelta(days=29)
        await logins.rotate(DEVICE, generation, clock.at)
    assert await bearers.identify(tokens.issue(ANN, DEVICE, 4))
    clock.at += timedelta(days=4)
    await asyncio.sleep(0.55)
    with pytest.raises(Revoked):
        await bearers.identify(tokens.issue(ANN, DEVICE, 4))


async def test_a_revocation_here_is_told_at_once_and_only_to_its_watchers(bearers: Bearers, tokens: Tokens) -> None:
    told: list[str] = []
    bearers.watch(DEVICE, lambda: told.append("first"))
    gone = bearers.watch(DEVICE, lambda: told.append("gone"))
    bearers.watch(BO, lambda: told.append("another session"))
    token = tokens.issue(ANN, DEVICE, 1)
    await bearers.identify(token)
    gone()
    bearers.revoked(DEVICE)
    assert told == ["first"]
    with pytest.raises(Revoked):
        await bearers.identify(token)
    bearers.watch(DEVICE, lambda: told.append("too late"))
    assert told == ["first", "too late"]
    gone()
    bearers.revoked(DEVICE)
    assert told == ["first", "too late"]


async def test_a_revocation_on_another_node_is_known_within_a_second(
    bearers: Bearers,
    tokens: Tokens,
    logins: Counted,
    clock: Clock,
) -> None:
    closed = asyncio.Event()
    bearers.watch(DEVICE, closed.set)
    token = tokens.issue(ANN, DEVICE, 1)
    await bearers.identify(token)
    async with following(bearers):
        await asyncio.sleep(0.1)
        await logins.revoke(DEVICE, clock.at - timedelta(seconds=5))  # the other node's clock is behind
        async with asyncio.timeout(1):
            await closed.wait()
        with pytest.raises(Revoked):
            await bearers.identify(token)


async def test_a_store_out_of_reach_is_asked_again(bearers: Bearers, logins: Counted, clock: Clock) -> None:
    closed = asyncio.Event()
    bearers.watch(DEVICE, closed.set)
    logins.unavailable = 1
    await logins.revoke(DEVICE, clock.at)
    async with following(bearers), asyncio.timeout(2):
        await closed.wait()


async def test_a_revocation_during_a_look_up_wins(bearers: Bearers, tokens: Tokens, logins: Counted) -> None:
    logins.during_get = lambda: bearers.revoked(DEVICE)
    with pytest.raises(Revoked):
        await bearers.identify(tokens.issue(ANN, DEVICE, 1))


async def test_memories_are_bounded(tokens: Tokens, logins: Counted, clock: Clock) -> None:
    bearers = Bearers(tokens, logins, clock, remembered=5)
    for number in range(20):
        bearers.revoked(f"session-{number}")
        bearers.watch("other", lambda: None)()
    assert len(bearers._revoked) == 5
    assert not bearers._watching


async def test_while_the_store_is_away_bearers_are_told_at_once(
    mongo: ReplicaSet, bearers: Bearers, tokens: Tokens, logins: Counted
) -> None:
    token, loop = tokens.issue(ANN, DEVICE, 1), asyncio.get_running_loop()
    async with following(bearers):
        async with cut_off(mongo, "find"):
            began = loop.time()
            with pytest.raises(Unavailable):
                await bearers.identify(token)
            assert loop.time() - began < 3
            await asyncio.sleep(1)
            looked, began = logins.calls["get"], loop.time()
            with pytest.raises(Unavailable):
                await bearers.identify(token)
            assert loop.time() - began < 0.2
            assert logins.calls["get"] == looked
        async with asyncio.timeout(5):
            while bearers._away:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        assert (await bearers.identify(token)).user_id == ANN
