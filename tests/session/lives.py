"""Random lives of a user: what may happen to a session, in any order, and how it is done to a story."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from actors.commands import (
    ChangeGoal,
    ChangeProfile,
    Command,
    CompleteGoal,
    ConfirmAction,
    CreateGoal,
    DeclineAction,
    ExpireAction,
    MoveGoal,
    RecordProgress,
    RemoveGoal,
    StopReply,
    UndoAction,
)
from actors.domain.goals import Goal, Metric
from actors.runtime.envelope import Refused
from actors.work import chat, profile
from tests.session.story import BERLIN, Story

OPERATIONS = (
    "create", "create", "create", "progress", "progress", "measure", "complete", "reopen", "effort", "metric",
    "move", "remove", "delete", "close", "say", "say", "finish", "fail", "stop", "retry", "zone", "sleep",
    "tool", "tool", "tool", "confirm", "confirm", "decline", "undo", "undo", "expire", "read",
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


def tool(story: Story, number: int, value: int) -> Any:
    """Whatever the coach may ask for, of a goal that is there."""
    reply_id = story.say(f"t{number}").reply_id
    asked: tuple[Callable[[], Command], ...] = (
        lambda: CreateGoal("From a tool"),
        lambda: RecordProgress(one_of(story, value).id, float(value)),
        lambda: CompleteGoal(one_of(story, value).id),
        lambda: ChangeGoal(one_of(story, value).id, title=f"Changed {value}"),
        lambda: MoveGoal(one_of(story, value).id, one_of(story, value + 1).id),
        lambda: RemoveGoal(one_of(story, value).id, ("none", "close", "delete")[value % 3]),
    )
    return story.use(reply_id, asked[number % len(asked)]())


def action_id(story: Story, number: int) -> str:
    actions = list(story.state.actions)
    return actions[number % len(actions)]


def asked(story: Story, number: int) -> str:
    messages = story.state.history
    return messages[number % len(messages)].id


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
        "tool": lambda: tool(story, a, value) if story.state.goals else None,
        "fail": lambda: story.finish(owed(story, a), "Sorry.", state="failed", problem="model.cut"),
        "retry": lambda: story.retry(asked(story, a)),
        "confirm": lambda: story.act(ConfirmAction(action_id(story, a))),
        "decline": lambda: story.act(DeclineAction(action_id(story, a))),
        "undo": lambda: story.act(UndoAction(action_id(story, a))),
        "expire": lambda: story.act(ExpireAction(action_id(story, a))),
        "read": lambda: story.read(value),
        "zone": lambda: zone(story, a),
        "sleep": lambda: setattr(story, "at", story.at + timedelta(hours=a)),
    }
    before = story.state
    try:
        does[name]()
    except (Refused, ZeroDivisionError):  # there is no goal, or no reply owed, to choose from
        assert name == "tool" or story.state == before
