"""Whatever the model does, each message is answered by one durable message that says what happened."""

import uuid

import pytest

from tests.flows.app import App, signed_up
from tests.flows.conftest import Running
from tests.scripted_model import calls, says

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(90),
]  # a process starts, and providers are waited for

ENDS = [
    ("slow: good morning", "complete", None, "You said: slow: good morning"),
    ("cut: hello", "failed", "model.cut", "I was about to"),
    ("refused: hello", "failed", "model.refused", ""),
    ("error: hello", "complete", "model.error", "Hello Ann. My language model can't be reached"),
    ("empty: hello", "failed", "model.empty", ""),
    ("garbage: hello", "complete", "model.cut", "Hello Ann. My language model can't be reached"),
    ("empty: hello", "failed", "model.empty", ""),
    ("hang: hello", "complete", "model.timeout", "Hello Ann. My language model can't be reached"),
    ("loading: hello", "complete", "model.loading", "Hello Ann. My language model is still on its way"),
    ("bad-arguments: hello", "complete", None, "Done."),
    ("foreign-goal: hello", "complete", None, "Done."),
]


async def test_every_end_of_a_model_is_a_message_that_says_so(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        for text, state, problem, begins in ENDS:
            sent = await app.surely("chat.send", {"text": text})
            reply = await app.replied(sent["reply_id"])
            assert (reply["state"], reply["problem"]) == (state, problem), (text, reply)
            assert reply["text"].startswith(begins), (text, reply)
            assert reply["text"].strip(), text
            said = "".join(s["data"]["text"] for s in app.signals if s["data"].get("message_id") == reply["id"])
            assert said == reply["text"], "what was streamed is not what was kept"
        log = await app.whole_log()
        assert not [event for event in log if event["type"].startswith("goal.")]
        assert len([event for event in log if event["type"] == "message.added"]) == 2 * len(ENDS)
        assert "Traceback" not in running.node.output


async def test_the_models_tools_are_the_users_own_commands(running: Running) -> None:
    async with signed_up(running.node.url) as ann, signed_up(running.node.url) as eve:
        foreign = (await ann.surely("goal.create", {"title": "Ann's goal"}))["goal"]
        running.model.script(calls(("complete_goal", {"goal": foreign["id"]})), says("That is not yours."))
        assert (await _talk(eve, "complete it"))["text"] == "That is not yours."
        assert "not_found" in running.model.prompt()[-1]["content"]
        running.model.script(calls(("create_goal", {"title": "Swim"})), says("Written down."))
        await _talk(eve, "I want to swim")
        goal = next(event["data"]["goal"] for event in await eve.whole_log() if event["type"] == "goal.created")
        running.model.script(
            calls(("record_progress", {"goal": goal["id"], "progress": 30})),
            calls(("complete_goal", {"goal": goal["id"]})),
            says("Well done."),
        )
        await _talk(eve, "I have swum")
        status, shown = await eve.rest("GET", f"/v1/goals/{goal['id']}")
        assert (status, shown["status"], shown["progress"]) == (200, "done", 100)
        _, me = await eve.rest("GET", "/v1/me")
        assert me["stats"]["goals_completed"] == 1
        _, untouched = await ann.rest("GET", f"/v1/goals/{foreign['id']}")
        assert untouched == foreign


async def test_stopping_over_the_socket_keeps_what_was_said(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        sent = await app.surely("chat.send", {"text": "long: tell me all"})
        await app.until_signal("step")
        ack = await app.surely("chat.stop", {"message_id": sent["message_id"]})
        reply = await app.replied(sent["reply_id"])
        assert ack["message_id"] == sent["reply_id"]
        assert reply["state"] == "interrupted"
        assert "One step" in reply["text"]
        again = await app.command("chat.stop", {"cid": str(uuid.uuid4()), "message_id": sent["message_id"]})
        assert again["error"]["code"] == "chat.no_reply"


async def _talk(app: App, text: str) -> dict[str, str]:
    sent = await app.surely("chat.send", {"text": text})
    reply: dict[str, str] = await app.replied(sent["reply_id"])
    return reply
