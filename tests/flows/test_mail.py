"""From registering to a forgotten password, by the letters a person gets; nothing of them shows anywhere else."""

import uuid

import aiohttp
import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
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
