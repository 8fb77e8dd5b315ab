"""Actions in a living session: what a model asks for waits for its user, lapses in time, and is shown to all devices."""

from datetime import timedelta

import msgspec
import pytest

from actors.commands import ConfirmAction, CreateGoal, DeclineAction, RemoveGoal, RetryReply, UndoAction
from actors.domain.actions import Action
from actors.domain.addresses import session_address
from actors.domain.refusals import ActionDecided, ActionExpired, Answered, NotFound
from actors.events import ActionResolved, MessageAdded, Recorded
from actors.questions import ActionsShown, ShowActions
from actors.session import due
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside
from tests.session.test_actor import Scripted, calls, fails, says, send


async def actions(node: Inside) -> list[Action]:
    shown: ActionsShown = await node.ref.ask(ShowActions(), timeout=5)
    return list(shown.actions)


def resolved(one: object) -> bool:
    return isinstance(one, Recorded) and isinstance(one.data, ActionResolved)


async def test_a_removal_waits_for_the_users_word_and_happens_once(mongo: ReplicaSet, database: str) -> None:
    model = Scripted(calls("remove_goal", '{"goal": "Chess"}'), says("Shall I?"))
    async with inside(mongo.url, database, model) as node:
        await node.open()
        goal = (await node.order(CreateGoal("Chess"))).answer.goal
        await send(node, "Forget about chess")
        (waiting,) = await actions(node)
        assert (waiting.state, waiting.summary, waiting.goal_id) == ("pending", "Remove “Chess”", goal.id)
        assert msgspec.json.decode(model.asked[1][-1].text)["done"] is False
        first = await node.order(ConfirmAction(waiting.id))
        again = await node.order(ConfirmAction(waiting.id))
        assert first.answer == again.answer
        assert (first.answer.action.state, again.seq) == ("confirmed", first.seq)
        with pytest.raises(ActionDecided):
            await node.order(DeclineAction(waiting.id))
        with pytest.raises(NotFound):
            await node.order(RemoveGoal(goal.id))
        kinds = [one.type for one in node.device.events][-2:]
        assert kinds == ["goal.removed", "action.resolved"]
        assert await actions(node) == []


async def test_what_was_done_at_once_can_be_undone_after_a_restart(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(calls("create_goal", '{"title": "Read"}'), says("Done."))) as node:
        await node.open()
        await send(node, "I want to read")
        user_id = node.user_id
    async with inside(mongo.url, database) as node:
        node.user_id = user_id
        (done,) = await actions(node)
        assert done.state == "done"
        undone = await node.order(UndoAction(done.id))
        assert undone.answer.action.state == "undone"
        session = node.session()
        assert session is not None
        assert session.state.goals == {}


async def test_a_proposal_lapses_by_itself_awake_or_asleep(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LONGEST", 0.3)  # the clock is looked at before it is time, and again
    model = Scripted(
        calls("remove_goal", '{"goal": "Chess"}'), says("Shall I?"), calls("remove_goal", '{"goal": "Go"}')
    )
    async with inside(mongo.url, database, model, actions_wait=timedelta(seconds=1)) as node:
        await node.open()
        await node.order(CreateGoal("Chess"))
        await node.order(CreateGoal("Go"))
        await send(node)
        (waiting,) = await actions(node)
        head = await node.log.head(session_address(node.user_id))
        assert head is not None
        assert head.due_at == waiting.expires_at, "the clock wakes the session then, should it sleep"
        lapsed = await node.device.until(resolved)
        assert lapsed.data == ActionResolved(waiting.id, "expired")
        with pytest.raises(ActionExpired):
            await node.order(ConfirmAction(waiting.id))
        model.answers.append(says("And this?"))
        await send(node)
        (waiting,) = await actions(node)
        user_id = node.user_id
    async with inside(mongo.url, database) as node:
        node.user_id = user_id
        with pytest.raises(NotFound):
            await node.order(UndoAction(user_id))
        lapsed = await node.device.until(resolved)
        assert lapsed.data == ActionResolved(waiting.id, "expired")


async def test_who_only_waits_for_a_word_may_sleep(mongo: ReplicaSet, database: str) -> None:
    model = Scripted(calls("remove_goal", '{"goal": "Chess"}'), says("Shall I?"))
    async with inside(mongo.url, database, model) as node:
        await node.open()
        await node.order(CreateGoal("Chess"))
        await send(node)
        session = node.session()
        assert session is not None
        assert session.idle()


async def test_a_failed_reply_is_made_again(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, Scripted(fails("model.refused"), says("Here I am."))) as node:
        await node.open()
        message_id, failed = await send(node, "Are you there?")
        assert failed.state == "failed"
        again = await node.order(RetryReply(failed.id))
        reply: MessageAdded = await node.device.reply(again.answer.reply_id)
        assert (reply.reply_to, reply.text, reply.state) == (message_id, "Here I am.", "complete")
        with pytest.raises(Answered):
            await node.order(RetryReply(message_id))


async def test_what_the_offline_coach_said_is_answered_anew_once_there_is_a_model(
    mongo: ReplicaSet, database: str
) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        message_id, _ = await send(node, "How do I begin?")
        user_id = node.user_id
    async with inside(mongo.url, database, Scripted(says("With one step."))) as node:
        node.user_id = user_id
        again = await node.order(RetryReply(message_id))
        assert (await node.device.reply(again.answer.reply_id)).text == "With one step."


async def test_a_retried_reply_survives_a_restart(mongo: ReplicaSet, database: str) -> None:
    slow = says(*("word " for _ in range(1_000)), pause=0.1)
    async with inside(mongo.url, database, Scripted(fails("model.refused"), slow)) as node:
        await node.open()
        message_id, failed = await send(node, "Hello?")
        again = await node.order(RetryReply(failed.id))
        user_id = node.user_id
    async with inside(mongo.url, database, Scripted(says("Hello."))) as node:
        node.user_id = user_id
        await actions(node)
        reply = await node.device.reply(again.answer.reply_id)
        assert (reply.reply_to, reply.text) == (message_id, "Hello.")
