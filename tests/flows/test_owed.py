"""What is owed follows by itself, however late: nobody has to come back for it (G1)."""

from pathlib import Path

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import signed_up
from tests.flows.node import node
from tests.scripted_model import hangs, says, scripted_model


async def test_a_reply_owed_by_a_killed_node_is_made_with_nobody_there(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    async with scripted_model(otherwise=hangs("I was just ")) as model:
        settings = {"LIFEBUDDY_MONGO_DATABASE": database, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "scripted"}
        async with node(tmp_path, mongo.url, valkey.url, **settings) as server:
            async with signed_up(server.url) as app:
                sent = await app.surely("chat.send", {"text": "Are you there?"})
                await app.until_signal("I was just")
            server.kill()
            model.otherwise = says("Yes, I am.")
            await server.start_ready()
            await model.until(lambda model: len(model.requests) == 2)
            await app.connect()
            reply = await app.replied(sent["reply_id"])
            assert (reply["text"], reply["state"]) == ("Yes, I am.", "complete")
            assert [event["seq"] for event in app.events] == [1, 2, 3]
            await app.disconnect()
        assert len(model.requests) == 2
