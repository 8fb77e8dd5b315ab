"""Whoever was answered before the model was there is answered again when they wake: the first question, once."""

from collections.abc import Sequence

from actors.commands import SendMessage
from actors.events import MessageAdded
from actors.questions import ModelCame, ShowProfile
from actors.session.waiting import first_left_waiting
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside
from tests.session.story import Story
from tests.session.test_actor import Scripted, fails, says


def answers(node: Inside) -> Sequence[MessageAdded]:
    return [one.data for one in node.device.events if isinstance(one.data, MessageAdded) and one.data.role == "coach"]


def test_it_is_the_first_of_the_newest_answers_and_nobody_once_the_talk_has_gone_on() -> None:
    story = Story()
    assert first_left_waiting(story.state.history) is None
    story.finish(story.say("Before").reply_id, "Yes.")
    first = story.finish(story.say("One").reply_id, "On its way.", problem="model.loading").message_id
    story.finish(story.say("Two").reply_id, "On its way.", problem="model.loading")
    story.say("Three")
    found = first_left_waiting(story.state.history)
    assert found is not None
    assert found.id == first
    story.finish(next(iter(story.state.owed)), "Now.")
    assert first_left_waiting(story.state.history) is None


async def test_who_sleeps_while_the_model_comes_is_answered_again_at_the_next_wake(
    mongo: ReplicaSet, database: str
) -> None:
    async with inside(
        mongo.url, database, Scripted(fails("model.loading")), model_missing=lambda: "model.loading"
    ) as node:
        await node.open()
        sent = [(await node.order(SendMessage(text))).answer for text in ("One", "Two")]
        for one in sent:
            assert (await node.device.reply(one.reply_id)).problem == "model.loading"
        user_id = node.user_id
        await node.ref.ask(ModelCame(), timeout=5)
        assert len(answers(node)) == 2, "it has not come yet"
    for expected in (1, 0):
        model = Scripted(says("Here I am."))
        async with inside(mongo.url, database, model) as node:
            node.user_id = user_id
            await node.ref.ask(ShowProfile(), timeout=5)
            if expected:
                await node.device.until(lambda _: len(answers(node)) == 1)
                (again,) = answers(node)
                assert (again.text, again.reply_to) == ("Here I am.", sent[0].message_id)
            await node.ref.ask(ModelCame(), timeout=5)
            assert len(model.asked) == expected
