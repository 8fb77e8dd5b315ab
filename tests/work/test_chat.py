"""The conversation with the coach: every message owes one reply, and every reply ends once."""

import msgspec
import pytest

from actors.commands import (
    CallTool,
    Command,
    CompleteGoal,
    CreateGoal,
    RecordProgress,
    RemoveGoal,
    SendMessage,
    StopReply,
)
from actors.domain.conversation import HISTORY, HISTORY_CHARACTERS, MAX_OWED, MAX_STEPS
from actors.domain.refusals import (
    Conflict,
    GoalClosed,
    Invalid,
    NoReply,
    NotFound,
    ReplyPending,
    TooManySteps,
    UnknownCommand,
)
from actors.runtime.ids import derived
from actors.work import chat
from tests.session.story import ANN, BERLIN, Story

STRANGE = "0198ffff-0000-7000-8000-00000000ffff"


def use(story: Story, reply_id: str, command: Command, *, name: str = "create_goal", call_id: str = "call-1") -> str:
    call = CallTool(reply_id, call_id, name, "{}", command)
    answer = story.do(lambda stamp: chat.use_tool(story.state.goals, story.state.owed, call, stamp, BERLIN))
    assert isinstance(answer, chat.ToolResult)
    return answer.result


def stop(story: Story, message_id: str, said: str = "") -> chat.Ended:
    answer = story.do(lambda stamp: chat.stopped(story.state.owed, StopReply(message_id), said, stamp, "model"))
    assert isinstance(answer, chat.Ended)
    return answer


def test_a_message_is_kept_and_owes_a_reply(story: Story) -> None:
    sent = story.say("I ran today")
    kept = story.state.history[-1]
    assert (kept.id, kept.seq, kept.role, kept.author_id, kept.text) == (
        sent.message_id,
        sent.seq,
        "user",
        ANN,
        "I ran today",
    )
    assert sent.seq == len(story.events)
    assert sent.reply_id == derived(sent.message_id, "reply")
    assert list(story.state.owed) == [sent.reply_id]
    assert story.state.owed[sent.reply_id].message_id == sent.message_id
    assert story.state.owed[sent.reply_id].since == story.at


def test_the_coachs_message_ends_the_debt(story: Story) -> None:
    sent = story.say()
    ended = story.finish(sent.reply_id, "Well done.")
    last = story.state.history[-1]
    assert (last.id, last.role, last.author_id, last.reply_to) == (sent.reply_id, "coach", "coach", sent.message_id)
    assert (last.text, last.state, last.answered_by) == ("Well done.", "complete", "model")
    assert ended == chat.Ended(sent.reply_id, last.seq)
    assert story.state.owed == {}


def test_a_failed_reply_says_why(story: Story) -> None:
    story.finish(story.say().reply_id, "…", state="failed", problem="model.cut")
    assert (story.state.history[-1].state, story.state.history[-1].problem) == ("failed", "model.cut")


def test_a_reply_ends_once_and_only_if_it_is_owed(story: Story) -> None:
    sent = story.say()
    with pytest.raises(Conflict):
        story.finish(STRANGE)
    with pytest.raises(Conflict):
        story.finish(sent.message_id)
    story.finish(sent.reply_id)
    with pytest.raises(Conflict):
        story.finish(sent.reply_id)


def test_replies_are_owed_in_order_up_to_a_bound(story: Story) -> None:
    sent = [story.say(str(number)) for number in range(MAX_OWED)]
    assert list(story.state.owed) == [one.reply_id for one in sent]
    with pytest.raises(ReplyPending) as refused:
        story.say("One more")
    assert refused.value.retry_after_ms
    story.finish(sent[0].reply_id)
    assert story.say("Now it fits").reply_id in story.state.owed


@pytest.mark.parametrize("text", [" ", "\n", "\u00a0\t"])
def test_a_message_says_something(story: Story, text: str) -> None:
    with pytest.raises(Invalid):
        story.say(text)


def test_a_message_is_kept_exactly_as_it_was_written(story: Story) -> None:
    text = "  two\n\nlines \N{RUNNER}\N{ZERO WIDTH JOINER}\N{FEMALE SIGN} {$gt: 1} <b>\x00"
    story.say(text)
    assert story.state.history[-1].text == text


@pytest.mark.parametrize("by_reply", [True, False])
def test_stopping_keeps_what_was_said(story: Story, by_reply: bool) -> None:  # noqa: FBT001 - a parameter
    sent = story.say()
    ended = stop(story, sent.reply_id if by_reply else sent.message_id, "I think you sh")
    last = story.state.history[-1]
    assert (last.id, last.text, last.state, last.reply_to) == (
        sent.reply_id,
        "I think you sh",
        "interrupted",
        sent.message_id,
    )
    assert last.answered_by == "model"
    assert ended == chat.Ended(sent.reply_id, last.seq)
    assert story.state.owed == {}
    with pytest.raises(Conflict):
        story.finish(sent.reply_id)


