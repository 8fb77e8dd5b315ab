"""A kind of due thing that only tests know: a goal whose title is a time is completed then. No product has it."""

from collections.abc import Mapping
from datetime import datetime

from actors.commands import CompleteGoal
from actors.session.due import DueKind
from actors.session.state import State


def ticking(state: State) -> Mapping[str, datetime]:
    return {
        goal.id: datetime.fromisoformat(goal.title)
        for goal in state.goals.values()
        if goal.status == "open" and goal.title[:2] == "20"
    }


TICK = DueKind(ticking, CompleteGoal)
