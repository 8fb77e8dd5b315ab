"""What the coach did and what it proposes, as the person at the terminal is told of it."""

from collections.abc import Iterable
from typing import Any, Final

WORDS: Final = {"y": "action.confirm", "yes": "action.confirm", "n": "action.decline", "no": "action.decline"}
"""What a person types to a proposal, and what that asks for."""


class Actions:
    """What is open, oldest first; `news` are the lines the person has not been shown yet."""

    def __init__(self) -> None:
        self._pending: dict[str, str] = {}
        self._done: dict[str, str] = {}
        self.news: list[str] = []

    def know(self, newest_first: Iterable[dict[str, Any]]) -> None:
        """What is open when the conversation begins."""
        for action in reversed(list(newest_first)):
            (self._pending if action["state"] == "pending" else self._done)[action["id"]] = action["summary"]

    def happened(self, event: dict[str, Any]) -> None:
        """An event of that kind, from whichever device it came."""
        data, action_id = event["data"], event["data"]["action_id"]
        if event["type"] == "action.proposed":
            self._pending[action_id] = data["summary"]
        elif event["type"] == "action.taken":
            self._done[action_id] = data["summary"]
            self.news.append(f"done: {data['summary']}  (/undo)")
        else:
            summary = self._pending.pop(action_id, None) or self._done.pop(action_id, None)
            why = f" ({data['problem']})" if data["problem"] else ""
            self.news.append(f"{data['outcome']}{why}: {summary}")

    def forget(self, action_id: str) -> None:
        """The server would not hear of it any more."""
        self._pending.pop(action_id, None)
        self._done.pop(action_id, None)

    @property
    def asked(self) -> tuple[str, str] | None:
        """The proposal the person is asked about now: its id and what it says."""
        return next(iter(self._pending.items()), None)

    @property
    def undoable(self) -> str | None:
        """What was done last."""
        return next(reversed(self._done), None)
