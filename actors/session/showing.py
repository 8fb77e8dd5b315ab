"""What doors may see of a session without changing it."""

from typing import Protocol

from actors.domain.actions import still_open
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound
from actors.journal.journal import Outside
from actors.questions import (
    ActionsShown,
    ExportShown,
    GoalShown,
    ShowActions,
    ShowExport,
    ShowGoal,
    Shown,
    ShowProfile,
    ShowThreads,
    ThreadsShown,
)
from actors.session.state import State
from actors.work import chat


class Host(Protocol):
    """The session, as far as it is looked at."""

    state: State
    seq: int
    outside: Outside

    def shown(self) -> Profile | None: ...


async def profile(host: Host, _: ShowProfile) -> Shown:
    """Raises NotFound before the account was opened."""
    mine = host.shown()
    if mine is None:
        raise NotFound
    return Shown(mine, host.seq)


async def goal(host: Host, message: ShowGoal) -> GoalShown:
    """Raises NotFound."""
    if message.goal_id not in host.state.goals:
        raise NotFound
    return GoalShown(host.state.goals[message.goal_id], host.seq)


async def actions(host: Host, _: ShowActions) -> ActionsShown:
    return ActionsShown(still_open(host.state.actions.values(), host.outside.timers.now()), host.seq)


async def threads(host: Host, _: ShowThreads) -> ThreadsShown:
    return ThreadsShown([chat.reading(host.state.history, host.state.read)], host.seq)


async def export(host: Host, message: ShowExport) -> ExportShown:
    """Raises NotFound."""
    if message.export_id not in host.state.background.exports:
        raise NotFound
    return ExportShown(host.state.background.exports[message.export_id], host.seq)
