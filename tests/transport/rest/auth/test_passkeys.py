"""Passkeys: one touch signs in, once; what another page, key or person could make of an answer opens nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import msgspec
import pyotp
import pytest

from actors.ports import Passkey
from storage.mongo.passkeys import MongoPasskeys
from tests.post_office import PostOffice
from tests.transport.rest.auth.authenticator import PRESENT, Authenticator, Lies, read
from tests.transport.rest.auth.conftest import ANN, LOGIN, PASSWORD, House, Node, refresh
from tests.transport.rest.auth.test_second_factor import fresh, proposed, refused
from transport.limits import Limits
from transport.passkeys import MOST

PASSKEYS = "/v1/auth/passkeys"
BO = {**ANN, "email": "bo@example.org"}
Given = tuple[int, Any]


async def to_register(node: Node, token: str) -> dict[str, Any]:
    await fresh(node, token)
    status, options = await node.post(f"{PASSKEYS}/register/options", None, token)
    assert (status, options["expires_in"]) == (200, 300)
    return dict(options)


async def register(node: Node, token: str, key: Authenticator, lies: Lies | None = None) -> Given:
    answer = key.create(await to_register(node, token), lies)
    return await node.post(f"{PASSKEYS}/register/verify", {"credential": answer, "name": "my phone"}, token)


async def to_login(node: Node) -> dict[str, Any]:
    status, options = await node.post(f"{PASSKEYS}/login/options")
    assert status == 200
    return dict(options)


async def answer(node: Node, credential: dict[str, Any]) -> Given:
    return await node.post(f"{PASSKEYS}/login/verify", {"credential": credential})


async def login(node: Node, key: Authenticator, lies: Lies | None = None) -> Given:
    return await answer(node, key.get(await to_login(node), lies))


@pytest.fixture
async def key(node: Node, ann: dict[str, Any]) -> Authenticator:
    """Ann's, registered."""
    made = Authenticator()
    assert (await register(node, ann["access_token"], made))[0] == 201
    return made


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_passkey_signs_in_without_a_password_and_is_both_factors(
    node: Node, house: House, ann: dict[str, Any], office: PostOffice
) -> None:
    token, key = ann["access_token"], Authenticator()
    options = (await to_register(node, token))["public_key"]
    assert (options["rp"]["id"], options["user"]["name"], options["excludeCredentials"]) == (
        "app.example",
        "ann@example.org",
        [],
    )
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    status, registered = await register(node, token, key)
    assert (status, registered["name"], registered["used_at"]) == (201, "my phone", None)
    await office.letter("ann@example.org", "Passkey wurde hinzugefügt")
    house.clock.at += timedelta(seconds=7)
    asked = (await to_login(node))["public_key"]
    assert (asked["rpId"], asked["userVerification"], asked["allowCredentials"]) == ("app.example", "required", [])
    status, signed_in = await login(node, key)
    assert (status, signed_in["user_id"]) == (200, ann["user_id"])
    assert node.tokens.verify(signed_in["access_token"]).factor
    _, again = await refresh(node, signed_in["refresh_token"])
    assert jwt.decode(again["access_token"], options={"verify_signature": False})["amr"] == ["pop", "mfa"]
    _, listed = await node.get(PASSKEYS, signed_in["access_token"])
    assert [(one["id"], one["used_at"] is None) for one in listed["items"]] == [(registered["id"], False)]
    known = (await to_register(node, token))["public_key"]["excludeCredentials"]
    assert [read(one["id"]) for one in known] == [key.credential]


async def test_who_has_an_authenticator_app_too_is_not_asked_for_its_code(
    node: Node, house: House, ann: dict[str, Any], key: Authenticator
) -> None:
    token = ann["access_token"]
    secret = await proposed(node, token)
    code = {"code": pyotp.TOTP(secret).at(house.clock.at)}
    assert (await node.post("/v1/auth/mfa/totp/confirm", code, token))[0] == 200
    assert (await node.post("/v1/auth/login", LOGIN))[0] == 202
    assert (await login(node, key))[0] == 200


async def test_an_answer_is_good_once_in_time_and_for_what_was_asked(
    node: Node, house: House, ann: dict[str, Any], key: Authenticator
) -> None:
    said = key.get(await to_login(node))
    assert (await answer(node, said))[0] == 200
    assert refused(await answer(node, said)) == (410, "auth.token")
    wrong = await to_login(node)
    assert refused(await answer(node, key.get(wrong, Lies(origin="https://evil.example")))) == (401, "auth.passkey")
    assert refused(await answer(node, key.get(wrong))) == (410, "auth.token")  # it has been answered
    other = await to_register(node, ann["access_token"])
    asked = {"public_key": {"challenge": other["public_key"]["challenge"], "rpId": "app.example"}}
    assert refused(await answer(node, key.get(asked))) == (410, "auth.token")
    made_up = {"public_key": {"challenge": "A" * 43, "rpId": "app.example"}}
    assert refused(await answer(node, key.get(made_up))) == (410, "auth.token")
    late = key.get(await to_login(node))
    house.clock.at += timedelta(minutes=5)
    assert refused(await answer(node, late)) == (410, "auth.token")


