"""The usual provider dies in the middle of a day and comes back: the conversation goes on, and says who answered."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import App, signed_up
from tests.flows.node import node
from tests.scripted_model import echo, fails, hangs, says, scripted_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


async def talk(app: App, text: str) -> dict[str, Any]:
    sent = await app.surely("chat.send", {"text": text})
    return await app.replied(sent["reply_id"])


async def level(url: str) -> float:
    """The metric of the usual model's breaker: 0 closed, 1 half open, 2 open."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith('model_breaker{where="usual"}')).rpartition(" ")[2])


async def breakers(url: str) -> Any:
    """What `readyz` says of them, not older than a second."""
    await asyncio.sleep(1.05)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        return (await answer.json())["parts"]["models"]


async def test_a_provider_dies_and_comes_back(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> None:
    async with scripted_model(otherwise=echo()) as usual, scripted_model(otherwise=says("Second here.")) as second:
        settings = {
            "LIFEBUDDY_MONGO_DATABASE": database,
            "OPENAI_BASE_URL": usual.url,
            "OPENAI_MODEL": "usual-model",
            "LIFEBUDDY_FALLBACK_BASE_URL": second.url,
            "LIFEBUDDY_FALLBACK_MODEL": "second-model",
            "LIFEBUDDY_MODEL_FIRST_TOKEN_SECONDS": "1.5",
            "LIFEBUDDY_MODEL_BETWEEN_TOKENS_SECONDS": "1.0",
            "LIFEBUDDY_MODEL_REST_SECONDS": "1.5",
        }
        async with node(tmp_path, mongo.url, valkey.url, **settings) as server, signed_up(server.url) as app:
            first = await talk(app, "One")
            assert (first["answered_by"], first["problem"], first["text"]) == ("usual-model", None, "You said: One")
            assert (await breakers(server.url))["detail"] == {"usual": "closed", "fallback": "closed"}

            usual.otherwise = fails(500)
            replies = [await talk(app, f"Outage {number}") for number in range(3)]
            assert [reply["answered_by"] for reply in replies] == ["second-model"] * 3
            assert [reply["problem"] for reply in replies] == ["model.error"] * 3
            assert {reply["state"] for reply in replies} == {"complete"}
            assert len(usual.requests) == 1 + 3, "an open breaker asks nobody"
            assert await level(server.url) in {1, 2}

            second.otherwise = hangs("Second")
            broken = await talk(app, "Both")
            assert (broken["answered_by"], broken["problem"], broken["state"]) == (
                "second-model",
                "model.timeout",
                "failed",
            )
            second.otherwise = fails(503)
            alone = await talk(app, "Nobody")
            assert alone["answered_by"] == "offline coach"
            assert alone["text"].startswith("Hello Ann. My language model can't be reached right now")

            models = await breakers(server.url)
            assert (models["state"], models["last_error"]) == ("down", "model.error")
            assert models["detail"]["usual"] in {"open", "half_open"}

            usual.otherwise = echo()
            while (reply := await talk(app, "Back?"))["answered_by"] != "usual-model":
                assert reply["problem"] == "model.error"
            assert (reply["text"], reply["problem"]) == ("You said: Back?", None)
            assert await level(server.url) == 0
            assert "Traceback" not in server.output
