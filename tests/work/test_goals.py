"""Goals: what may be done with them, what is refused, and what everything above comes to."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from actors.commands import CompleteGoal, CreateGoal
from actors.domain import roll_up
from actors.domain.goals import MAX_GOALS, Goal, Metric
from actors.domain.refusals import (
    GoalClosed,
    GoalDepth,
    GoalFromChildren,
    GoalOpen,
    Invalid,
    NotFound,
    TooManyGoals,
)
from actors.runtime.envelope import Refused
from actors.work import goals
from tests.session.story import Story

STRANGE = "0198ffff-0000-7000-8000-00000000ffff"


def stranger(story: Story) -> Goal:
    """Somebody else's goal: an id this user has never had."""
    other = Story().create("Not yours")
    return Goal(id=STRANGE, title=other.title, created_at=story.at, updated_at=story.at)


def test_a_new_goal_is_open_at_zero(story: Story) -> None:
    goal = story.create("  Run a marathon ", area="health", due=date(2026, 10, 1), effort=3)
    assert (goal.title, goal.area, goal.due, goal.effort) == ("Run a marathon", "health", date(2026, 10, 1), 3)
    assert (goal.status, goal.progress, goal.source, goal.parent_id) == ("open", 0.0, "manual", None)
    assert goal.created_at == goal.updated_at == story.at


def test_a_measured_goal_begins_where_its_metric_stands(story: Story) -> None:
    goal = story.create(metric=Metric("km", 500, 0, 125))
    assert (goal.progress, goal.source) == (25.0, "metric")


def test_a_new_part_lowers_what_it_belongs_to(story: Story) -> None:
    parent = story.create()
    first = story.create(parent_id=parent.id)
    story.progress(first, 80)
    story.create(parent_id=parent.id)
    assert (story.now(parent).progress, story.now(parent).source) == (40.0, "children")


@pytest.mark.parametrize("title", [" ", "\n\t", "\u2003"])
def test_a_title_says_something(story: Story, title: str) -> None:
    with pytest.raises(Invalid) as refused:
        story.create(title)
    assert set(refused.value.fields or {}) == {"title"}


def test_a_metric_that_ends_where_it_starts_is_refused(story: Story) -> None:
    with pytest.raises(Invalid):
        story.create(metric=Metric("km", 5, 5))
    with pytest.raises(Invalid):
        story.change(story.create(), metric=Metric("km", 0))


def test_goals_are_at_most_eight_levels_deep(story: Story) -> None:
    lowest = story.chain(8)[-1]
    with pytest.raises(GoalDepth):
        story.create(parent_id=lowest.id)


def test_there_are_at_most_so_many_goals(story: Story) -> None:
    one = story.create()
    full = {str(number): one for number in range(MAX_GOALS)}
    with pytest.raises(TooManyGoals):
        goals.create(full, CreateGoal("One more"), story.stamp())


def test_a_parent_is_ones_own_and_open(story: Story) -> None:
    with pytest.raises(NotFound):
        story.create(parent_id=STRANGE)
    done = story.complete(story.create())
    with pytest.raises(GoalClosed):
        story.create(parent_id=done.id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda story, goal: story.change(goal, title="Mine now"),
        lambda story, goal: story.move(goal, None),
        lambda story, goal: story.progress(goal, 50),
        lambda story, goal: story.complete(goal),
        lambda story, goal: story.reopen(goal),
        lambda story, goal: story.remove(goal, "delete"),
        lambda story, goal: story.move(story.create(), goal.id),
    ],
)
def test_what_is_not_ones_own_is_not_there(story: Story, ask: Callable[[Story, Goal], Any]) -> None:
    with pytest.raises(NotFound):
        ask(story, stranger(story))


def test_only_what_is_given_changes(story: Story) -> None:
    goal = story.create(area="health", due=date(2026, 10, 1), effort=3)
    changed = story.change(goal, due=None, title="Walk")
    assert (changed.title, changed.due, changed.area, changed.effort) == ("Walk", None, "health", 3)
    assert changed.updated_at == story.at > goal.updated_at


def test_a_change_that_changes_nothing_writes_nothing(story: Story) -> None:
    goal = story.create(area="health")
    before = len(story.events)
    assert story.change(goal, area="health", title="Run ") == goal
    assert story.change(goal) == goal
    assert story.move(goal, None) == goal
    assert len(story.events) == before


def test_another_effort_moves_what_the_goal_belongs_to(story: Story) -> None:
    top = story.create()
    parent = story.create(parent_id=top.id)
    light, heavy = story.create(parent_id=parent.id), story.create(parent_id=parent.id)
    story.progress(heavy, 90)
    story.change(light, effort=1)
    story.change(heavy, effort=9)
    assert story.now(parent).progress == pytest.approx(81)
    assert story.now(top).progress == pytest.approx(81)


def test_a_metric_can_come_and_go(story: Story) -> None:
    goal = story.create()
    story.progress(goal, 70)
    measured = story.change(goal, metric=Metric("pages", 200, 0, 50))
    assert (measured.progress, measured.source) == (25.0, "metric")
    plain = story.change(goal, metric=None)
    assert (plain.progress, plain.source) == (25.0, "manual")


