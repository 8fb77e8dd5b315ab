"""The second factor: a stolen password opens nothing, a code opens once, and who loses the app still gets in."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pyotp
import pytest
from typer.testing import CliRunner

from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from scripts.roles import app as roles
from storage.mongo.accounts import MongoLoginSessions
from storage.mongo.mails import MAILS
from storage.mongo.proofs import MongoProofs
from tests.post_office import PostOffice
from tests.transport.rest.auth.conftest import LOGIN, PASSWORD, House, Node, refresh
from tests.transport.sockets.devices import eventually
from transport.limits import Limits

MFA = "/v1/auth/mfa"
WRONG = "000000"


@dataclasses.dataclass
class App:
    """An authenticator app, its owner's session and recovery codes."""

    house: House
    secret: str
    bearer: dict[str, Any]
    recovery: list[str]

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(self.house.clock.at + timedelta(seconds=30 * steps))


async def fresh(node: Node, token: str) -> None:
    assert (await node.post("/v1/auth/reauth", {"password": PASSWORD, "scope": "factors"}, token))[0] == 204


async def proposed(node: Node, token: str) -> str:
    await fresh(node, token)
    status, proposal = await node.post(f"{MFA}/totp/enroll", None, token)
    assert (status, proposal["qr"][:4]) == (200, "<svg")
    assert proposal["uri"].startswith("otpauth://totp/LifeBuddy:ann%40example.org?secret=" + proposal["secret"])
    return str(proposal["secret"])


@pytest.fixture
async def app(house: House, node: Node, ann: dict[str, Any]) -> App:
    """Ann's, confirmed in the last step but one: the codes of now and of the next are unused."""
    secret = await proposed(node, ann["access_token"])
    made = App(house, secret, ann, [])
    status, given = await node.post(f"{MFA}/totp/confirm", {"code": made.code(-1)}, ann["access_token"])
    assert status == 200
    made.recovery = given["recovery_codes"]
    assert len(set(made.recovery)) == 10
    return made


async def challenged(node: Node) -> str:
    status, given = await node.post("/v1/auth/login", LOGIN)
    assert (status, set(given), given["expires_in"]) == (202, {"challenge", "expires_in"}, 300)
    return str(given["challenge"])


async def answer(node: Node, challenge: str, code: str) -> tuple[int, Any]:
    return await node.post(f"{MFA}/challenge", {"challenge": challenge, "code": code})


def refused(given: tuple[int, Any]) -> tuple[int, str]:
    return given[0], given[1]["code"]


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_password_alone_opens_nothing_and_a_code_completes_it_once(node: Node, app: App) -> None:
    challenge = await challenged(node)
    assert refused(await answer(node, challenge, WRONG)) == (401, "auth.code")
    assert (await node.get("/v1/auth/sessions", challenge))[0] == 401
    status, signed_in = await answer(node, challenge, app.code())
    assert status == 200
    assert (await node.get("/v1/auth/sessions", signed_in["access_token"]))[0] == 200
    assert refused(await answer(node, challenge, app.code(1))) == (410, "auth.token")
    assert refused(await answer(node, await challenged(node), app.code())) == (401, "auth.code")  # seen over a shoulder


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_one_step_apart(node: Node, app: App, steps: int, *, good: bool) -> None:
    assert (await answer(node, await challenged(node), app.code(steps)))[0] == (200 if good else 401)


async def test_a_code_of_a_step_before_the_last_one_used_is_good_no_more(node: Node, app: App) -> None:
    assert (await answer(node, await challenged(node), app.code(1)))[0] == 200
    assert refused(await answer(node, await challenged(node), app.code())) == (401, "auth.code")


@pytest.mark.parametrize("recovering", [False, True])
async def test_of_two_who_use_one_code_at_once_on_two_nodes_one_gets_in(
    house: House, node: Node, app: App, *, recovering: bool
) -> None:
    elsewhere = await house.node()
    code = app.recovery[3] if recovering else app.code()
    challenges = [await challenged(one) for one in (node, elsewhere)]
    tries = [answer(one, challenge, code) for one, challenge in zip((node, elsewhere), challenges, strict=True)]
    assert sorted([status for status, _ in await asyncio.gather(*tries)]) == [200, 401]


