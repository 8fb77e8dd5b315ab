"""When it is in a call, how far its voice is, and what is to be done: what the parts of its turns share."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from actors.media import Progress
from actors.voice import moves

Deadline = tuple[float, Callable[[], None]]
"""When something must happen at the latest, and what."""


@dataclass(slots=True)
class Moment:
    now: float = 0.0
    progress: Progress = field(default_factory=lambda: Progress(0, 0, 0, confirmed=False))
    todo: list[moves.Action] = field(default_factory=list)
    problem: str | None = None
    """The code of what went wrong, for the devices to show."""

    def do(self, *actions: moves.Action) -> None:
        self.todo.extend(actions)

    def cut(self) -> None:
        """What was not sent is dropped."""
        self.progress = msgspec.structs.replace(self.progress, queued=self.progress.sent)
        self.do(moves.Cut())
