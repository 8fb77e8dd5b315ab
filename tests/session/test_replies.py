"""A reply always ends in a message of the coach: with the real openai client, over loopback, against a scripted model."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from actors.commands import FinishReply
from actors.domain.conversation import OFFLINE
from actors.events import ToolUsed
from actors.ports import ToolCall
from actors.runtime.envelope import TimedOut
from actors.session.problems import TOO_MANY_STEPS, apology
from actors.session.replies import answer
from tests.scripted_model import (
    FOREIGN_GOAL,
    Behaviour,
    Call,
    Exchange,
    Json,
    ScriptedModel,
    calls,
    calls_then_says,
    cut,
    echo,
    endless,
    fails,
    garbage,
    hangs,
    limited,
    loading,
    pieces,
    says,
    scripted_model,
)
from tests.session.story_desk import StoryDesk
from transport.providers.openai_chat import Deadlines, OpenAIChat

WALK: Call = ("create_goal", {"title": "Walk every day"})
READ: Call = ("create_goal", {"title": "Read a book"})


@pytest.fixture
async def server() -> AsyncIterator[ScriptedModel]:
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def desk(server: ScriptedModel) -> AsyncIterator[StoryDesk]:
    """With deadlines that a busy machine keeps."""
    async with OpenAIChat(server.url, "a-key", "some-model") as model:
        await model.warm()
        yield StoryDesk(model)


@pytest.fixture
async def hasty(server: ScriptedModel) -> AsyncIterator[StoryDesk]:
    """For models that do not keep them."""
    deadlines = Deadlines(first=2.0, between=0.4, whole=2.5)
    async with OpenAIChat(server.url, "a-key", "some-model", deadlines=deadlines) as model:
        await model.warm()
        yield StoryDesk(model)


def results(server: ScriptedModel, number: int = -1) -> list[Json]:
    """What tools have answered, as the model reads it in a request."""
    return [json.loads(turn["content"]) for turn in server.prompt(number) if turn["role"] == "tool"]


async def test_the_coach_says_what_the_model_says(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(says("Good morning. How was your walk?", pause=0.01))
    finish = await desk.answered()
    assert finish == FinishReply(desk.reply_id, "Good morning. How was your walk?", "complete", "some-model", tokens=7)
    assert desk.deltas[0] == "Good"
    assert len(desk.deltas) > 1


async def test_without_a_model_the_offline_coach_answers_and_is_named() -> None:
    finish = await StoryDesk().answered()
    assert (finish.state, finish.answered_by, finish.problem) == ("complete", OFFLINE, None)
    assert finish.text == "Offline, None. You have no goals yet."


async def test_a_tool_call_is_carried_out_and_its_result_read(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls(WALK, text="Let me write that down."), says("It stands."))
    finish = await desk.answered()
    assert finish.text == "Let me write that down.\n\nIt stands."
    assert desk.titles == ["Walk every day"]
    (result,) = results(server)
    assert result["goal"]["title"] == "Walk every day"
    asked = server.prompt()[-2]
    assert (asked["role"], asked["content"]) == ("assistant", "Let me write that down.")
    assert asked["tool_calls"][0]["id"] == server.prompt()[-1]["tool_call_id"]


async def test_two_calls_in_one_answer_are_both_carried_out_in_order(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls_then_says(WALK, READ), says("Both stand."))
    assert (await desk.answered()).text == "Both stand."
    assert desk.titles == ["Walk every day", "Read a book"]
    used = [event.data for event in desk.story.events if isinstance(event.data, ToolUsed)]
    assert len({event.call_id for event in used}) == 2
    assert [turn["role"] for turn in server.prompt()[-3:]] == ["assistant", "tool", "tool"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("create_goal", '{"title": '), "invalid"),
        (("create_goal", "[]"), "invalid"),
        (("create_goal", {"title": 7}), "invalid"),
        (("create_goal", {"title": "Walk", "owner": "somebody"}), "invalid"),
        (("delete everything", {}), "invalid"),
        (("complete_goal", {"goal": FOREIGN_GOAL}), "not_found"),
    ],
)
async def test_the_model_is_told_what_was_wrong_and_can_put_it_right(
    desk: StoryDesk, server: ScriptedModel, wrong: Call, code: str
) -> None:
    server.script(calls(wrong), calls(WALK), says("Now it stands."))
    finish = await desk.answered()
    assert (finish.state, finish.text, desk.titles) == ("complete", "Now it stands.", ["Walk every day"])
    assert results(server, 1)[0]["error"]["code"] == code
    for turn in server.prompt():
        for call in turn.get("tool_calls", ()):
            assert isinstance(json.loads(call["function"]["arguments"]), dict), "some servers refuse anything else"
            assert call["function"]["name"].isidentifier()


async def test_another_users_goal_is_no_goal(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls(("complete_goal", {"goal": FOREIGN_GOAL})), says("I can't find that goal."))
    seq = len(desk.story.events)
    assert (await desk.answered()).text == "I can't find that goal."
    assert len(desk.story.events) == seq, "nothing has changed"


async def test_a_model_that_only_calls_tools_is_stopped_after_six_rounds(
    desk: StoryDesk, server: ScriptedModel
) -> None:
    server.otherwise = calls(("list_goals", {}))
    finish = await desk.answered()
    assert (finish.state, finish.text, len(server.requests)) == ("complete", TOO_MANY_STEPS, 7)


async def test_more_calls_at_once_than_are_carried_out_are_refused(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls(*[("create_goal", {"title": f"Goal {n}"}) for n in range(20)]), says("Eight of them."))
    await desk.answered()
    assert desk.titles == [f"Goal {n}" for n in range(8)]
    assert results(server)[-1]["error"]["code"] == "chat.too_many_steps"


@pytest.mark.parametrize(
    ("behaviour", "problem", "said"),
    [
        (cut("I was about to"), "model.cut", "I was about to"),
        (cut("I was about to", cleanly=True), "model.cut", "I was about to"),
        (garbage(text="Well"), "model.cut", "Well"),
        (endless("and so on " * 1000), "model.endless", "and so on"),
        (fails(400), "model.refused", ""),
    ],
)
async def test_a_failure_that_can_not_be_mended_ends_in_a_message_that_says_so(
    desk: StoryDesk, server: ScriptedModel, behaviour: Behaviour, problem: str, said: str
) -> None:
    server.script(behaviour)
    finish = await desk.answered()
    assert (finish.state, finish.problem, finish.answered_by) == ("failed", problem, "some-model")
    assert finish.text.startswith(said)
    assert finish.text.endswith(apology(problem))
    assert len(finish.text) <= 200_000
    assert len(server.requests) == 1
    await server.until(lambda model: model.open == 0)


@pytest.mark.parametrize("behaviour", [hangs("and so on"), endless(pause=0.1)])
async def test_a_model_that_does_not_go_on_is_left(
    hasty: StoryDesk, server: ScriptedModel, behaviour: Behaviour
) -> None:
    server.script(behaviour)
    finish = await hasty.answered()
    assert (finish.state, finish.problem) == ("failed", "model.timeout")
    assert finish.text.startswith("and so on")
    assert finish.text.endswith(apology("model.timeout"))
    await server.until(lambda model: model.left == 1)


async def test_a_model_that_does_not_begin_is_asked_again(hasty: StoryDesk, server: ScriptedModel) -> None:
    server.script(hangs(), says("Here I am."))
    finish = await hasty.answered()
    assert (finish.state, finish.text, len(server.requests)) == ("complete", "Here I am.", 2)


@pytest.mark.parametrize("behaviour", [fails(500), limited("0"), cut(""), says(""), says("   "), garbage()])
async def test_a_failure_before_anything_was_said_is_tried_again(
    desk: StoryDesk, server: ScriptedModel, behaviour: Behaviour
) -> None:
    server.script(behaviour, says("Here I am."))
    finish = await desk.answered()
    assert (finish.state, finish.text, len(server.requests)) == ("complete", "Here I am.", 2)


@pytest.mark.parametrize(
    ("behaviour", "problem", "asked"),
    [
        (fails(500), "model.error", 2),
        (limited("0"), "model.limited", 2),
        (cut(""), "model.cut", 2),
        (limited("6"), "model.limited", 1),
        (fails(401), "model.error", 2),
        (loading(), "model.loading", 1),
    ],
)
async def test_when_no_model_can_be_reached_the_offline_coach_answers_and_says_why(
    desk: StoryDesk, server: ScriptedModel, behaviour: Behaviour, problem: str, asked: int
) -> None:
    server.otherwise = behaviour
    finish = await desk.answered()
    assert (finish.state, finish.problem, finish.answered_by) == ("complete", problem, OFFLINE)
    assert finish.text == f"Offline, {problem}. You have no goals yet."
    assert len(server.requests) == asked, "who failed before saying anything is asked again once, where that can help"


async def test_a_model_that_finds_no_words_twice_says_so(desk: StoryDesk, server: ScriptedModel) -> None:
    server.otherwise = says("")
    finish = await desk.answered()
    assert (finish.state, finish.problem, finish.text) == ("failed", "model.empty", apology("model.empty"))
    assert len(server.requests) == 2


async def test_it_is_tried_again_once_in_a_whole_reply(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(fails(500), calls(WALK), fails(500), says("Too late."))
    finish = await desk.answered()
    assert (finish.problem, desk.titles, len(server.requests)) == ("model.error", ["Walk every day"], 3)


async def test_retry_after_is_waited_out(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(limited("1"), says("Here I am."))
    clock = asyncio.get_running_loop().time
    begun = clock()
    assert (await desk.answered()).state == "complete"
    assert clock() - begun >= 1.0


async def test_nobody_there_ends_in_a_message_too() -> None:
    async with OpenAIChat("http://127.0.0.1:1/v1", "", "m") as model:
        finish = await StoryDesk(model).answered()
    assert (finish.answered_by, finish.problem) == (OFFLINE, "model.unreachable")


async def test_a_failure_after_a_tool_keeps_what_was_said_and_done(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls(WALK, text="Let me write that down."), cut("It"))
    finish = await desk.answered()
    assert finish.text == f"Let me write that down.\n\nIt\n\n{apology('model.cut')}"
    assert (finish.problem, desk.titles) == ("model.cut", ["Walk every day"])


async def test_a_limit_after_a_tool_is_waited_out_and_the_tool_not_used_twice(
    desk: StoryDesk, server: ScriptedModel
) -> None:
    server.script(calls(WALK), limited("0"), says("It stands."))
    assert (await desk.answered()).text == "It stands."
    assert desk.titles == ["Walk every day"]


async def test_after_a_crash_the_reply_goes_on_from_what_was_done(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(calls(("list_goals", {}), ("create_goal", "no")), calls(WALK), hangs())
    making = asyncio.ensure_future(answer(desk.reply, desk))
    await server.until(lambda model: len(model.requests) == 3)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)

    desk.deltas.clear()
    server.script(calls(("list_goals", {}), READ), says("Both stand."))
    assert (await desk.answered()).text == "Both stand."
    assert desk.titles == ["Walk every day", "Read a book"]
    assert [result["goal"]["title"] for result in results(server, 3)] == ["Walk every day"]
    used = [event.data.call_id for event in desk.story.events if isinstance(event.data, ToolUsed)]
    assert len(set(used)) == 2, "the second attempt never takes the name of a call that is in the log"


async def test_a_tool_whose_effect_is_unknown_leaves_the_reply_owed(desk: StoryDesk, server: ScriptedModel) -> None:
    class Unsettled(StoryDesk):
        async def use(self, call: ToolCall) -> str:
            raise TimedOut(effect="unknown")

    unsettled = Unsettled(*desk.models)
    server.script(calls(WALK))
    with pytest.raises(TimedOut):
        await answer(unsettled.reply, unsettled)
    assert unsettled.reply_id in unsettled.story.state.owed


async def test_stopping_ends_the_request_and_keeps_what_was_said(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(endless(pause=0.02))
    making = asyncio.ensure_future(answer(desk.reply, desk))
    await desk.talking.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    said = list(desk.deltas)
    await server.until(lambda model: model.left == 1)
    await asyncio.sleep(0.1)
    assert desk.deltas == said, "after the stop not a word more"


async def test_a_fast_model_does_not_flood_the_devices(desk: StoryDesk, server: ScriptedModel) -> None:
    server.script(pieces(*["word "] * 3000))
    clock = asyncio.get_running_loop().time
    begun = clock()
    finish = await desk.answered()
    assert finish.text == "word " * 3000
    assert len(desk.deltas) <= (clock() - begun) / 0.04 + 3


async def test_the_model_sees_the_newest_message_after_the_data(desk: StoryDesk, server: ScriptedModel) -> None:
    asked: list[str] = []

    async def behave(exchange: Exchange) -> None:
        asked.append(exchange.asked)
        await echo()(exchange)

    server.script(behave)
    assert (await desk.answered()).text == "You said: Hello"
    assert asked == ["Hello"]
    assert server.prompt()[0] == {"role": "system", "content": "You are a coach."}
