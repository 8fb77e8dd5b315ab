"""Goals within goals: moving them, removing them, and what that does to everything above and below."""

import pytest

from actors.domain.refusals import (
    GoalCycle,
    GoalDepth,
    GoalHasChildren,
)
from tests.session.story import Story


def test_moving_takes_the_parts_along_and_settles_both_places(story: Story) -> None:
    old, new = story.create("Old"), story.create("New")
    goal = story.create("Goal", parent_id=old.id)
    part = story.create("Part", parent_id=goal.id)
    story.progress(part, 50)
    moved = story.move(goal, new.id)
    assert moved.parent_id == new.id
    assert story.now(part).parent_id == goal.id
    assert (story.now(old).progress, story.now(old).source) == (0.0, "manual")
    assert (story.now(new).progress, story.now(new).source) == (50.0, "children")
    assert story.move(goal, None).parent_id is None


def test_a_goal_cannot_be_inside_itself(story: Story) -> None:
    made = story.chain(4)
    for inside in (made[0], made[1], made[3]):
        with pytest.raises(GoalCycle):
            story.move(made[0], inside.id)


def test_a_move_may_not_make_the_tree_too_deep(story: Story) -> None:
    lower, upper = story.chain(5), story.chain(4)
    with pytest.raises(GoalDepth):
        story.move(lower[0], upper[3].id)
    assert story.move(lower[0], upper[2].id).parent_id == upper[2].id


def test_removing_a_goal_with_parts_says_what_becomes_of_them(story: Story) -> None:
    parent = story.create()
    story.create(parent_id=parent.id)
    before = story.state
    with pytest.raises(GoalHasChildren):
        story.remove(parent)
    assert story.state == before


def test_removing_with_delete_takes_everything_below(story: Story) -> None:
    top, other = story.create(), story.create()
    parent = story.create(parent_id=top.id)
    part = story.create(parent_id=parent.id)
    step = story.create(parent_id=part.id)
    beside = story.create(parent_id=top.id)
    story.progress(beside, 70)
    answer = story.remove(parent, "delete")
    assert (answer.goal_id, answer.removed, answer.closed) == (parent.id, (parent.id, part.id, step.id), ())
    assert set(story.state.goals) == {top.id, other.id, beside.id}
    assert story.now(top).progress == 70.0


def test_removing_with_close_cancels_what_is_open_and_keeps_what_is_done(story: Story) -> None:
    top = story.create()
    parent = story.create(parent_id=top.id)
    done, still_open = story.create(parent_id=parent.id), story.create(parent_id=parent.id)
    step = story.create(parent_id=still_open.id)
    story.complete(done)
    answer = story.remove(parent, "close")
    assert answer.removed == (parent.id,)
    assert set(answer.closed) == {still_open.id, step.id}
    assert [story.now(goal).status for goal in (done, still_open, step)] == ["done", "cancelled", "cancelled"]
    assert [story.now(goal).parent_id for goal in (done, still_open, step)] == [None, None, still_open.id]
    assert (story.now(top).progress, story.now(top).source) == (0.0, "manual")


def test_what_was_closed_shows_its_own_progress_from_then_on(story: Story) -> None:
    parent = story.create()
    middle = story.create(parent_id=parent.id)
    step = story.create(parent_id=middle.id)
    story.progress(step, 60)
    story.remove(parent, "close")
    assert (story.now(middle).progress, story.now(middle).source) == (0.0, "manual")
    assert story.now(step).progress == 60.0
    story.reopen(step)
    assert (story.now(middle).progress, story.now(middle).source) == (60.0, "children")


def test_moving_within_a_tree_settles_what_both_places_share(story: Story) -> None:
    root = story.create()
    old, new = story.create(parent_id=root.id), story.create(parent_id=root.id)
    goal = story.create(parent_id=old.id)
    story.progress(goal, 80)
    assert story.now(root).progress == 40.0
    story.move(goal, new.id)
    story.progress(story.now(old), 20)
    assert [story.now(one).progress for one in (old, new, root)] == [20.0, 80.0, 50.0]
    story.move(goal, root.id)
    assert [story.now(one).progress for one in (old, new, root)] == [20.0, 0.0, pytest.approx(100 / 3)]
    story.move(goal, new.id)
    assert [story.now(one).progress for one in (old, new, root)] == [20.0, 80.0, 50.0]


def test_a_cancelled_goal_can_be_taken_up_again(story: Story) -> None:
    parent = story.create()
    part = story.create(parent_id=parent.id)
    story.progress(part, 45)
    story.remove(parent, "close")
    assert story.reopen(part).progress == 45.0
    assert story.progress(part, 50).status == "open"
