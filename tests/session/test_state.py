"""The fold: whatever is done in whatever order, old state and events give the fresh state."""

from datetime import date, timedelta
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.goals import MAX_DEPTH, Goal
from actors.domain.profile import Activity, Stats
from actors.domain.roll_up import depth, rebuilt
from actors.events import TYPES, UPCASTS, MessageAdded, ReplyRetried, recorded
from actors.journal.codec import Codec
from actors.session.rows import rows
from actors.session.state import EVENTS, State, apply, shown, stats
from tests.session.lives import lives, take, thorough
from tests.session.story import ADDRESS, Story


def by_hand(goals: dict[str, Goal], goal: Goal) -> float:
    """The formula as it stands in the rules, from the leaves, with nothing remembered."""
    parts = [part for part in goals.values() if part.parent_id == goal.id and part.status != "cancelled"]
    if goal.status == "done":
        return 100.0
    if not parts:
        return goal.own_progress
    efforts = [part.effort for part in parts if part.effort is not None]
    heavy = [part.effort or (median(efforts) if efforts else 1.0) for part in parts]
    mean = sum(w * by_hand(goals, part) for w, part in zip(heavy, parts, strict=True)) / sum(heavy)
    return min(99.0, mean)


def check_tree(goals: dict[str, Goal]) -> None:
    for goal in goals.values():
        assert goal.parent_id is None or goal.parent_id in goals
        assert depth(goals, goal.id) <= MAX_DEPTH
        assert (goal.progress == 100.0) == (goal.status == "done")
        assert 0 <= goal.own_progress <= 99
        assert goal.progress == pytest.approx(by_hand(goals, goal))
        msgspec.convert(msgspec.to_builtins(goal), Goal)


@thorough
@given(lives)
def test_every_number_is_the_one_that_the_leaves_give(life: list[tuple[str, int, int, int]]) -> None:
    story = Story()
    for step in life:
        take(story, step)
    check_tree(story.state.goals)
    assert rebuilt(story.state.goals) == story.state.goals


@thorough
@given(lives, st.integers(0, 60))
def test_old_state_and_events_give_the_fresh_state(life: list[tuple[str, int, int, int]], cut: int) -> None:
    story = Story()
    for step in life:
        take(story, step)
    codec = Codec(TYPES, UPCASTS)
    state = State()
    for one in story.events:
        (event,) = codec.events(codec.pack([one.data], None))
        assert event == one.data
        state = apply(state, recorded(ADDRESS, one.seq, one.at, event))
        if one.seq == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
    assert state == story.state
    assert list(state.owed) == list(story.state.owed)


@thorough
@given(lives)
def test_rows_made_anew_are_those_that_were_written_step_by_step(life: list[tuple[str, int, int, int]]) -> None:
    story = Story()
    for step in life:
        take(story, step)
    anew = {(row.collection, row.id): row for row in rows(story.state, story.events)}
    assert anew == story.table
    shown_goals = {row_id: row.document for (kind, row_id), row in anew.items() if kind == "goals" and row.document}
    assert shown_goals == story.state.goals


@thorough
@given(lives)
def test_what_is_owed_can_be_answered(life: list[tuple[str, int, int, int]]) -> None:
    story = Story()
    for step in life:
        take(story, step)
        held = {message.id for message in story.state.history}
        assert {reply.message_id for reply in story.state.owed.values()} <= held
    said = [one.data for one in story.events if isinstance(one.data, MessageAdded)]
    asked = {message.reply_id for message in said if message.role == "user"}
    asked |= {one.data.reply_id for one in story.events if isinstance(one.data, ReplyRetried)}
    ended = [message.id for message in said if message.role == "coach"]
    assert len(ended) == len(set(ended))
    assert asked == set(ended) | set(story.state.owed)


def test_every_event_type_has_a_fold() -> None:
    assert set(EVENTS) == set(TYPES.values())


def test_the_state_before_is_left_as_it_was() -> None:
    story = Story()
    goal = story.create()
    story.say()
    before, copy = story.state, msgspec.msgpack.decode(msgspec.msgpack.encode(story.state), type=State)
    story.progress(goal, 50)
    story.say()
    story.remove(goal)
    assert before == copy
    assert State() == State(profile=None, goals={}, messages=(), owed={}, activity=Activity(), goals_completed=0)


def test_stats_count_completions_less_reopenings_also_of_goals_that_are_gone() -> None:
    story = Story()
    first, second = story.create(), story.create()
    story.complete(first)
    story.complete(second)
    assert stats(story.state, date(2026, 3, 2)).goals_completed == 2
    story.reopen(second)
    story.remove(first)
    assert stats(story.state, date(2026, 3, 2)).goals_completed == 1


def test_taking_up_a_cancelled_goal_takes_no_completion_back() -> None:
    story = Story()
    parent = story.create()
    part = story.create(parent_id=parent.id)
    story.complete(story.create())
    story.remove(parent, "close")
    story.reopen(part)
    assert story.state.goals_completed == 1


def test_total_progress_is_the_weighted_mean_of_whole_goals_of_the_last_ninety_days() -> None:
    story = Story()
    assert stats(story.state, date(2026, 3, 2)).total_progress == 0.0
    big, small = story.create(effort=3), story.create(effort=1)
    story.progress(story.create(parent_id=big.id), 40)
    story.complete(small)
    today = date(2026, 3, 2)
    assert stats(story.state, today).total_progress == pytest.approx((3 * 40 + 100) / 4)
    assert stats(story.state, today + timedelta(days=90)).total_progress == pytest.approx(55)
    assert stats(story.state, today + timedelta(days=91)).total_progress == pytest.approx(40)


def test_the_streak_grows_with_days_on_which_something_was_done() -> None:
    story = Story()
    goal = story.create()
    for _ in range(3):
        story.progress(goal, 10)
        story.at += timedelta(days=1)
    assert stats(story.state, date(2026, 3, 4)).streak_days == 3
    assert stats(story.state, date(2026, 3, 5)).streak_days == 3
    assert stats(story.state, date(2026, 3, 6)).streak_days == 0
    mine = shown(story.state, date(2026, 3, 4))
    assert mine is not None
    assert mine.stats == Stats(0, 3, 10.0)
    assert shown(State(), date(2026, 3, 4)) is None
