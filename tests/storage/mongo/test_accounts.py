"""Credentials and login sessions in a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from actors.ports import LoginSession, NewCredential
from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.accounts import (
    CREDENTIALS,
    LOGIN_SESSIONS,
    MongoAccounts,
    MongoLoginSessions,
    credential_of,
    credential_of_user,
    revoked_since,
    sessions_of,
)
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.mongo.queries import Query
from storage.mongo.schema import prepare
from storage.sealing import Sealing, Secrets, Unsealable
from tests.storage.mongo.cutting import cut_off

KEY = bytes(range(32))
AT = datetime(2026, 3, 8, 2, 30, tzinfo=UTC)
ANN = NewCredential("ann-id", "Ann@Example.org", "$argon2id$hash", "Ann CANARY", "Europe/Berlin", "de", AT)
DEVICE = LoginSession("s1", "ann-id", "CANARY phone", b"k" * 32, 1, 0, AT, AT)


@pytest_asyncio.fixture
async def store(mongo: ReplicaSet, database: str) -> AsyncIterator[Database]:
    async with connected(mongo.url, database=database) as opened:
        yield opened


@pytest.fixture
def accounts(store: Database) -> MongoAccounts:
    return MongoAccounts(store, Sealing(MongoKeys(store), {1: KEY}), Secrets(KEY))


@pytest.fixture
def sessions(store: Database) -> MongoLoginSessions:
    return MongoLoginSessions(store, Sealing(MongoKeys(store), {1: KEY}))


async def test_a_claimed_address_is_found_however_it_is_written(accounts: MongoAccounts) -> None:
    assert await accounts.claim(ANN)
    found = await accounts.by_mail("  ann@EXAMPLE.org ")
    assert found is not None
    assert (found.user_id, found.email, found.password_hash) == ("ann-id", "Ann@Example.org", "$argon2id$hash")
    assert (found.name, found.tz, found.language, found.opened) == ("Ann CANARY", "Europe/Berlin", "de", False)
    assert await accounts.by_mail("someone@example.org") is None


async def test_of_many_at_once_one_gets_the_address(accounts: MongoAccounts) -> None:
    claims = [NewCredential(f"user-{number}", "Ann@example.org", "h", "Ann", "UTC", "en", AT) for number in range(20)]
    assert sorted(await asyncio.gather(*map(accounts.claim, claims))) == [False] * 19 + [True]


async def test_claiming_again_for_the_same_user_is_no_conflict(accounts: MongoAccounts) -> None:
    assert await accounts.claim(ANN)
    assert await accounts.claim(ANN)


async def test_what_the_session_took_over_is_not_kept(accounts: MongoAccounts, store: Database) -> None:
    await accounts.claim(ANN)
    await accounts.opened("ann-id")
    found = await accounts.by_mail(ANN.email)
    assert found is not None
    assert (found.opened, found.name) == (True, "")
    (document,) = await store[CREDENTIALS].find().to_list()
    assert "person" not in document


async def test_only_an_unopened_claim_is_given_up(accounts: MongoAccounts) -> None:
    await accounts.claim(ANN)
    await accounts.unclaim("ann-id")
    assert await accounts.by_mail(ANN.email) is None
    await accounts.claim(ANN)
    await accounts.opened("ann-id")
    await accounts.unclaim("ann-id")
    assert await accounts.by_mail(ANN.email) is not None


async def test_a_new_hash_takes_the_place_of_the_old(accounts: MongoAccounts) -> None:
    await accounts.claim(ANN)
    await accounts.rehash("ann-id", "newer")
    await accounts.rehash("nobody", "newer")
    found = await accounts.by_mail(ANN.email)
    assert found is not None
    assert found.password_hash == "newer"


async def test_nothing_private_stands_in_the_database(
    accounts: MongoAccounts,
    sessions: MongoLoginSessions,
    store: Database,
) -> None:
    await accounts.claim(ANN)
    await sessions.add(DEVICE)
    seen = repr(await store[CREDENTIALS].find().to_list()) + repr(await store[LOGIN_SESSIONS].find().to_list())
    for secret in ("CANARY", "xample", "argon2", "Berlin", "kkkk"):
        assert secret not in seen


async def test_a_credential_moved_to_another_user_is_refused(accounts: MongoAccounts, store: Database) -> None:
    await accounts.claim(ANN)
    await store[CREDENTIALS].update_one({}, {"$set": {"user": "mallory"}})
    with pytest.raises(Unsealable):
        await accounts.by_mail(ANN.email)


async def test_a_login_session_comes_back_as_it_was(sessions: MongoLoginSessions) -> None:
    await sessions.add(DEVICE)
    assert await sessions.get("s1") == DEVICE
    assert await sessions.get("s2") is None


async def test_of_many_rotations_at_once_one_wins(sessions: MongoLoginSessions) -> None:
    await sessions.add(DEVICE)
    later = AT + timedelta(hours=1)
    won = await asyncio.gather(*(sessions.rotate("s1", 1, later) for _ in range(20)))
    assert sorted(won) == [False] * 19 + [True]
    found = await sessions.get("s1")
    assert found is not None
    assert (found.counter, found.rotated_at) == (2, later)


async def test_use_never_goes_back(sessions: MongoLoginSessions) -> None:
    await sessions.add(DEVICE)
    for generation in (3, 2):
        await sessions.use("s1", generation)
    found = await sessions.get("s1")
    assert found is not None
    assert found.used == 3


async def test_an_ended_session_does_not_rotate_and_ends_once(sessions: MongoLoginSessions) -> None:
    await sessions.add(DEVICE)
    assert await sessions.revoke("s1", AT)
    assert not await sessions.revoke("s1", AT + timedelta(hours=1))
    assert not await sessions.revoke("never was", AT)
    assert not await sessions.rotate("s1", 1, AT)
    found = await sessions.get("s1")
    assert found is not None
    assert found.revoked_at == AT


async def test_ending_all_of_a_user_leaves_others_alone(sessions: MongoLoginSessions) -> None:
    for number, user in enumerate(("ann", "ann", "ann", "bo")):
        await sessions.add(LoginSession(f"s{number}", user, "", b"k", 1, 0, AT + timedelta(days=number), AT))
    await sessions.revoke("s1", AT)
    assert [session.id for session in await sessions.list("ann")] == ["s2", "s0"]
    assert sorted(await sessions.revoke_all("ann", AT)) == ["s0", "s2"]
    assert await sessions.list("ann") == []
    assert [session.id for session in await sessions.list("bo")] == ["s3"]


async def test_other_nodes_learn_what_ended(sessions: MongoLoginSessions, store: Database) -> None:
    elsewhere = MongoLoginSessions(store, Sealing(MongoKeys(store), {1: KEY}))
    for number in range(3):
        await sessions.add(LoginSession(f"s{number}", "ann", "", b"k", 1, 0, AT, AT))
        await sessions.revoke(f"s{number}", AT + timedelta(minutes=number))
    assert await elsewhere.revoked(AT + timedelta(minutes=1)) == ["s1", "s2"]


@pytest.mark.parametrize(
    "query",
    [credential_of(b"x"), credential_of_user("u"), sessions_of("u"), revoked_since(AT)],
    ids=["credential", "credential of user", "sessions of user", "revoked"],
)
async def test_no_query_scans(store: Database, query: Query) -> None:
    await prepare(store)
    explained = await store[query.collection].find(query.filter, sort=query.sort or None).explain()
    plan = repr(explained["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in plan
    assert "'SORT'" not in plan
    assert query.index == "_id_" or f"'indexName': '{query.index}'" in plan


async def test_out_of_reach_says_that_a_claim_may_have_happened(accounts: MongoAccounts, mongo: ReplicaSet) -> None:
    await accounts._sealing.box("ann-id")
    async with cut_off(mongo, "insert"):
        with pytest.raises(Unavailable) as refused:
            await accounts.claim(ANN)
    assert refused.value.effect == "unknown"
    assert await accounts.claim(ANN)
