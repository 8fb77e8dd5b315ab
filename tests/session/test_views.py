"""What an app builds from the events it is sent, and from nothing else, is what it would be shown if it asked."""

from typing import Any

from hypothesis import given

from actors.domain.actions import OPEN
from actors.events import TYPES
from tests.session.lives import lives, take, thorough
from tests.session.story import Story
from transport import wire

Json = dict[str, Any]


class View:
    """An app of a device: it takes events in order, as JSON, and keeps what it shows."""

    def __init__(self) -> None:
        self.goals: dict[str, Json] = {}
        self.messages: dict[str, Json] = {}
        self.actions: dict[str, Json] = {}
        self.through = 0

    def take(self, event: Json) -> None:
        data = event["data"]
        getattr(self, event["type"].replace(".", "_"), self._nothing)(data, event["at"])
        for change in data.get("rolled_up", ()):
            self.goals[change["id"]] |= {
                "progress": change["progress"],
                "source": change["source"],
                "updated_at": event["at"],
            }

    def _nothing(self, data: Json, at: str) -> None:
        """Shown nowhere here."""

    def goal_created(self, data: Json, at: str) -> None:
        self.goals[data["goal"]["id"]] = data["goal"]

    goal_changed = goal_created

    def goal_progressed(self, data: Json, at: str) -> None:
        goal = self.goals[data["goal_id"]]
        metric = goal["metric"] if data["metric"] is None else data["metric"]
        goal |= {"progress": data["progress"], "own_progress": data["progress"], "metric": metric, "updated_at": at}

    def goal_completed(self, data: Json, at: str) -> None:
        self.goals[data["goal_id"]] |= {"status": "done", "progress": 100.0, "updated_at": at, "completed_at": at}

    def goal_reopened(self, data: Json, at: str) -> None:
        now = {"status": "open", "progress": data["progress"], "updated_at": at, "completed_at": None}
        self.goals[data["goal_id"]] |= now

    def goal_removed(self, data: Json, at: str) -> None:
        for goal_id in data["removed"]:
            del self.goals[goal_id]
        for goal_id in data["closed"]:
            self.goals[goal_id] |= {"status": "cancelled", "updated_at": at}
        for goal_id in data["loosened"]:
            self.goals[goal_id] |= {"parent_id": None, "updated_at": at}

    def message_added(self, data: Json, at: str) -> None:
        self.messages[data["id"]] = {name: value for name, value in data.items() if name not in {"reply_id", "tokens"}}

    def thread_read(self, data: Json, at: str) -> None:
        self.through = data["through"]

    def action_proposed(self, data: Json, at: str) -> None:
        named = {name: value for name, value in data.items() if name != "action_id"}
        self.actions[data["action_id"]] = {"id": data["action_id"], "state": "pending", "created_at": at, **named}

    def action_taken(self, data: Json, at: str) -> None:
        self.action_proposed(data, at)
        self.actions[data["action_id"]] |= {"state": "done", "after": dict(self.goals[data["goal_id"]])}

    def action_resolved(self, data: Json, at: str) -> None:
        if data["outcome"] in OPEN:
            raise AssertionError("what is resolved is not open")
        del self.actions[data["action_id"]]


@thorough
@given(lives)
def test_every_view_built_from_events_is_what_the_server_shows(life: list[tuple[str, int, int, int]]) -> None:
    story, view = Story(), View()
    for step in life:
        take(story, step)
    for one in story.events:
        view.take(wire.pack_event(one))
    rows = {key: wire.pack(row.document) for key, row in story.table.items() if row.document is not None}
    assert view.goals == {row_id: row for (kind, row_id), row in rows.items() if kind == "goals"}
    assert view.messages == {row_id: row for (kind, row_id), row in rows.items() if kind == "chat_messages"}
    unread = [one for one in view.messages.values() if one["role"] == "coach" and one["seq"] > view.through]
    assert (view.through, len(unread)) == (story.state.read, story.reading().unread)
    shown = [wire.pack(action) for action in story.state.actions.values() if action.state in OPEN]
    without = [{name: value for name, value in action.items() if value is not None} for action in shown]
    built = [{name: value for name, value in action.items() if value is not None} for action in view.actions.values()]
    assert built == without


def test_what_a_view_takes_is_an_event_there_is() -> None:
    taken = {name.replace("_", ".", 1) for name in vars(View) if not name.startswith("_") and name != "take"}
    assert taken <= set(TYPES)
