"""Getting back in by a letter, and changing the way in: once, in time, and alike whoever asks."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest_asyncio

from actors.runtime.envelope import TimedOut
from storage.mongo.accounts import CREDENTIALS
from storage.mongo.mails import MAILS
from storage.mongo.proofs import PROOFS
from tests.post_office import PostOffice
from tests.transport.rest.auth.conftest import ANN, LOGIN, PASSWORD, House, Node, refresh
from transport.limits import Limits

MAIL = "ann@example.org"
NEW = "ein Esel trinkt Kamillentee"
CONFIRM, FORGOTTEN, NEXT, TAKEN = (
    "bestätige deine Mailadresse",
    "neues Passwort",
    "neue Mailadresse",
    "You already have an account",
)


@pytest_asyncio.fixture
async def strict(house: House) -> Node:
    """A node that lets nobody in whose address is not confirmed."""
    house.verification = True
    return await house.node()


async def forgot(node: Node, email: str = MAIL) -> None:
    assert await node.post("/v1/auth/password/forgot", {"email": email}) == (202, {"letter": "on_its_way"})


async def login(node: Node, password: str, email: str = MAIL) -> tuple[int, Any]:
    return await node.post("/v1/auth/login", {"email": email, "password": password})


# ── confirming an address ────────────────────────────────────────────────────────────────────────────────────────


async def test_registering_sends_a_letter_and_its_token_confirms_the_address_once(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    token = await office.token(MAIL, CONFIRM)
    assert "confirmed_at" not in (await house.store[CREDENTIALS].find().to_list())[0]
    assert (await node.post("/v1/auth/email/verify", {"token": token}))[0] == 204
    assert "confirmed_at" in (await house.store[CREDENTIALS].find().to_list())[0]
    status, problem = await node.post("/v1/auth/email/verify", {"token": token})
    assert (status, problem["code"]) == (410, "auth.token")
    assert (await node.get("/v1/auth/sessions", ann["access_token"]))[0] == 200


async def test_with_verification_there_is_no_account_before_the_token_comes_back(
    strict: Node, house: House, office: PostOffice
) -> None:
    assert await strict.post("/v1/auth/register", ANN) == (202, {"letter": "on_its_way"})
    assert (await login(strict, PASSWORD))[1]["code"] == "auth.credentials"
    assert await house.store[CREDENTIALS].count_documents({}) == 0
    assert (await strict.post("/v1/auth/email/verify", {"token": await office.token(MAIL, CONFIRM)}))[0] == 204
    status, signed_in = await login(strict, PASSWORD)
    assert status == 200
    assert house.sessions.opened[signed_in["user_id"]].name == "Ann"


async def test_whoever_registers_an_address_of_another_first_has_not_set_its_password(
    strict: Node, office: PostOffice
) -> None:
    await strict.post("/v1/auth/register", {**ANN, "password": "the attacker's own sentence"})
    void = await office.token(MAIL, CONFIRM)
    office.taken.clear()
    await strict.post("/v1/auth/register", ANN)
    token = await office.token(MAIL, CONFIRM)
    assert (await strict.post("/v1/auth/email/verify", {"token": void}))[0] == 410
    assert (await strict.post("/v1/auth/email/verify", {"token": token}))[0] == 204
    assert (await login(strict, "the attacker's own sentence"))[0] == 401
    assert (await login(strict, PASSWORD))[0] == 200


async def test_with_verification_registering_tells_nobody_whether_there_is_an_account(
    node: Node, strict: Node, office: PostOffice, ann: dict[str, Any]
) -> None:
    del node, ann

    async def ask(email: str) -> tuple[float, float, Any, Any]:
        wall, work = time.monotonic(), time.process_time()
        async with strict.client.post("/v1/auth/register", json={**ANN, "email": email, "language": "en"}) as answer:
            body = await answer.json()
        named = {
            name: answer.headers[name] for name in answer.headers if name not in {"X-Trace-Id", "Date", "RateLimit"}
        }
        return time.monotonic() - wall, time.process_time() - work, (answer.status, body), named

    pairs = [(await ask(MAIL), await ask(f"stranger{n}@example.org")) for n in range(3)]
    for known, unknown in pairs:
        assert known[2:] == unknown[2:]
        assert known[2] == (202, {"letter": "on_its_way"})
        assert known[0] >= 0.25 <= unknown[0]
    known_took, unknown_took = (min(one[1] for one in side) for side in zip(*pairs, strict=True))
    assert max(known_took, unknown_took) < 2 * min(known_took, unknown_took)
    assert (await login(strict, PASSWORD))[0] == 200, "the password of an account is not changed by registering"
    await office.letter(MAIL, "schon ein Konto")


async def resend(node: Node, email: str = MAIL) -> None:
    assert await node.post("/v1/auth/email/resend", {"email": email}) == (202, {"letter": "on_its_way"})


async def test_a_lost_letter_is_sent_once_more_and_only_the_newest_token_is_good(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    del ann
    lost = await office.token(MAIL, CONFIRM)
    office.taken.clear()
    await resend(node, "ANN@example.org")
    token = await office.token(MAIL, CONFIRM)
    assert (await node.post("/v1/auth/email/verify", {"token": lost}))[0] == 410
    assert (await node.post("/v1/auth/email/verify", {"token": token}))[0] == 204
    office.taken.clear()
    await resend(node)  # there is nothing to confirm any more
    await resend(node, "nobody@example.org")
    await asyncio.sleep(0.1)
    assert office.taken == []
    assert await house.store[MAILS].count_documents({}) == 2


async def test_with_verification_a_newcomer_gets_the_letter_once_more_with_all_they_said(
    strict: Node, house: House, office: PostOffice
) -> None:
    await strict.post("/v1/auth/register", ANN)
    lost = await office.token(MAIL, CONFIRM)
    office.taken.clear()
    house.clock.at += timedelta(minutes=20)
    await resend(strict)
    token = await office.token(MAIL, CONFIRM)
    house.clock.at += timedelta(minutes=20)
    assert (await strict.post("/v1/auth/email/verify", {"token": lost}))[0] == 410
    assert (await strict.post("/v1/auth/email/verify", {"token": token}))[0] == 204
    status, signed_in = await login(strict, PASSWORD)
    assert (status, house.sessions.opened[signed_in["user_id"]].tz) == (200, "Europe/Berlin")


async def test_nobody_can_have_letters_sent_without_end(house: House, office: PostOffice, ann: dict[str, Any]) -> None:
    del ann
    await office.token(MAIL, CONFIRM)
    house.limits = Limits(login=house.limits.login)
    node = await house.node()
    for _ in range(3):
        await resend(node)
    await asyncio.sleep(0.1)
    assert len([subject for subject in office.to(MAIL) if CONFIRM in subject]) == 2


# ── forgotten passwords ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_forgotten_password_is_replaced_once_and_every_device_is_signed_out(
    house: House, node: Node, office: PostOffice, ann: dict[str, Any]
) -> None:
    elsewhere = await house.node()
    following = asyncio.create_task(elsewhere.bearers.follow(), name="follow")
    closed = asyncio.Event()
    elsewhere.bearers.watch(ann["session_id"], closed.set)
    await forgot(node)
    token = await office.token(MAIL, FORGOTTEN)
    assert (await node.post("/v1/auth/password/reset", {"token": token, "password": "short"}))[0] == 422
    assert (await node.post("/v1/auth/password/reset", {"token": token, "password": NEW}))[0] == 204
    async with asyncio.timeout(1):
        await closed.wait()
    assert (await node.get("/v1/auth/sessions", ann["access_token"]))[1]["code"] == "auth.revoked"
    assert (await refresh(node, ann["refresh_token"]))[1]["code"] == "auth.revoked"
    assert (await login(node, PASSWORD))[0] == 401
    assert (await login(node, NEW))[0] == 200
    assert (await node.post("/v1/auth/password/reset", {"token": token, "password": PASSWORD}))[1][
        "code"
    ] == "auth.token"
    assert "Geräte wurden abgemeldet" in await office.letter(MAIL, "Passwort wurde geändert")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_of_many_who_present_a_token_at_once_one_is_let_through(
    house: House, node: Node, office: PostOffice, ann: dict[str, Any]
) -> None:
    del ann
    other = await house.node()
    await forgot(node)
    body = {"token": await office.token(MAIL, FORGOTTEN)}
    answers = await asyncio.gather(
        *((node, other)[n % 2].post("/v1/auth/password/reset", {**body, "password": f"{NEW} {n}"}) for n in range(6))
    )
    assert sorted(status for status, _ in answers) == [204] + [410] * 5
    winner = next(n for n, (status, _) in enumerate(answers) if status == 204)
    assert (await login(node, f"{NEW} {winner}"))[0] == 200


async def test_a_token_is_good_for_half_an_hour_for_its_own_purpose_until_the_next(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    del ann
    await forgot(node)
    first = await office.token(MAIL, FORGOTTEN)
    office.taken.clear()
    await forgot(node)
    second = await office.token(MAIL, FORGOTTEN)
    assert (await node.post("/v1/auth/email/verify", {"token": second}))[0] == 410
    assert (await node.post("/v1/auth/password/reset", {"token": first, "password": NEW}))[0] == 410
    house.clock.at += timedelta(minutes=30)
    assert (await node.post("/v1/auth/password/reset", {"token": second, "password": NEW}))[0] == 410
    for made_up in ("", "x" * 43, "x" * 100):
        assert (await node.post("/v1/auth/password/reset", {"token": made_up, "password": NEW}))[0] == 410
    assert (await login(node, PASSWORD))[0] == 200


async def test_asking_for_a_password_tells_nobody_whether_there_is_an_account(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    del ann

    async def took(email: str) -> float:
        began = time.monotonic()
        await forgot(node, email)
        return time.monotonic() - began

    pairs = [(await took(MAIL), await took("nobody@example.org")) for _ in range(2)]
    known, unknown = (min(side) for side in zip(*pairs, strict=True))
    assert min(known, unknown) >= 0.25
    assert max(known, unknown) < 2 * min(known, unknown)
    await office.token(MAIL, FORGOTTEN)
    assert await house.store[MAILS].count_documents({}) == 3


async def test_nobody_can_flood_another_with_letters(house: House, office: PostOffice, ann: dict[str, Any]) -> None:
    del ann
    house.limits = Limits().scaled(1_000)
    house.limits = Limits(login=house.limits.login)
    node = await house.node()
    for _ in range(3):
        await forgot(node)
    await office.token(MAIL, FORGOTTEN)
    await asyncio.sleep(0.1)
    assert len([subject for subject in office.to(MAIL) if FORGOTTEN in subject]) == 1


# ── changing the way in ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_password_is_changed_by_whoever_knows_it_and_other_devices_end(
    node: Node, office: PostOffice, ann: dict[str, Any]
) -> None:
    _, other = await node.post("/v1/auth/login", LOGIN)
    change, token = "/v1/auth/password/change", ann["access_token"]
    assert (await node.post(change, {"password": NEW}, token))[1]["code"] == "auth.fresh"
    wrong = {"password": NEW, "current_password": "something else"}
    assert (await node.post(change, wrong, token))[1]["code"] == "auth.credentials"
    assert (await node.post(change, {"password": NEW, "current_password": PASSWORD}, token))[0] == 204
    assert (await node.get("/v1/auth/sessions", token))[0] == 200
    assert (await node.get("/v1/auth/sessions", other["access_token"]))[1]["code"] == "auth.revoked"
    assert (await login(node, NEW))[0] == 200
    await office.letter(MAIL, "Passwort wurde geändert")


async def test_who_proved_it_once_more_may_do_that_one_thing_on_that_device_for_five_minutes(
    node: Node, house: House, ann: dict[str, Any]
) -> None:
    _, other = await node.post("/v1/auth/login", LOGIN)
    change, token = "/v1/auth/password/change", ann["access_token"]
    assert (await node.post("/v1/auth/reauth", {"password": "wrong one", "scope": "password"}, token))[0] == 401
    assert (await node.post("/v1/auth/reauth", {"password": PASSWORD, "scope": "email"}, token))[0] == 204
    assert (await node.post(change, {"password": NEW}, token))[1]["code"] == "auth.fresh"
    assert (await node.post("/v1/auth/reauth", {"password": PASSWORD, "scope": "password"}, token))[0] == 204
    assert (await node.post(change, {"password": NEW}, other["access_token"]))[1]["code"] == "auth.fresh"
    house.clock.at += timedelta(minutes=5)
    assert (await node.post(change, {"password": NEW}, token))[1]["code"] == "auth.fresh"
    house.clock.at -= timedelta(seconds=1)
    assert (await node.post(change, {"password": NEW}, token))[0] == 204


async def test_another_address_takes_effect_when_it_is_confirmed_from_there_and_the_old_one_is_told(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    asked = {"email": "ann@new.example", "current_password": PASSWORD}
    status, body = await node.post("/v1/auth/email/change", asked, ann["access_token"])
    assert (status, body) == (202, {"letter": "on_its_way"})
    await office.letter(MAIL, "andere Mailadresse")
    assert (await login(node, PASSWORD, "ann@new.example"))[0] == 401
    token = await office.token("ann@new.example", NEXT)
    house.sessions.refusing = [TimedOut(effect="unknown")]
    assert (await node.post("/v1/auth/email/verify", {"token": token}))[0] == 504
    assert (await login(node, PASSWORD))[0] == 401
    assert (await login(node, PASSWORD, "Ann@New.example"))[0] == 200
    assert house.sessions.moved == {ann["user_id"]: "ann@new.example"}, "the next login told the session"
    assert (await login(node, PASSWORD, "ann@new.example"))[0] == 200
    assert (await node.post("/v1/auth/register", {**ANN, "email": MAIL}))[0] == 201, "the old address is free"


async def test_an_address_of_another_can_not_be_taken_and_the_answer_does_not_say_so(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    await node.post("/v1/auth/register", {**ANN, "email": "bo@example.org", "name": "Bo", "language": "en"})
    asked = {"email": "bo@example.org", "current_password": PASSWORD}
    status, body = await node.post("/v1/auth/email/change", asked, ann["access_token"])
    assert (status, body) == (202, {"letter": "on_its_way"})
    await office.letter("bo@example.org", TAKEN)
    assert await house.store[PROOFS].count_documents({"_id": {"$regex": "^email/"}}) == 0


async def test_an_address_taken_meanwhile_is_not_moved_to(node: Node, office: PostOffice, ann: dict[str, Any]) -> None:
    asked = {"email": "bo@example.org", "current_password": PASSWORD}
    await node.post("/v1/auth/email/change", asked, ann["access_token"])
    token = await office.token("bo@example.org", NEXT)
    await node.post("/v1/auth/register", {**ANN, "email": "bo@example.org", "name": "Bo"})
    assert (await node.post("/v1/auth/email/verify", {"token": token}))[1]["code"] == "auth.token"
    assert (await login(node, PASSWORD))[0] == 200


async def test_a_stolen_refresh_token_is_told_once(node: Node, office: PostOffice, ann: dict[str, Any]) -> None:
    _, second = await refresh(node, ann["refresh_token"])
    await refresh(node, second["refresh_token"])
    for _ in range(3):
        assert (await refresh(node, ann["refresh_token"]))[0] == 401
    await office.letter(MAIL, "Sicherheit abgemeldet")
    await asyncio.sleep(0.1)
    assert len([subject for subject in office.to(MAIL) if "Sicherheit" in subject]) == 1


async def test_nothing_of_it_stands_in_the_database(
    node: Node, house: House, office: PostOffice, ann: dict[str, Any]
) -> None:
    del ann
    await forgot(node)
    await office.close()
    await forgot(node)
    token = await office.token(MAIL, FORGOTTEN)
    seen = repr([await house.store[name].find().to_list() for name in await house.store.list_collection_names()])
    assert "proofs" in await house.store.list_collection_names()
    for secret in ("ann@", "xample.org", token):
        assert secret not in seen
