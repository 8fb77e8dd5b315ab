"""What the coach asks for: adding happens at once and can be undone, the rest waits for the user's word."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from actors.commands import (
    ChangeGoal,
    Command,
    CompleteGoal,
    ConfirmAction,
    CreateGoal,
    DeclineAction,
    ExpireAction,
    MoveGoal,
    RecordProgress,
    RemoveGoal,
    SendMessage,
    UndoAction,
)
from actors.domain.actions import KEPT, MAX_PENDING, UNDO_SHOWN, WAITS, Action
from actors.domain.conversation import MAX_STEPS
from actors.domain.goals import Goal, Metric
from actors.domain.refusals import (
    ActionChanged,
    ActionDecided,
    ActionExpired,
    Conflict,
    GoalClosed,
    GoalHasChildren,
    NotFound,
    NothingToUndo,
    TooManyActions,
    TooManySteps,
    UnknownCommand,
)
from tests.session.story import Story

STRANGE = "0198ffff-0000-7000-8000-00000000ffff"


def use(story: Story, command: Command, **given: Any) -> dict[str, Any]:
    """A tool call in a conversation of its own; what the model is told."""
    reply_id = story.say().reply_id
    told = story.use(reply_id, command, **given)
    story.finish(reply_id)
    return msgspec.json.decode(told, type=dict[str, Any])


def act(story: Story, command: Command) -> Action:
    use(story, command)
    return story.newest_action()


def types(story: Story, since: int) -> list[str]:
    return [one.type for one in story.events[since:]]


# ── at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tool_does_what_the_command_does_and_is_recorded_with_it(story: Story) -> None:
    sent = story.say("I want to run a marathon")
    before = len(story.events)
    told = story.use(sent.reply_id, CreateGoal("Run a marathon", area="health"), name="create_goal")
    result = msgspec.json.decode(told)
    (goal,) = story.state.goals.values()
    assert (goal.title, goal.area) == ("Run a marathon", "health")
    assert result["goal"] == {
        "id": goal.id,
        "title": "Run a marathon",
        "status": "open",
        "progress": 0.0,
        "area": "health",
    }
    assert types(story, before) == ["goal.created", "action.taken", "tool.used"]
    (step,) = story.state.owed[sent.reply_id].steps
    assert (step.call_id, step.name) == ("call-1", "create_goal")
    assert msgspec.json.decode(step.result) == result


def test_tools_record_and_complete(story: Story) -> None:
    goal, sent = story.create(), story.say()
    story.use(sent.reply_id, RecordProgress(goal.id, 40))
    assert story.now(goal).progress == 40.0
    result = msgspec.json.decode(story.use(sent.reply_id, CompleteGoal(goal.id)))
    assert (result["done"], result["goal"]["status"], story.now(goal).status) == (True, "done", "done")
    assert story.state.goals_completed == 1


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (RecordProgress(STRANGE, 40), NotFound),
        (CompleteGoal(STRANGE), NotFound),
        (CreateGoal("A", STRANGE), NotFound),
        (ChangeGoal(STRANGE, title="Mine"), NotFound),
        (RemoveGoal(STRANGE), NotFound),
        (MoveGoal(STRANGE, None), NotFound),
        (SendMessage("Hello me"), UnknownCommand),
    ],
)
def test_a_tool_that_is_refused_leaves_nothing(story: Story, command: Command, refusal: type[Exception]) -> None:
    sent = story.say()
    before = story.state
    with pytest.raises(refusal):
        story.use(sent.reply_id, command)
    assert story.state == before


def test_tools_belong_to_a_reply_that_is_owed(story: Story) -> None:
    sent = story.say()
    story.finish(sent.reply_id)
    with pytest.raises(Conflict):
        story.use(sent.reply_id, CreateGoal("Too late"))


def test_tools_of_one_reply_are_bounded(story: Story) -> None:
    goal, sent = story.create(), story.say()
    for number in range(MAX_STEPS):
        story.use(sent.reply_id, RecordProgress(goal.id, number), call_id=str(number))
    with pytest.raises(TooManySteps):
        story.use(sent.reply_id, RecordProgress(goal.id, 50))


def test_a_tool_follows_the_rules_of_goals(story: Story) -> None:
    goal, sent = story.complete(story.create()), story.say()
    with pytest.raises(GoalClosed):
        story.use(sent.reply_id, RecordProgress(goal.id, 40))


def test_what_is_done_at_once_says_so_and_can_be_undone_prominently_for_a_while(story: Story) -> None:
    action = act(story, CreateGoal("Run 10 km", due=date(2026, 6, 30)))
    (goal,) = story.state.goals.values()
    assert (action.state, action.command, action.goal_id) == ("done", "goal.create", goal.id)
    assert action.summary == "Add the goal “Run 10 km”, due 2026-06-30"
    assert action.undo_shown_until == action.created_at + UNDO_SHOWN
    assert (action.before, action.after) == (None, goal)


# ── undoing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_undoing_what_was_created_removes_it(story: Story) -> None:
    action = act(story, CreateGoal("Run"))
    before = len(story.events)
    story.at += timedelta(days=3)
    assert story.act(UndoAction(action.id)).state == "undone"
    assert story.state.goals == {}
    assert types(story, before) == ["goal.removed", "action.resolved"]
    assert story.act(UndoAction(action.id)).state == "undone"
    assert len(story.events) == before + 2, "undone once"


def test_undoing_progress_brings_the_former_value_back(story: Story) -> None:
    top = story.create("Top")
    goal = story.create("Run", parent_id=top.id, metric=Metric("km", 50))
    story.progress(goal, amount=10)
    action = act(story, RecordProgress(goal.id, add=15))
    assert action.summary == "Record 25 of 50 km on “Run”"
    assert story.now(top).progress == 50
    story.change(goal, title="Run far")
    story.act(UndoAction(action.id))
    now = story.now(goal)
    assert now.metric == Metric("km", 50, 0, 10)
    assert (now.title, now.progress, story.now(top).progress) == ("Run far", 20, 20)


def test_undoing_a_completion_opens_the_goal_again(story: Story) -> None:
    goal = story.progress(story.create("Run"), 60)
    action = act(story, CompleteGoal(goal.id))
    assert (action.summary, story.state.goals_completed) == ("Complete “Run”", 1)
    story.act(UndoAction(action.id))
    assert (story.now(goal).status, story.now(goal).progress, story.state.goals_completed) == ("open", 60, 0)


@pytest.mark.parametrize("command", [lambda goal: RecordProgress(goal.id, 40), lambda goal: CompleteGoal(goal.id)])
def test_undoing_takes_its_day_out_of_the_streak_unless_something_else_was_done_on_it(
    story: Story, command: Callable[[Goal], Command]
) -> None:
    goal, other = story.create("Run"), story.create("Read")
    story.progress(other, 10)
    story.at += timedelta(days=1)
    for own in (0, 1):
        action = act(story, command(goal))
        assert story.state.activity.days_in_row == 2
        for n in range(own):
            story.progress(other, 20 + n)
        story.act(UndoAction(action.id))
        assert story.state.activity.days_in_row == 1 + own


def test_opening_a_goal_again_oneself_leaves_the_day(story: Story) -> None:
    goal = story.complete(story.create("Run"))
    story.reopen(goal)
    assert story.state.activity.days_in_row == 1


def _add_a_part(story: Story, goal: Goal) -> None:
    story.create("Part", parent_id=goal.id)


def _complete_anew(story: Story, goal: Goal) -> None:
    story.reopen(goal)
    story.complete(goal)


CREATED: list[Callable[[Story, Goal], object]] = [
    _add_a_part,
    lambda story, goal: story.progress(goal, 5),
    lambda story, goal: story.change(goal, title="Mine now"),
    lambda story, goal: story.complete(goal),
    lambda story, goal: story.remove(goal),
]


@pytest.mark.parametrize("later", CREATED)
def test_what_was_built_upon_is_not_undone(story: Story, later: Callable[[Story, Goal], object]) -> None:
    action = act(story, CreateGoal("Run"))
    (goal,) = story.state.goals.values()
    later(story, goal)
    before = story.state
    with pytest.raises(ActionChanged):
        story.act(UndoAction(action.id))
    assert story.state == before


@pytest.mark.parametrize(
    "later",
    [
        lambda story, goal: story.progress(goal, 70),
        lambda story, goal: story.complete(goal),
        lambda story, goal: story.remove(goal),
    ],
)
def test_progress_that_went_on_is_not_undone(story: Story, later: Callable[[Story, Goal], object]) -> None:
    goal = story.create("Run")
    action = act(story, RecordProgress(goal.id, 40))
    later(story, goal)
    with pytest.raises(ActionChanged):
        story.act(UndoAction(action.id))


@pytest.mark.parametrize("later", [_complete_anew, Story.reopen, Story.remove])
def test_another_completion_is_not_undone(story: Story, later: Callable[[Story, Goal], object]) -> None:
    goal = story.create("Run")
    action = act(story, CompleteGoal(goal.id))
    later(story, goal)
    with pytest.raises(ActionChanged):
        story.act(UndoAction(action.id))


def test_only_what_was_done_at_once_is_undone(story: Story) -> None:
    goal = story.create("Run")
    action = act(story, RemoveGoal(goal.id))
    with pytest.raises(NothingToUndo):
        story.act(UndoAction(action.id))
    story.act(ConfirmAction(action.id))
    with pytest.raises(NothingToUndo):
        story.act(UndoAction(action.id))
    with pytest.raises(NotFound):
        story.act(UndoAction(STRANGE))


# ── with consent ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_changes_or_removes_only_waits(story: Story) -> None:
    goal, other = story.create("Run", due=date(2026, 6, 1)), story.create("Get fit")
    asked: list[tuple[Command, str]] = [
        (RemoveGoal(goal.id), "Remove “Run”"),
        (
            ChangeGoal(goal.id, title="Walk", due=date(2026, 7, 1)),
            "Change “Run”: the title from “Run” to “Walk”; the day from 2026-06-01 to 2026-07-01",
        ),
        (MoveGoal(goal.id, other.id), "Make “Run” a part of “Get fit”"),
    ]
    for command, summary in asked:
        goals, before = story.state.goals, len(story.events)
        told = use(story, command)
        assert (told["done"], told["summary"]) == (False, summary)
        assert "nothing has changed" in told["waiting"]
        assert story.state.goals == goals
        assert types(story, before) == ["message.added", "action.proposed", "tool.used", "message.added"]
        action = story.newest_action()
        assert (action.state, action.summary, action.goal_id) == ("pending", summary, goal.id)
        assert action.expires_at == action.created_at + WAITS


def test_confirmed_it_happens_once(story: Story) -> None:
    goal = story.create("Run")
    action = act(story, RemoveGoal(goal.id))
    before = len(story.events)
    confirmed = story.act(ConfirmAction(action.id))
    assert (confirmed.state, story.state.goals) == ("confirmed", {})
    assert types(story, before) == ["goal.removed", "action.resolved"]
    assert story.act(ConfirmAction(action.id)) == confirmed
    assert len(story.events) == before + 2
    with pytest.raises(ActionDecided):
        story.act(DeclineAction(action.id))


def test_a_change_is_made_as_it_was_shown(story: Story) -> None:
    goal = story.create("Run", metric=Metric("km", 50))
    change = act(story, ChangeGoal(goal.id, title="Walk", metric=Metric("km", 80)))
    assert change.summary == "Change “Run”: the title from “Run” to “Walk”; the target from 50 km to 80 km"
    story.change(goal, area="health")
    story.act(ConfirmAction(change.id))
    now = story.now(goal)
    assert (now.title, now.area, now.metric) == ("Walk", "health", Metric("km", 80))


def test_declined_nothing_happens_and_that_stays_so(story: Story) -> None:
    goal = story.create("Run")
    action = act(story, RemoveGoal(goal.id))
    assert story.act(DeclineAction(action.id)).state == "declined"
    assert story.act(DeclineAction(action.id)).state == "declined"
    with pytest.raises(ActionDecided):
        story.act(ConfirmAction(action.id))
    assert goal.id in story.state.goals


CHANGED: list[tuple[Callable[[Story, Goal], object], str]] = [
    (lambda story, goal: story.remove(goal), "not_found"),
    (_add_a_part, "goal.has_children"),
    (lambda story, goal: story.change(goal, title="Run for life"), "action.changed"),
    (lambda story, goal: story.complete(goal), "action.changed"),
]


@pytest.mark.parametrize(("meanwhile", "problem"), CHANGED)
def test_when_the_world_has_changed_the_action_fails_and_says_why(
    story: Story, meanwhile: Callable[[Story, Goal], object], problem: str
) -> None:
    goal = story.create("Run")
    action = act(story, RemoveGoal(goal.id))
    meanwhile(story, goal)
    goals, before = story.state.goals, len(story.events)
    failed = story.act(ConfirmAction(action.id))
    assert (failed.state, failed.problem) == ("failed", problem)
    assert story.state.goals == goals
    assert types(story, before) == ["action.resolved"]
    assert story.act(ConfirmAction(action.id)) == failed


def test_no_more_is_removed_than_was_shown(story: Story) -> None:
    goal = story.create("Run")
    for title in ("a", "b", "c", "d"):
        story.create(title, parent_id=goal.id)
    action = act(story, RemoveGoal(goal.id, "delete"))
    assert action.summary == "Remove “Run” and all its parts: “a”, “b”, “c” and 1 more"
    story.create("e", parent_id=goal.id)
    assert story.act(ConfirmAction(action.id)).problem == "action.changed"
    assert len(story.state.goals) == 6
    again = act(story, RemoveGoal(goal.id, "close"))
    assert again.summary == "Remove “Run” and cancel its open parts: “a”, “b”, “c” and 2 more"
    assert story.act(ConfirmAction(again.id)).state == "confirmed"


def test_a_value_the_user_has_changed_meanwhile_is_not_overwritten(story: Story) -> None:
    goal = story.create("Run", metric=Metric("km", 50))
    change = act(story, ChangeGoal(goal.id, metric=Metric("km", 80)))
    story.progress(goal, amount=20)
    assert story.act(ConfirmAction(change.id)).problem == "action.changed"
    assert story.now(goal).metric == Metric("km", 50, 0, 20)


def test_a_proposal_lapses(story: Story) -> None:
    goal = story.create("Run")
    action = act(story, RemoveGoal(goal.id))
    with pytest.raises(ActionDecided):
        story.act(ExpireAction(action.id))
    story.at += WAITS
    for word in (ConfirmAction(action.id), DeclineAction(action.id)):
        with pytest.raises(ActionExpired):
            story.act(word)
    assert story.act(ExpireAction(action.id)).state == "expired"
    with pytest.raises(ActionExpired):
        story.act(ConfirmAction(action.id))
    assert goal.id in story.state.goals


def test_what_waits_already_is_not_proposed_twice(story: Story) -> None:
    goal = story.create("Run")
    first = act(story, RemoveGoal(goal.id))
    told = use(story, RemoveGoal(goal.id))
    assert told["summary"] == first.summary
    assert list(story.state.actions) == [first.id]
    story.act(DeclineAction(first.id))
    assert act(story, RemoveGoal(goal.id)).id != first.id


def test_what_would_be_refused_or_change_nothing_is_not_proposed(story: Story) -> None:
    goal = story.create("Run")
    assert use(story, ChangeGoal(goal.id, title="Run"))["done"] is True
    story.create("Part", parent_id=goal.id)
    with pytest.raises(GoalHasChildren):
        use(story, RemoveGoal(goal.id))
    assert story.state.actions == {}


def test_what_may_wait_at_once_is_bounded(story: Story) -> None:
    goals = [story.create(str(number)) for number in range(MAX_PENDING + 1)]
    for goal in goals[:-1]:
        use(story, RemoveGoal(goal.id))
    with pytest.raises(TooManyActions):
        use(story, RemoveGoal(goals[-1].id))
    story.at += WAITS
    assert act(story, RemoveGoal(goals[-1].id)).state == "pending", "those that are too old don't count"


def test_of_what_was_done_only_the_newest_is_held_and_all_that_waits(story: Story) -> None:
    goal = story.create("Run")
    waiting = act(story, RemoveGoal(goal.id))
    for number in range(KEPT + 5):
        use(story, CreateGoal(f"Goal {number}"))
    assert len(story.state.actions) == KEPT + 1
    assert story.state.actions[waiting.id].state == "pending"


@pytest.mark.parametrize("title", ["Run\u202e\n\n<b>”; really: keep everything", "x" * 300])
def test_a_title_does_not_reword_what_is_asked(story: Story, title: str) -> None:
    action = act(story, RemoveGoal(story.create(title).id))
    assert action.summary.startswith("Remove “")
    assert action.summary.endswith("”")
    assert "\n" not in action.summary
    assert "\u202e" not in action.summary
    assert len(action.summary) < 120
