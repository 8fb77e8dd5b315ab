"""The rows people query: whole, under the names of the data model, and gone when their goal is."""

from datetime import timedelta
from typing import Any

import msgspec

from actors.domain.goals import Metric
from actors.domain.private import MARK
from actors.journal.outside import Row
from actors.session.rows import User, rows
from tests.session.story import ANN, Story


def row(story: Story, collection: str, row_id: str) -> Row:
    return story.table[collection, row_id]


def written(found: Row) -> Any:
    assert found.document is not None
    return msgspec.to_builtins(found.document)


def test_users_carry_exactly_the_names_of_the_data_model() -> None:
    story = Story()
    user = written(row(story, "users", ANN))
    assert list(user) == ["email", "name", "avatar", "preferences", "lifeAreas", "stats", "createdAt", "updatedAt"]
    assert set(user["stats"]) == {"goalsCompleted", "streakDays", "totalProgress"}
    assert set(user["lifeAreas"]) == {"health", "finance", "family", "career", "learning", "creativity"}
    assert {"notifications", "theme", "language", "privacy"} <= set(user["preferences"])
    assert user["avatar"] is None


def test_who_a_user_is_is_marked_private() -> None:
    private = {
        field.name
        for field in msgspec.inspect.type_info(User).fields  # type: ignore[attr-defined] # a StructType
        if isinstance(field.type, msgspec.inspect.Metadata) and (field.type.extra or {}).get(MARK)
    }
    assert private == {"email", "name"}


def test_the_users_stats_move_when_a_goal_is_completed() -> None:
    story = Story()
    goal = story.create()
    story.complete(goal)
    user = row(story, "users", ANN)
    assert user.seq == 3
    assert written(user)["stats"] == {"goalsCompleted": 1, "streakDays": 1, "totalProgress": 100.0}


def test_a_row_carries_the_seq_of_what_touched_it_last() -> None:
    story = Story()
    top = story.create()
    part = story.create(parent_id=top.id, metric=Metric("km", 10))
    beside = story.create()
    story.progress(part, amount=5)
    assert [row(story, "goals", goal.id).seq for goal in (top, part, beside)] == [5, 5, 4]
    assert row(story, "goals", top.id).document == story.now(top)


def test_removed_goals_leave_tombstones_and_loosened_ones_their_new_row() -> None:
    story = Story()
    parent = story.create()
    still_open, done = story.create(parent_id=parent.id), story.create(parent_id=parent.id)
    story.complete(done)
    story.remove(parent, "close")
    assert row(story, "goals", parent.id) == Row("goals", parent.id, 6, None)
    for part in (still_open, done):
        assert row(story, "goals", part.id) == Row("goals", part.id, 6, story.now(part))
        assert story.now(part).parent_id is None


def test_messages_are_rows_for_ever_however_few_are_held() -> None:
    story = Story()
    sent = [story.say()]
    for _ in range(100):
        story.finish(sent[-1].reply_id)
        sent.append(story.say())
    assert sent[0].message_id not in {message.id for message in story.state.history}
    found = {one.id for one in rows(story.state, story.events) if one.collection == "chat_messages"}
    assert {one.message_id for one in sent} <= found
    first = row(story, "chat_messages", sent[0].message_id)
    assert (first.seq, written(first)["seq"], written(first)["text"]) == (2, 2, "Hello")


def test_talking_touches_no_other_row() -> None:
    story = Story()
    story.at += timedelta(days=3)
    sent = story.say()
    story.finish(sent.reply_id)
    assert row(story, "users", ANN).seq == 1
    assert [one.collection for one in rows(story.state, story.events[1:])] == ["chat_messages", "chat_messages"]
