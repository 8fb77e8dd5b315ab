"""What apps rely on at the door, through a real node: no lost update, the published words, tokens that are stolen."""

import asyncio
import json
import time
import uuid
from functools import partial
from typing import Any

import aiohttp
import jsonschema
import pytest

from tests.flows.app import PASSWORD, App, Lost, become_admin, second_device, signed_up
from tests.flows.browser import JS, browser
from tests.flows.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts
ANOTHER_LOG = str(uuid.UUID(int=7))


class Client:
    """An app over HTTP alone, that heeds headers."""

    def __init__(self, app: App, http: aiohttp.ClientSession) -> None:
        self._app = app
        self._http = http

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = f"Bearer {self._app.tokens['access_token']}"
        async with self._http.request(method, self._app.url + path, json=body, headers=given) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers


# ── no lost update ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_two_who_change_what_they_read_one_is_told_to_read_again(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as http:
        goal = (await app.surely("goal.create", {"title": "Run 5 km"}))["goal"]
        path, one, other = f"/v1/goals/{goal['id']}", Client(app, http), Client(app, http)
        seen = [(await client.ask("GET", path))[2]["ETag"] for client in (one, other)]
        assert seen[0] == seen[1]
        first = await one.ask("PATCH", path, {"title": "Run 10 km"}, If_Match=seen[0])
        late = await other.ask("PATCH", path, {"title": "Run 3 km"}, If_Match=seen[1])
        assert (first[0], late[0], late[1]["code"], late[1]["effect"]) == (200, 412, "precondition", "none")
        again = (await other.ask("GET", path))[2]["ETag"]
        assert again == first[2]["ETag"]
        assert (await other.ask("PATCH", path, {"title": "Run 3 km"}, If_Match=again))[0] == 200
        assert (await one.ask("DELETE", path, If_Match=seen[0]))[0] == 412
        assert (await one.ask("GET", path))[1]["title"] == "Run 3 km"