FORGED = {
    "on another page": Lies(origin="https://app.example.evil.example"),
    "on a page without encryption": Lies(origin="http://app.example"),
    "in a frame of another page": Lies(framed=True),
    "for another domain": Lies(domain="evil.example"),
    "by somebody it did not recognise": Lies(flags=PRESENT),
    "by nobody": Lies(flags=0x04),
    "for another purpose": Lies(kind="webauthn.create"),
    "of something else": Lies(signed=b"!"),
    "for another person": Lies(owner="0195f0a0-0000-7000-8000-000000000000"),
    "for nobody": Lies(owner="x"),
}


@pytest.mark.parametrize("lies", FORGED.values(), ids=FORGED)
async def test_what_was_signed_otherwise_opens_nothing(node: Node, key: Authenticator, lies: Lies) -> None:
    assert refused(await login(node, key, lies)) == (401, "auth.passkey")
    assert (await login(node, key))[0] == 200


async def test_another_origin_of_ours_is_as_good(node: Node, key: Authenticator) -> None:
    assert (await login(node, key, Lies(origin="https://buddy.app.example")))[0] == 200


async def test_a_key_nobody_has_registered_or_another_s_signature_opens_nothing(node: Node, key: Authenticator) -> None:
    stranger = Authenticator(owner=key.owner)
    assert refused(await login(node, stranger)) == (401, "auth.passkey")
    stranger.credential, stranger.counter = key.credential, 100
    assert refused(await login(node, stranger)) == (401, "auth.passkey")


async def test_a_copy_that_has_counted_less_is_found_out(node: Node, key: Authenticator) -> None:
    for _ in range(3):
        assert (await login(node, key))[0] == 200
    for behind in (2, 3):
        key.counter = behind - 1
        assert refused(await login(node, key)) == (401, "auth.passkey"), behind
    assert (await login(node, key))[0] == 200


async def test_a_key_that_does_not_count_signs_in_again_and_again(node: Node, ann: dict[str, Any]) -> None:
    synced = Authenticator(counter=None)
    assert (await register(node, ann["access_token"], synced))[0] == 201
    assert [(await login(node, synced))[0] for _ in range(2)] == [200, 200]


