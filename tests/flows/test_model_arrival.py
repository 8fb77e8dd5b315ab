"""The model arrives after the person: their first question is answered at once, and again by the model when it is there."""

from pathlib import Path

import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import signed_up
from tests.flows.node import node
from tests.scripted_model import echo, scripted_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


async def test_the_first_question_is_answered_again_once_when_the_model_is_there(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    async with scripted_model(otherwise=echo()) as model:
        model.parts = {"chat": {"state": "fetching", "done": 40, "total": 100}}
        settings = {
            "LIFEBUDDY_MONGO_DATABASE": database,
            "OPENAI_BASE_URL": model.url,
            "LIFEBUDDY_MODELS_STATUS_URL": model.status_url,
        }
        async with (
            node(tmp_path, mongo.url, valkey.url, **settings) as server,
            signed_up(server.url) as app,
            signed_up(server.url) as away,
        ):
            first = await app.surely("chat.send", {"text": "Where shall I begin?"})
            second = await app.surely("chat.send", {"text": "Hello?"})
            early = await app.replied(first["reply_id"])
            assert (early["answered_by"], early["problem"]) == ("offline coach", "model.loading")
            assert early["text"].startswith("Hello Ann. My language model is still on its way")
            await app.replied(second["reply_id"])
            asked = await away.surely("chat.send", {"text": "And I?"})
            await away.replied(asked["reply_id"])
            await away.disconnect()
            progress = await app._among(app.signals, lambda one: one["type"] == "progress", 10.0)
            shown = {
                "kind": "models",
                "part": "chat",
                "state": "fetching",
                "done": 40,
                "total": 100,
                "problem": None,
            }
            assert progress["data"] == shown

            model.parts = {"chat": {"state": "ready", "done": 100, "total": 100}}
            again = await app.until(
                lambda one: (
                    one["data"].get("reply_to") == first["message_id"] and one["data"]["id"] != first["reply_id"]
                )
            )
            assert again["data"]["text"] == "You said: Where shall I begin?"
            assert again["data"]["problem"] is None
            await away.connect()
            back = await away.until(
                lambda one: one["data"].get("reply_to") == asked["message_id"] and one["data"]["problem"] is None
            )
            assert back["data"]["text"] == "You said: And I?"
            sent = await app.surely("chat.send", {"text": "Still here"})
            assert (await app.replied(sent["reply_id"]))["text"] == "You said: Still here"
            assert len(model.requests) == 3, "nobody is answered a third time"