async def test_of_many_at_once_with_one_tag_exactly_one_comes_through(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as http:
        client = Client(app, http)
        tag = (await client.ask("GET", "/v1/me"))[2]["ETag"]
        asked = [client.ask("PATCH", "/v1/me", {"name": f"Ann {n}"}, If_Match=tag) for n in range(20)]
        statuses = sorted(status for status, _, _ in await asyncio.gather(*asked))
        assert statuses == [200] + [412] * 19
        assert sum(event["type"] == "profile.changed" for event in await app.whole_log()) == 1


async def test_what_was_accepted_is_answered_again_though_its_tag_is_old(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as http:
        client, key = Client(app, http), str(uuid.uuid4())
        tag = (await client.ask("GET", "/v1/me"))[2]["ETag"]
        first = await client.ask("PATCH", "/v1/me", {"name": "Anna"}, If_Match=tag, Idempotency_Key=key)
        again = await client.ask("PATCH", "/v1/me", {"name": "Anna"}, If_Match=tag, Idempotency_Key=key)
        assert (first[0], again[0], again[1]) == (200, 200, first[1])
        assert again[2]["Idempotency-Replayed"] == "true"
        assert again[2]["ETag"] == first[2]["ETag"] == (await client.ask("GET", "/v1/me"))[2]["ETag"]


async def test_what_moves_elsewhere_in_the_log_refuses_nobody(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as http:
        client = Client(app, http)
        goal = (await app.surely("goal.create", {"title": "Run"}))["goal"]
        path = f"/v1/goals/{goal['id']}"
        tag = (await client.ask("GET", path))[2]["ETag"]
        others = [app.surely("goal.create", {"title": f"Other {n}"}) for n in range(5)]
        patching = asyncio.create_task(client.ask("PATCH", path, {"title": "Run on"}, If_Match=tag), name="patch")
        await asyncio.gather(*others, patching)
        assert patching.result()[0] == 200


# ── the first administrator ──────────────────────────────────────────────────────────────────────────────────────


async def test_who_started_the_server_can_make_themselves_its_administrator(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        assert (await app.rest("GET", "/v1/admin/audit"))[0] == 403
        await become_admin(app, running.node.output)
        await app.until_closing("auth.revoked")
        status, audit = await app.rest("GET", "/v1/admin/audit")
        told = [(line["did"], line["whom"]) for line in audit["items"]]
        mine = app.tokens["user_id"]
        assert (status, told) == (200, [("factor.added", mine), ("role.granted", mine)])
        with pytest.raises(AssertionError):
            await become_admin(app, running.node.output)


# ── a ticket in the place of a token ─────────────────────────────────────────────────────────────────────────────


async def test_a_socket_is_opened_by_a_ticket_once_and_closed_with_its_sign_in(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        _, given = await app.rest("POST", "/v1/auth/ticket", {"device_id": "kiosk"})
        kiosk = App(app.url, device="kiosk", tokens={"access_token": given["ticket"]})
        await kiosk.connect()
        assert kiosk.ready["user_id"] == app.tokens["user_id"]
        await app.surely("goal.create", {"title": "Run"})
        await kiosk.until(lambda event: event["type"] == "goal.created")
        with pytest.raises(Lost, match=r"auth\.token"):
            await App(app.url, device="kiosk", tokens=kiosk.tokens).connect()
        assert (await app.rest("POST", "/v1/auth/logout"))[0] == 204
        await kiosk.until_closing("auth.revoked")
        await kiosk.disconnect()


# ── the published words ──────────────────────────────────────────────────────────────────────────────────────────


async def test_everything_a_socket_says_is_as_published(running: Running) -> None:
    async with signed_up(running.node.url) as app, second_device(app) as other:
        await other.connect()
        words = Words((await app.rest("GET", "/v1/asyncapi.json"))[1])
        goal = (await words.ack(app, "goal.create", {"title": "Run", "metric": {"unit": "km", "target": 10}}))["goal"]
        part = (await words.ack(app, "goal.create", {"title": "Walk", "parent_id": goal["id"]}))["goal"]
        await words.ack(app, "goal.progress", {"goal_id": part["id"], "progress": 50, "note": "Easy"})
        await words.ack(app, "goal.complete", {"goal_id": part["id"]})
        await words.ack(app, "goal.reopen", {"goal_id": part["id"]})
        await words.ack(app, "goal.move", {"goal_id": part["id"], "parent_id": None})
        await words.ack(app, "goal.change", {"goal_id": part["id"], "title": "Walk on"})
        await words.ack(app, "goal.remove", {"goal_id": part["id"]})
        await words.ack(app, "profile.change", {"name": "Anna"})
        sent = await words.ack(app, "chat.send", {"text": "hello"})
        await app.replied(sent["reply_id"])
        await words.ack(app, "chat.history", {"limit": 10})
        await words.ack(app, "sync", {"since": 0})
        words.refusal(await app.command("goal.create", {"title": ""}))
        words.refusal(await app.command("no.such", {}))
        await other.until(lambda event: event["data"].get("id") == sent["reply_id"])
        for device in (app, other):
            words.check("session.ready", device.ready)
            for event in device.events:
                words.check(f"event.{event['type']}", event)
            for signal in device.signals:
                words.check(f"signal.{signal['type']}", signal)
        assert len({event["type"] for event in app.events}) >= 9
        assert app.signals


class Words:
    """The document of the sockets, as something to hold what they say against."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._messages = document["channels"]["session"]["messages"]

    def check(self, key: str, payload: Any) -> None:
        schema = {**self._messages[key]["payload"], "components": self._document["components"]}
        jsonschema.Draft202012Validator(schema).validate(payload)

    async def ack(self, app: App, name: str, body: dict[str, Any]) -> Any:
        """The command is as published, and so is its ack."""
        asks_cid = "cid" in json.dumps(self._messages[name]["examples"])
        asked = {**({"cid": str(uuid.uuid4())} if asks_cid else {}), **body}
        self.check(name, asked)
        ack = await app.command(name, asked)
        assert ack["ok"], ack
        self.check(f"{name}.ack", ack)
        return ack

    def refusal(self, ack: Any) -> None:
        self.check("refusal.ack", ack)
        assert ack["error"]["code"] in {one["code"] for one in self._document["x-codes"]}


# ── what the log can't take on ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not (JS / "node_modules").exists(), reason="scripts/test installs the JavaScript clients")
@pytest.mark.parametrize(("since", "log", "reason"), [("100000", "", "ahead"), ("1", ANOTHER_LOG, "log")])
async def test_a_device_the_log_cannot_take_on_starts_from_the_snapshot(
    running: Running, since: str, log: str, reason: str
) -> None:
    async with signed_up(running.node.url) as app:
        for title in ("Run", "Read"):
            await app.surely("goal.create", {"title": title})
        given = {"TOKEN": app.tokens["access_token"]}
        async with browser("first_device.mjs", app.url, "", "", since, **given, LOG=log) as device:
            assert not (await device.first("session.ready"))["resumed"]
            assert await device.first("session.resync") == {"reason": reason, "snapshot_url": "/v1/me/snapshot"}
            snapshot = await device.first("snapshot")
            assert {goal["title"] for goal in snapshot["goals"]} == {"Run", "Read"}
            await app.surely("goal.create", {"title": "Later"})
            await device.until(lambda one: one["saw"] == "event")
            assert [event["seq"] for event in device.all("event")] == [snapshot["seq"] + 1]
        async with browser("first_device.mjs", app.url, "", "", str(snapshot["seq"]), **given) as again:
            assert (await again.first("session.ready"))["resumed"]
            await again.until(lambda one: one["saw"] == "event")
            assert again.all("event") == device.all("event")
            assert not again.all("session.resync")


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def refreshed(http: aiohttp.ClientSession, url: str, token: str) -> tuple[int, Any]:
    async with http.post(f"{url}/v1/auth/refresh", json={"refresh_token": token}) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_fifty_refreshes_at_once_are_one_step_and_all_succeed(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as http:
        token = app.tokens["refresh_token"]
        answers = await asyncio.gather(*(refreshed(http, app.url, token) for _ in range(50)))
        assert {status for status, _ in answers} == {200}
        assert len({body["refresh_token"] for _, body in answers}) == 1
        assert answers[0][1]["refresh_token"] != token
        for _, body in answers[::10]:
            app.tokens = body
            assert (await app.rest("GET", "/v1/me"))[0] == 200


async def test_a_stolen_old_token_ends_its_sign_in_on_every_socket_within_a_second(running: Running) -> None:
    url = running.node.url
    async with (
        signed_up(url) as app,
        second_device(app) as tablet,
        second_device(app) as elsewhere,
        aiohttp.ClientSession() as http,
    ):
        stolen = app.tokens["refresh_token"]
        await tablet.connect()
        login = {"email": app.email, "password": PASSWORD}
        async with http.post(f"{url}/v1/auth/login", json=login) as answer:
            elsewhere.tokens = await answer.json()
        await elsewhere.connect()
        for _ in range(2):  # two steps on, with tokens that are used: what was stolen lies too far behind
            app.tokens = (await refreshed(http, url, app.tokens["refresh_token"]))[1]
            assert (await app.rest("GET", "/v1/me"))[0] == 200
        began = time.monotonic()
        status, problem = await refreshed(http, url, stolen)
        assert (status, problem["code"]) == (401, "auth.revoked")
        async with asyncio.timeout(5):
            for device in (app, tablet):
                async with device._heard:
                    await device._heard.wait_for(partial(len, device.closings))
        took = time.monotonic() - began
        print(f"both sockets were closed {took * 1000:.0f} ms after the theft")
        assert took < 1.0
        for device in (app, tablet):
            assert device.closings == [{"code": "auth.revoked", "reconnect": False, "delay_ms": 0}]
        assert (await app.rest("GET", "/v1/me"))[0] == 401
        assert (await refreshed(http, url, app.tokens["refresh_token"]))[0] == 401
        assert not elsewhere.closings
        assert (await elsewhere.command("sync", {"since": 0}))["ok"]
