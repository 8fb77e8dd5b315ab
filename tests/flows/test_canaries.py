"""What is private shows nowhere: not in the database, not in Valkey, not in logs, not in metrics, not in files."""

import uuid

import aiohttp
import bson
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from tests.flows.app import PASSWORD, App
from tests.flows.conftest import Running
from tests.scripted_model import calls_then_says, says

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]  # a process starts


def canary(what: str) -> str:
    return f"canary{what}{uuid.uuid4().hex[:10]}"


async def test_no_planted_canary_is_found(running: Running) -> None:
    kinds = ("mail", "name", "goal", "unit", "note", "said", "cut", "tool", "bad", "device", "query")
    planted = {what: canary(what) for what in kinds}
    secrets = [*planted.values(), PASSWORD]
    app = App(running.node.url, email=f"{planted['mail']}@example.org", device=planted["device"])
    await app.register(planted["name"])
    await app.connect()
    try:
        await _live(app, running, planted)
    finally:
        await app.disconnect()
    secrets += [app.tokens["access_token"], app.tokens["refresh_token"]]
    async with aiohttp.ClientSession() as session, session.get(f"{running.node.url}/metrics") as response:
        metrics = await response.text()
    assert "socket_commands" in metrics
    database = await raw_database(running)
    found = {
        "database": [one for one in secrets if one.encode() in database],
        "valkey": [one for one in secrets if one.encode() in await raw_valkey(running)],
        "log": [one for one in secrets if one in running.node.output],
        "metrics": [one for one in secrets if one in metrics],
        "files": [one for one in secrets for path in running.directory.rglob("*") if path.is_file() and one.encode() in path.read_bytes()],
    }  # fmt: skip
    assert not any(found.values()), found
    assert app.tokens["user_id"].encode() in database, "the scan read nothing"


async def _live(app: App, running: Running, planted: dict[str, str]) -> None:
    """A life with everything in it: goals, talk, tools, failures, refusals."""
    metric = {"unit": planted["unit"], "target": 10}
    goal = (await app.surely("goal.create", {"title": planted["goal"], "metric": metric}))["goal"]
    await app.surely("goal.progress", {"goal_id": goal["id"], "amount": 4, "note": planted["note"]})
    for text in (planted["said"], f"cut: {planted['cut']}", f"error: {planted['cut']}", planted["tool"]):
        if text == planted["tool"]:
            call = ("create_goal", {"title": planted["tool"]})
            running.model.script(calls_then_says(call, text=planted["tool"]), says(planted["tool"]))
        sent = await app.surely("chat.send", {"text": text})
        await app.replied(sent["reply_id"])
    await app.command("chat.send", {"cid": str(uuid.uuid4()), "text": 7, planted["bad"]: planted["bad"]})
    await app.command(planted["bad"], {})
    status, _ = await app.rest("GET", f"/v1/goals?cursor={planted['query']}")
    assert status == 400
    status, _ = await app.rest("POST", f"/v1/{planted['query']}", {"title": planted["bad"]})
    assert status == 404
    wrong = App(app.url, email=app.email)
    status, _ = await wrong.rest("POST", "/v1/auth/login", {"email": app.email, "password": planted["bad"] * 2})
    assert status == 401
    await app.surely("goal.complete", {"goal_id": goal["id"]})


async def raw_database(running: Running) -> bytes:
    """Every document of every collection, as the bytes that are stored."""
    read = bytearray()
    async with AsyncMongoClient[bson.raw_bson.RawBSONDocument](
        running.mongo.admin_url, document_class=bson.raw_bson.RawBSONDocument
    ) as client:
        database = client[running.database]
        for name in await database.list_collection_names():
            async for document in database[name].find():
                read += document.raw
    return bytes(read)


async def raw_valkey(running: Running) -> bytes:
    """Every key with its value."""
    read = bytearray()
    async with Redis.from_url(running.valkey.url) as client:
        async for key in client.scan_iter():
            read += key + (await client.dump(key) or b"")
    return bytes(read)