async def test_of_a_key_and_its_copy_at_once_on_two_nodes_one_gets_in(
    house: House, node: Node, key: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, both, get = await house.node(), asyncio.Barrier(2), MongoPasskeys.get

    async def at_once(passkeys: MongoPasskeys, passkey_id: str) -> Passkey | None:
        found = await get(passkeys, passkey_id)
        await both.wait()
        return found

    monkeypatch.setattr(MongoPasskeys, "get", at_once)
    copy = Authenticator(key.counter, key.credential, key.key, key.owner)
    tries = [
        answer(one, whose.get(await to_login(one))) for one, whose in zip((node, elsewhere), (key, copy), strict=True)
    ]
    assert sorted([status for status, _ in await asyncio.gather(*tries)]) == [200, 401]


@pytest.mark.parametrize("garbage", ["AAAA", "A", "e30", "bnVsbA", "W10"])
async def test_garbage_is_refused_as_such(node: Node, key: Authenticator, garbage: str) -> None:
    for field in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        said = key.get(await to_login(node))
        said["response"][field] = garbage
        assert refused(await answer(node, said)) == (401, "auth.passkey"), field
    assert refused(await answer(node, {**key.get(await to_login(node)), "rawId": "!"})) == (400, "invalid")


async def test_who_asks_for_very_many_challenges_waits(house: House, key: Authenticator) -> None:
    house.limits = msgspec.structs.replace(house.limits, login=Limits().login)
    strict = await house.node()
    statuses = [(await strict.post(f"{PASSKEYS}/login/options"))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]


# ── registering and removing ─────────────────────────────────────────────────────────────────────────────────────


async def test_only_who_has_just_proved_who_they_are_registers_one(node: Node, ann: dict[str, Any]) -> None:
    token = ann["access_token"]
    assert refused(await node.post(f"{PASSKEYS}/register/options", None, token)) == (403, "auth.fresh")
    await node.post("/v1/auth/reauth", {"password": PASSWORD, "scope": "email"}, token)  # for another thing
    assert refused(await node.post(f"{PASSKEYS}/register/options", None, token)) == (403, "auth.fresh")


async def test_what_another_was_asked_registers_nothing(node: Node, ann: dict[str, Any]) -> None:
    _, bo = await node.post("/v1/auth/register", BO)
    _, other = await node.post("/v1/auth/login", LOGIN)
    for stranger in (bo["access_token"], other["access_token"]):
        credential = Authenticator().create(await to_register(node, ann["access_token"]))
        body = {"credential": credential, "name": "x"}
        assert refused(await node.post(f"{PASSKEYS}/register/verify", body, stranger)) == (410, "auth.token")
        assert refused(await node.post(f"{PASSKEYS}/register/verify", body, ann["access_token"])) == (410, "auth.token")
    options = await to_login(node)
    options["public_key"] |= {"user": {"id": "AAAA"}, "rp": {"id": "app.example"}}
    body = {"credential": Authenticator().create(options), "name": "x"}
    assert refused(await node.post(f"{PASSKEYS}/register/verify", body, ann["access_token"])) == (410, "auth.token")


UNFIT = {
    "made on another page": Lies(origin="https://evil.example"),
    "made for another domain": Lies(domain="evil.example"),
    "made for somebody it did not recognise": Lies(flags=PRESENT),
    "made in a frame": Lies(framed=True),
    "an answer to a login": Lies(kind="webauthn.get"),
    "of a kind that is not taken": Lies(algorithm=-35),
    "no point of the curve": Lies(point=bytes(31) + b"\x07"),
}


@pytest.mark.parametrize("lies", UNFIT.values(), ids=UNFIT)
async def test_a_key_that_is_not_as_it_should_be_is_not_taken(node: Node, ann: dict[str, Any], lies: Lies) -> None:
    assert refused(await register(node, ann["access_token"], Authenticator(), lies)) == (401, "auth.passkey")
    assert (await node.get(PASSKEYS, ann["access_token"]))[1]["items"] == []


async def test_a_key_is_one_person_s_and_there_are_not_very_many(
    node: Node, ann: dict[str, Any], key: Authenticator
) -> None:
    _, bo = await node.post("/v1/auth/register", BO)
    token = bo["access_token"]
    stolen = Authenticator(credential=key.credential)
    assert refused(await register(node, token, stolen)) == (409, "conflict.passkey")
    assert (await login(node, key))[1]["user_id"] == ann["user_id"]
    for _ in range(MOST):
        assert (await register(node, token, Authenticator()))[0] == 201
    assert refused(await node.post(f"{PASSKEYS}/register/options", None, token)) == (409, "conflict.passkeys")


async def test_who_removes_one_ends_what_was_signed_in_with_it(
    node: Node, house: House, ann: dict[str, Any], key: Authenticator, office: PostOffice
) -> None:
    token = ann["access_token"]
    (shown,) = (await node.get(PASSKEYS, token))[1]["items"]
    path = f"{PASSKEYS}/{shown['id']}"
    _, thief = await login(node, key)
    _, other = await node.post("/v1/auth/login", LOGIN)
    _, bo = await node.post("/v1/auth/register", BO)
    await fresh(node, bo["access_token"])
    assert refused(await node.delete(path, bo["access_token"])) == (404, "not_found")
    assert refused(await node.delete(path, other["access_token"])) == (403, "auth.fresh")
    house.clock.at += timedelta(seconds=1)
    await fresh(node, token)
    assert (await node.delete(path, token))[0] == 204
    assert refused(await node.delete(path, token)) == (404, "not_found")
    assert refused(await login(node, key)) == (401, "auth.passkey")
    assert (await refresh(node, thief["refresh_token"]))[1]["code"] == "auth.revoked"
    for stays in (token, other["access_token"]):
        assert (await node.get(PASSKEYS, stays))[1]["items"] == []
    await office.letter("ann@example.org", "Passkey wurde entfernt")
    lines = await house.store["audit_log"].find().sort("_id").to_list()
    assert [(line["did"], line["whom"]) for line in lines] == [
        ("passkey.added", ann["user_id"]),
        ("passkey.removed", ann["user_id"]),
    ]


async def test_neither_its_name_nor_its_key_stands_in_the_database(house: House, key: Authenticator) -> None:
    seen = repr([await house.store[name].find().to_list() for name in await house.store.list_collection_names()])
    point = key.key.public_key().public_numbers()
    for secret in ("my phone", repr(point.x.to_bytes(32, "big"))[2:-1], repr(key.credential)[2:-1]):
        assert secret not in seen