def test_a_reply_that_has_not_begun_ends_empty_and_the_others_stay(story: Story) -> None:
    first, second, third = story.say("1"), story.say("2"), story.say("3")
    stop(story, second.message_id)
    assert (story.state.history[-1].id, story.state.history[-1].text) == (second.reply_id, "")
    assert list(story.state.owed) == [first.reply_id, third.reply_id]


def test_there_is_nothing_to_stop_when_nothing_is_owed(story: Story) -> None:
    sent = story.say()
    with pytest.raises(NoReply):
        stop(story, STRANGE)
    story.finish(sent.reply_id)
    for name in (sent.reply_id, sent.message_id):
        with pytest.raises(NoReply):
            stop(story, name)


def test_a_tool_does_what_the_command_does_and_is_recorded_with_it(story: Story) -> None:
    sent = story.say("I want to run a marathon")
    before = len(story.events)
    result = msgspec.json.decode(use(story, sent.reply_id, CreateGoal("Run a marathon", area="health")))
    (goal,) = story.state.goals.values()
    assert (goal.title, goal.area) == ("Run a marathon", "health")
    assert result["goal"] == {
        "id": goal.id,
        "title": "Run a marathon",
        "status": "open",
        "progress": 0.0,
        "area": "health",
    }
    assert [one.type for one in story.events[before:]] == ["goal.created", "tool.used"]
    (step,) = story.state.owed[sent.reply_id].steps
    assert (step.call_id, step.name) == ("call-1", "create_goal")
    assert msgspec.json.decode(step.result) == result


def test_tools_record_and_complete(story: Story) -> None:
    goal, sent = story.create(), story.say()
    use(story, sent.reply_id, RecordProgress(goal.id, 40))
    assert story.now(goal).progress == 40.0
    result = msgspec.json.decode(use(story, sent.reply_id, CompleteGoal(goal.id)))
    assert (result["done"], result["goal"]["status"], story.now(goal).status) == (True, "done", "done")
    assert story.state.goals_completed == 1


@pytest.mark.parametrize(
    ("command", "refusal"),
    [(RecordProgress(STRANGE, 40), NotFound), (CompleteGoal(STRANGE), NotFound), (CreateGoal("A", STRANGE), NotFound)],
)
def test_a_tool_that_is_refused_leaves_nothing(story: Story, command: Command, refusal: type[Exception]) -> None:
    sent, before = story.say(), story.state
    with pytest.raises(refusal):
        use(story, sent.reply_id, command)
    assert story.state == msgspec.structs.replace(before, history=before.history, owed=story.state.owed)
    assert story.state.owed[sent.reply_id].steps == ()


def test_a_tool_may_do_only_what_tools_may(story: Story) -> None:
    goal, sent = story.create(), story.say()
    for command in (RemoveGoal(goal.id, "delete"), SendMessage("Hello me")):
        with pytest.raises(UnknownCommand):
            use(story, sent.reply_id, command)


def test_tools_belong_to_a_reply_that_is_owed(story: Story) -> None:
    sent = story.say()
    story.finish(sent.reply_id)
    with pytest.raises(Conflict):
        use(story, sent.reply_id, CreateGoal("Too late"))


def test_tools_of_one_reply_are_bounded(story: Story) -> None:
    goal, sent = story.create(), story.say()
    for number in range(MAX_STEPS):
        use(story, sent.reply_id, RecordProgress(goal.id, number), call_id=str(number))
    with pytest.raises(TooManySteps):
        use(story, sent.reply_id, RecordProgress(goal.id, 50))


def test_a_tool_follows_the_rules_of_goals(story: Story) -> None:
    goal, sent = story.complete(story.create()), story.say()
    with pytest.raises(GoalClosed):
        use(story, sent.reply_id, RecordProgress(goal.id, 40))


def test_the_newest_messages_stay_in_mind(story: Story) -> None:
    for number in range(HISTORY):
        story.finish(story.say(f"q{number}").reply_id, f"a{number}")
    assert len(story.state.history) == HISTORY
    assert [held.text for held in story.state.history[-2:]] == [f"q{HISTORY - 1}", f"a{HISTORY - 1}"]
    assert [held.seq for held in story.state.history] == sorted(held.seq for held in story.state.history)


def test_a_message_whose_reply_is_owed_stays_however_old(story: Story) -> None:
    waiting = story.say("Please don't forget me")
    for number in range(HISTORY):
        story.finish(story.say(str(number)).reply_id)
    assert story.state.history[0].id == waiting.message_id
    story.finish(waiting.reply_id)
    assert waiting.message_id not in {held.id for held in story.state.history}
    assert len(story.state.history) == HISTORY


def test_very_long_messages_leave_sooner_but_never_the_newest(story: Story) -> None:
    for _ in range(4):
        story.finish(story.say().reply_id, "x" * (HISTORY_CHARACTERS // 3))
    assert sum(len(held.text) for held in story.state.history) <= HISTORY_CHARACTERS
    last = story.say("y" * 16_000)
    story.finish(last.reply_id, "z" * (HISTORY_CHARACTERS + 1))
    assert [held.id for held in story.state.history] == [last.reply_id]
