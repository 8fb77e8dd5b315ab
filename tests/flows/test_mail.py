"""From registering to a forgotten password, by the letters a person gets; nothing of them shows anywhere else."""

import json
import re
import uuid

import aiohttp
import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.chromium import PROGRAM, tab
from tests.flows.app import PASSWORD, App
from tests.flows.conftest import Running
from tests.flows.node import node
from tests.flows.test_canaries import raw_database, raw_valkey
from tests.post_office import post_office
from tests.scripted_model import scripted_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # a process starts
NEW = "ein Pferd frisst Gurkensalat"


async def test_a_person_comes_in_by_letters(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory, database = tmp_path_factory.mktemp("mail"), f"flow_{uuid.uuid4().hex[:12]}"
    async with post_office() as office, scripted_model() as model:
        strict = {
            "LIFEBUDDY_MONGO_DATABASE": database,
            "LIFEBUDDY_SMTP_URL": office.url,
            "LIFEBUDDY_MAIL_VERIFICATION": "on",
        }
        async with node(directory, mongo.url, valkey_session.url, **strict) as server:
            running = Running(server, model, mongo, valkey_session, database, directory)
            app = App(server.url, email=f"canary{uuid.uuid4().hex[:10]}@example.org")
            secrets = [app.email.partition("@")[0]]

            async def post(path: str, **body: str) -> int:
                return (await app.rest("POST", f"/v1/auth/{path}", body))[0]

            person = {"email": app.email, "password": PASSWORD}
            assert await post("register", **person, name="Ann") == 202
            assert await post("login", **person) == 401
            secrets.append(await office.token(app.email, "confirm your mail address"))
            assert await post("email/verify", token=secrets[-1]) == 204
            status, app.tokens = await app.rest("POST", "/v1/auth/login", person)
            assert status == 200
            assert (await app.rest("GET", "/v1/me"))[1]["email"] == app.email
            await app.connect()
            assert await post("password/forgot", email=app.email) == 202
            secrets.append(await office.token(app.email, "new password"))
            assert await post("password/reset", token=secrets[-1], password=NEW) == 204
            await app.until_closing("auth.revoked")
            app.tokens = {}
            assert await post("login", **person) == 401
            assert await post("login", email=app.email, password=NEW) == 200
            await office.letter(app.email, "password was changed")
            async with aiohttp.ClientSession() as http, http.get(f"{server.url}/readyz") as answer:
                assert (await answer.json())["parts"]["mail"]["state"] == "ok"
            await office.close()  # what waits now is at rest
            assert await post("password/forgot", email=app.email) == 202
            database_bytes, valkey_bytes = await raw_database(running), await raw_valkey(running)
            for secret in (*secrets, NEW):
                assert secret.encode() not in database_bytes
                assert secret.encode() not in valkey_bytes
                assert secret not in server.output
            assert b"waiting" in database_bytes, "the scan read nothing"
            await app.disconnect()


@pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")
async def test_the_links_in_letters_do_in_a_browser_what_they_say(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("links")
    async with post_office() as office, tab() as page:
        strict = {
            "LIFEBUDDY_MONGO_DATABASE": f"flow_{uuid.uuid4().hex[:12]}",
            "LIFEBUDDY_SMTP_URL": office.url,
            "LIFEBUDDY_MAIL_VERIFICATION": "on",
            "LIFEBUDDY_ORIGINS": "https://app.example",
        }
        async with node(directory, mongo.url, valkey_session.url, **strict) as server:
            app = App(server.url)
            person = {"email": app.email, "password": PASSWORD}

            async def post(path: str, **body: str) -> int:
                return (await app.rest("POST", f"/v1/auth/{path}", body))[0]

            async def link(subject: str) -> str:
                (found,) = re.findall(r"^http\S+$", await office.letter(app.email, subject), re.MULTILINE)
                return str(found)

            async def says(mood: str, words: str) -> None:
                await page.until(f"document.querySelector('[role=status].{mood}')?.textContent.includes('{words}')")

            assert await post("register", **person, name="Ann") == 202
            confirm = await link("confirm your mail address")
            await page.open(confirm)
            assert await post("login", **person) == 401, "opening the page does nothing yet"
            assert await page.run("location.href") == f"{server.url}/verify", "the token stays out of the history"
            await page.run("document.querySelector('button').click()")
            await says("good", "is confirmed")
            assert await post("login", **person) == 200
            await page.open(confirm, "de")
            await page.run("document.querySelector('button').click()")
            await says("bad", "gilt nicht mehr")
            assert await post("password/forgot", email=app.email) == 202
            await page.open(await link("Set a new password"))
            for first, second, mood, words in (
                (NEW, PASSWORD, "bad", "two different"),
                ("password123", "password123", "bad", "too easy to guess"),
                (NEW, NEW, "good", "new password is set"),
            ):
                filled = json.dumps([first, second])
                await page.run(f"document.querySelectorAll('input').forEach((one, n) => (one.value = {filled}[n]))")
                await page.run("document.querySelector('form').requestSubmit()")
                await says(mood, words)
            assert await post("login", **{**person, "password": NEW}) == 200
            await page.open(f"{server.url}/verify")
            await says("bad", "no code in this link")
            refused = [text for text in page.told if "Content Security Policy" in text]
            assert refused == []