def test_progress_in_percent_shows_at_most_ninety_nine(story: Story) -> None:
    goal = story.create()
    assert story.progress(goal, 40.5).progress == 40.5
    assert story.progress(goal, 100).progress == 99.0
    assert story.progress(goal, 10).progress == 10.0


def test_progress_of_a_metric_is_where_it_stands_or_what_was_added(story: Story) -> None:
    goal = story.create(metric=Metric("kg", 70, 80))
    assert story.progress(goal, add=-2.5).progress == 25.0
    assert story.progress(goal, amount=75).progress == 50.0
    done = story.progress(goal, amount=69)
    assert (done.progress, done.metric) == (99.0, Metric("kg", 70, 80, 69))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "progress"),
        ({"progress": 5.0, "amount": 5.0}, "progress"),
        ({"amount": 5.0}, "amount"),
        ({"add": 5.0}, "add"),
    ],
)
def test_progress_is_said_in_exactly_one_way(story: Story, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        story.progress(story.create(), **given)
    assert set(refused.value.fields or {}) == {field}


def test_a_measured_goal_wants_its_measure_and_sane_amounts(story: Story) -> None:
    goal = story.create(metric=Metric("km", 500))
    with pytest.raises(Invalid):
        story.progress(goal, 50)
    story.progress(goal, amount=1e12)
    with pytest.raises(Invalid):
        story.progress(goal, add=1e12)
    assert story.now(goal).metric == Metric("km", 500, 0, 1e12)


def test_progress_walks_up_to_the_root(story: Story) -> None:
    made = story.chain(8)
    story.progress(made[-1], 64)
    assert [story.now(goal).progress for goal in made] == [64.0] * 8
    assert all(story.now(goal).updated_at == story.at for goal in made)


def test_progress_of_a_goal_with_parts_comes_from_them(story: Story) -> None:
    parent = story.create()
    part = story.create(parent_id=parent.id)
    with pytest.raises(GoalFromChildren):
        story.progress(parent, 50)
    story.remove(part)
    assert story.progress(parent, 50).progress == 50.0


def test_progress_is_dated_in_the_users_zone(story: Story) -> None:
    goal = story.create()
    story.at = story.at.replace(hour=23, minute=30)
    story.progress(goal, 5, tz="Asia/Tokyo")
    assert story.events[-1].data.day == date(2026, 3, 3)  # type: ignore[attr-defined] # a GoalProgressed
    assert story.events[-1].data.tz == "Asia/Tokyo"  # type: ignore[attr-defined] # a GoalProgressed


def test_completing_closes_the_goal_and_lifts_what_it_belongs_to(story: Story) -> None:
    parent = story.create()
    first, second = story.create(parent_id=parent.id), story.create(parent_id=parent.id)
    done = story.complete(first)
    assert (done.status, done.progress, done.completed_at) == ("done", 100.0, story.at)
    assert story.now(parent).progress == 50.0
    story.complete(second)
    assert (story.now(parent).status, story.now(parent).progress) == ("open", 99.0)
    assert story.complete(parent).progress == 100.0


@pytest.mark.parametrize("ask", [Story.complete, lambda story, goal: story.progress(goal, 5)])
def test_what_is_done_is_closed(story: Story, ask: Callable[[Story, Goal], Any]) -> None:
    goal = story.complete(story.create())
    with pytest.raises(GoalClosed):
        ask(story, goal)


def test_reopening_gives_back_the_progress_there_was(story: Story) -> None:
    parent = story.create()
    goal = story.create(parent_id=parent.id)
    story.progress(goal, 30)
    story.complete(goal)
    again = story.reopen(goal)
    assert (again.status, again.progress, again.completed_at) == ("open", 30.0, None)
    assert story.now(parent).progress == 30.0
    with pytest.raises(GoalOpen):
        story.reopen(goal)


def test_reopening_a_goal_with_parts_takes_it_from_them(story: Story) -> None:
    parent = story.create()
    part = story.create(parent_id=parent.id)
    story.complete(parent)
    story.progress(part, 60)
    assert story.now(parent).progress == 100.0
    assert story.reopen(parent).progress == 60.0


def test_the_answer_explains_where_progress_comes_from(story: Story) -> None:
    parent = story.create()
    part = story.create(parent_id=parent.id, effort=2)
    guessed = story.create(parent_id=parent.id)
    answer = story.do(lambda stamp: goals.complete(story.state.goals, CompleteGoal(parent.id), stamp, "UTC"))
    assert answer.explain == (roll_up.Share(part.id, 2, 0), roll_up.Share(guessed.id, 2, 0, estimated=True))


def test_a_refusal_has_had_no_effect_and_a_code(story: Story) -> None:
    with pytest.raises(Refused) as refused:
        story.progress(story.complete(story.create()), 5)
    assert (refused.value.code, refused.value.effect) == ("goal.closed", "none")


def test_deciding_changes_nothing_it_was_given(story: Story) -> None:
    parent = story.create()
    story.create(parent_id=parent.id)
    before = dict(story.state.goals)
    decided = goals.create(story.state.goals, CreateGoal("Another", parent_id=parent.id), story.stamp())
    assert story.state.goals == before
    assert decided.events[0].rolled_up == ()
    assert story.at + timedelta() == decided.answer.goal.created_at