async def test_a_challenge_ends_in_time_and_with_the_password_it_stands_for(house: House, node: Node, app: App) -> None:
    late, stolen = await challenged(node), await challenged(node)
    changed = {"password": "ein Esel trinkt Kamillentee", "current_password": PASSWORD}
    assert (await node.post("/v1/auth/password/change", changed, app.bearer["access_token"]))[0] == 204
    assert refused(await answer(node, stolen, app.code())) == (410, "auth.token")
    house.clock.at += timedelta(minutes=5)
    assert refused(await answer(node, late, app.code())) == (410, "auth.token")


async def test_guesses_are_counted_and_keep_nobody_out_who_was_here_before(house: House, app: App) -> None:
    house.limits = msgspec.structs.replace(house.limits, factor=Limits().factor)
    strict = await house.node()
    assert (await answer(strict, await challenged(strict), app.recovery[0]))[0] == 200
    challenge = await challenged(strict)
    headers = {"X-Forwarded-For": "203.0.113.7"}
    statuses = []
    for _ in range(6):
        body = {"challenge": challenge, "code": WRONG}
        async with strict.client.post(f"{MFA}/challenge", json=body, headers=headers) as response:
            statuses.append(response.status)
    assert statuses == [401] * 5 + [429]
    assert (await answer(strict, challenge, app.code()))[0] == 200


# ── the app is lost ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_has_lost_the_app_signs_in_with_recovery_codes_and_sets_up_another(
    house: House, node: Node, app: App
) -> None:
    typed = app.recovery[0].upper().replace("-", " ")
    status, signed_in = await answer(node, await challenged(node), typed)
    assert status == 200
    token = signed_in["access_token"]
    assert refused(await answer(node, await challenged(node), app.recovery[0])) == (401, "auth.code")
    await fresh(node, token)
    status, renewed = await node.post(f"{MFA}/recovery-codes", {"code": app.recovery[1]}, token)
    assert status == 200
    assert refused(await answer(node, await challenged(node), app.recovery[2])) == (401, "auth.code")
    removal = {"code": renewed["recovery_codes"][0]}
    assert (await node.post(f"{MFA}/totp/disable", removal, token))[0] == 204
    assert refused(await node.get("/v1/auth/sessions", token)) == (401, "auth.revoked")
    status, again = await node.post("/v1/auth/login", LOGIN)
    assert status == 200
    assert await proposed(node, again["access_token"]) != app.secret
    assert await house.store[MAILS].count_documents({}) >= 2  # it was told that it was set up, and removed


async def test_a_letter_tells_of_each_recovery_code_that_was_used_and_how_many_are_left(
    node: Node, app: App, office: PostOffice
) -> None:
    whose, told = "ann@example.org", "Ein Wiederherstellungscode wurde benutzt"

    async def letter(number: int) -> str:
        await eventually(lambda: office.to(whose).count(told) >= number)
        return await office.letter(whose, told)

    assert (await answer(node, await challenged(node), app.code()))[0] == 200
    for left, code in ((9, app.recovery[0]), (8, app.recovery[7])):
        status, signed_in = await answer(node, await challenged(node), code)
        assert status == 200
        assert f"Übrige Wiederherstellungscodes: {left}." in await letter(10 - left)
    assert (await answer(node, await challenged(node), app.recovery[0]))[0] == 401
    token = signed_in["access_token"]
    await fresh(node, token)
    assert (await node.post(f"{MFA}/recovery-codes", {"code": app.recovery[1]}, token))[0] == 200
    assert "Übrige Wiederherstellungscodes: 10." in await letter(3)
    assert office.to(whose).count(told) == 3, "a code of the app, or one that was refused, was told as well"


