"""The fold: whatever is done in whatever order, old state and events give the fresh state."""

from datetime import date, timedelta
from statistics import median
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from actors.commands import CallTool, ChangeProfile, CreateGoal, StopReply
from actors.domain.goals import MAX_DEPTH, Goal, Metric
from actors.domain.profile import Activity, Stats
from actors.domain.roll_up import depth, rebuilt
from actors.events import TYPES, UPCASTS, MessageAdded, recorded
from actors.runtime.codec import Codec
from actors.runtime.envelope import Refused
from actors.session.rows import rows
from actors.session.state import EVENTS, State, apply, shown, stats
from actors.work import chat, profile
from tests.session.story import ADDRESS, BERLIN, Story

OPERATIONS = (
    "create", "create", "create", "progress", "progress", "measure", "complete", "reopen", "effort", "metric",
    "move", "remove", "delete", "close", "say", "finish", "stop", "tool", "zone", "sleep",
)  # fmt: skip
thorough = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining takes longer than a test may
)
numbers = (st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
lives = st.tuples(
    st.lists(st.tuples(st.just("create"), *numbers), min_size=4, max_size=12),
    st.lists(st.tuples(st.sampled_from(OPERATIONS), *numbers), min_size=10, max_size=50),
).map(lambda parts: [*parts[0], *parts[1]])
"""A small forest of goals, and what may happen to it."""


def one_of(story: Story, number: int) -> Goal:
    goals = list(story.state.goals.values())
    return goals[number % len(goals)]


def owed(story: Story, number: int) -> str:
    replies = list(story.state.owed)
    return replies[number % len(replies)]


def tool(story: Story, number: int) -> Any:
    call = CallTool(owed(story, number), "call", "create_goal", "{}", CreateGoal("From a tool"))
    return story.do(lambda stamp: chat.use_tool(story.state.goals, story.state.owed, call, stamp, BERLIN))


def stop(story: Story, number: int) -> Any:
    command = StopReply(owed(story, number))
    return story.do(lambda stamp: chat.stopped(story.state.owed, command, "so far", stamp))


def zone(story: Story, number: int) -> Any:
    command = ChangeProfile(tz=(BERLIN, "Pacific/Auckland", "America/Los_Angeles")[number % 3])
    return story.do(lambda stamp: profile.change(story.state.profile, command, stamp))


def take(story: Story, step: tuple[str, int, int, int]) -> None:
    """One step of a random life; what is refused changes nothing."""
    name, a, b, value = step
    metric = Metric("km", 50 + a, b, value)
    does: dict[str, Any] = {
        "create": lambda: story.create(
            f"G{a}", parent_id=one_of(story, b).id if story.state.goals and value < 80 else None
        ),
        "progress": lambda: story.progress(one_of(story, a), value),
        "measure": lambda: story.progress(one_of(story, a), add=b - 10),
        "complete": lambda: story.complete(one_of(story, a)),
        "reopen": lambda: story.reopen(one_of(story, a)),
        "effort": lambda: story.change(one_of(story, a), effort=None if value < 30 else float(b + 1)),
        "metric": lambda: story.change(one_of(story, a), metric=None if value < 50 else metric),
        "move": lambda: story.move(one_of(story, a), None if value < 10 else one_of(story, b).id),
        "remove": lambda: story.remove(one_of(story, a)),
        "delete": lambda: story.remove(one_of(story, a), "delete"),
        "close": lambda: story.remove(one_of(story, a), "close"),
        "say": lambda: story.say(f"m{a}"),
        "finish": lambda: story.finish(owed(story, a), f"a{b}"),
        "stop": lambda: stop(story, a),
        "tool": lambda: tool(story, a),
        "zone": lambda: zone(story, a),
        "sleep": lambda: setattr(story, "at", story.at + timedelta(hours=a)),
    }
    before = story.state
    try:
        does[name]()
    except (Refused, ZeroDivisionError):  # there is no goal, or no reply owed, to choose from
        assert story.state == before


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
    assert State() == State(profile=None, goals={}, history=(), owed={}, activity=Activity(), goals_completed=0)


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