async def test_who_has_lost_everything_is_helped_from_the_command_line(
    house: House, node: Node, mongo: ReplicaSet, app: App
) -> None:
    environment = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_MONGO_DATABASE": house.store.name,
        "LIFEBUDDY_MASTER_KEY": bytes(32).hex(),
    }
    command = ("forget-factor", LOGIN["email"])
    result = await asyncio.to_thread(CliRunner().invoke, roles, command, env=environment)
    assert (result.exit_code, result.output) == (0, "removed\n")
    assert (await refresh(node, app.bearer["refresh_token"]))[1]["code"] == "auth.revoked"
    assert (await node.post("/v1/auth/login", LOGIN))[0] == 200
    lines = await house.store["audit_log"].find().sort("_id").to_list()
    assert [(line["did"], line["by"]) for line in lines] == [
        ("factor.added", app.bearer["user_id"]),
        ("factor.removed", "command line"),
    ]


# ── setting up and removing ──────────────────────────────────────────────────────────────────────────────────────


async def test_setting_up_signs_other_devices_out_and_marks_this_one(node: Node, house: House) -> None:
    _, here = await node.post("/v1/auth/register", {**LOGIN, "name": "Ann"})
    _, other = await node.post("/v1/auth/login", LOGIN)
    token = here["access_token"]
    assert refused(await node.post(f"{MFA}/totp/enroll", None, token)) == (403, "auth.fresh")
    assert refused(await node.post(f"{MFA}/totp/confirm", {"code": WRONG}, token)) == (410, "auth.token")
    app = App(house, await proposed(node, token), here, [])
    assert refused(await node.post(f"{MFA}/totp/confirm", {"code": WRONG}, token)) == (401, "auth.code")
    assert (await node.post("/v1/auth/login", LOGIN))[0] == 200  # proposed is not set up
    tries = [node.post(f"{MFA}/totp/confirm", {"code": app.code()}, token) for _ in range(2)]
    assert sorted([status for status, _ in await asyncio.gather(*tries)]) == [200, 409]
    assert (await refresh(node, other["refresh_token"]))[1]["code"] == "auth.revoked"
    _, again = await refresh(node, here["refresh_token"])
    assert node.tokens.verify(again["access_token"]).factor
    assert not node.tokens.verify(token).factor
    await fresh(node, token)
    assert refused(await node.post(f"{MFA}/totp/enroll", None, token)) == (409, "conflict.factor")


async def test_a_stolen_session_or_password_does_not_remove_it(node: Node, app: App) -> None:
    token = app.bearer["access_token"]
    for path in ("totp/disable", "recovery-codes"):
        await node.post("/v1/auth/reauth", {"password": PASSWORD, "scope": "email"}, token)  # for another thing
        assert refused(await node.post(f"{MFA}/{path}", {"code": app.code()}, token)) == (403, "auth.fresh")
        await fresh(node, token)
        assert refused(await node.post(f"{MFA}/{path}", {"code": WRONG}, token)) == (401, "auth.code")
    await challenged(node)


async def test_what_was_cut_short_leaves_a_way_in_and_none_around_it(
    node: Node, house: House, ann: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = ann["access_token"]
    app = App(house, await proposed(node, token), ann, [])

    async def away(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:  # after it was set up, before this device is marked
        patched.setattr(MongoLoginSessions, "prove", away)
        assert (await node.post(f"{MFA}/totp/confirm", {"code": app.code(-1)}, token))[0] == 503
    challenge = await challenged(node)
    with monkeypatch.context() as patched:  # after the code was used, before anybody is signed in
        patched.setattr(MongoProofs, "take", away)
        assert (await answer(node, challenge, app.code()))[0] == 503
    assert refused(await answer(node, challenge, app.code())) == (401, "auth.code")
    assert (await answer(node, challenge, app.code(1)))[0] == 200


async def test_nothing_of_it_stands_in_the_database(house: House, app: App) -> None:
    seen = repr([await house.store[name].find().to_list() for name in await house.store.list_collection_names()])
    for secret in (app.secret, app.recovery[0][5:], app.recovery[0].replace("-", "")[4:], "argon2"):
        assert secret not in seen
