"""A session told without an actor: commands decided, folded and projected one after another."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.commands import (
    CallTool,
    ChangeGoal,
    Command,
    CompleteGoal,
    ConfirmAction,
    CreateGoal,
    DeclineAction,
    ExpireAction,
    FinishReply,
    MoveGoal,
    OpenAccount,
    ReadThread,
    RecordProgress,
    RemoveGoal,
    ReopenGoal,
    RetryReply,
    SendMessage,
    UndoAction,
)
from actors.domain.actions import Action
from actors.domain.addresses import session_address
from actors.domain.conversation import Reading
from actors.domain.goals import Goal
from actors.events import Recorded, recorded
from actors.journal.journaled import Decided, Stamp
from actors.journal.outside import Row
from actors.session.rows import rows
from actors.session.state import State, apply
from actors.work import accounts, actions, chat, goals

ANN = "0198aaaa-0000-7000-8000-00000000000a"
ADDRESS = session_address(ANN)
BERLIN = "Europe/Berlin"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Story:
    """`at` moves on a minute with every command; change it to let time pass."""

    def __init__(self, *, opened: bool = True, tz: str = BERLIN) -> None:
        self.state = State()
        self.events: list[Recorded] = []
        self.table: dict[tuple[str, str], Row] = {}
        self.at = START
        self._ids = 0
        if opened:
            self.do(
                lambda stamp: accounts.open_account(
                    self.state.profile, OpenAccount(ANN, "ann@example.org", "Ann", tz), stamp
                )
            )

    def stamp(self) -> Stamp:
        return Stamp(self.at, len(self.events) + 1, self._new_id)

    def do(self, decide: Callable[[Stamp], Decided]) -> Any:
        """Decide, fold and project one command; answers what its author is told."""
        self.at += timedelta(minutes=1)
        decided = decide(self.stamp())
        seq = len(self.events) + 1
        happened = [recorded(ADDRESS, seq + i, self.at, event) for i, event in enumerate(decided.events)]
        for one in happened:
            self.state = apply(self.state, one)
        self.events += happened
        self.table |= {(row.collection, row.id): row for row in rows(self.state, happened)}
        return decided.answer

    def create(self, title: str = "Run", **given: Any) -> Goal:
        command = CreateGoal(title, **given)
        return self._goal(lambda stamp: goals.create(self.state.goals, command, stamp))

    def change(self, goal: Goal, **given: Any) -> Goal:
        command = ChangeGoal(goal.id, **given)
        return self._goal(lambda stamp: goals.change(self.state.goals, command, stamp))

    def move(self, goal: Goal, parent_id: str | None) -> Goal:
        return self._goal(lambda stamp: goals.move(self.state.goals, MoveGoal(goal.id, parent_id), stamp))

    def chain(self, length: int) -> list[Goal]:
        """Goals each within the one before."""
        made = [self.create("1")]
        while len(made) < length:
            made.append(self.create(str(len(made) + 1), parent_id=made[-1].id))
        return made

    def progress(self, goal: Goal, progress: float | None = None, *, tz: str = BERLIN, **given: Any) -> Goal:
        command = RecordProgress(goal.id, progress, **given)
        return self._goal(lambda stamp: goals.progress(self.state.goals, command, stamp, tz))

    def complete(self, goal: Goal, *, tz: str = BERLIN) -> Goal:
        return self._goal(lambda stamp: goals.complete(self.state.goals, CompleteGoal(goal.id), stamp, tz))

    def reopen(self, goal: Goal) -> Goal:
        return self._goal(lambda stamp: goals.reopen(self.state.goals, ReopenGoal(goal.id), stamp))

    def remove(self, goal: Goal, cascade: Any = "none") -> goals.RemovedAnswer:
        command = RemoveGoal(goal.id, cascade)
        answer = self.do(lambda stamp: goals.remove(self.state.goals, command, stamp))
        assert isinstance(answer, goals.RemovedAnswer)
        return answer

    def say(self, text: str = "Hello") -> chat.Sent:
        answer = self.do(lambda stamp: chat.take_message(self.state.owed, SendMessage(text), stamp, ANN))
        assert isinstance(answer, chat.Sent)
        return answer

    def finish(self, reply_id: str, text: str = "Well done.", **given: Any) -> chat.Ended:
        command = FinishReply(reply_id, text, **{"state": "complete", "answered_by": "model", **given})
        answer = self.do(lambda stamp: chat.finish_reply(self.state.owed, command, stamp))
        assert isinstance(answer, chat.Ended)
        return answer

    def read(self, seq: int) -> Reading:
        state = self.state
        answer = self.do(lambda stamp: chat.read(state.history, state.read, ReadThread(seq), stamp))
        assert isinstance(answer, Reading)
        assert answer == self.reading()
        return answer

    def reading(self) -> Reading:
        """How far the user has read, by the state."""
        return chat.reading(self.state.history, self.state.read)

    def retry(self, message_id: str) -> chat.Retried:
        state = self.state
        answer = self.do(lambda stamp: chat.retry(state.history, state.owed, RetryReply(message_id), stamp))
        assert isinstance(answer, chat.Retried)
        return answer

    def held(self, **given: Any) -> actions.Held:
        state = self.state
        return actions.Held(state.goals, state.owed, state.actions, BERLIN, **given)

    def use(self, reply_id: str, command: Command, **given: Any) -> str:
        """A tool call of the coach; answers what the model is told."""
        call = CallTool(
            reply_id, **{"call_id": "call-1", "name": "a_tool", "arguments": "{}", **given}, command=command
        )
        answer = self.do(lambda stamp: actions.use_tool(self.held(), call, stamp))
        assert isinstance(answer, actions.ToolResult)
        return answer.result

    def act(self, command: Command) -> Action:
        """The user's word on an action; answers what it is then."""
        decide: dict[type[Command], Callable[[actions.Held, Any, Stamp], Decided]] = {
            ConfirmAction: actions.confirm,
            DeclineAction: actions.decline,
            UndoAction: actions.undo,
            ExpireAction: actions.expire,
        }
        answer = self.do(lambda stamp: decide[type(command)](self.held(), command, stamp))
        assert isinstance(answer, actions.ActionAnswer)
        assert self.state.actions.get(answer.action.id, answer.action) == answer.action
        return answer.action

    def newest_action(self) -> Action:
        return list(self.state.actions.values())[-1]

    def now(self, goal: Goal) -> Goal:
        """The goal as the state has it."""
        return self.state.goals[goal.id]

    def _goal(self, decide: Callable[[Stamp], Decided]) -> Goal:
        """What the author is told is what the state has."""
        answer = self.do(decide)
        assert isinstance(answer, goals.GoalAnswer)
        assert self.state.goals[answer.goal.id] == answer.goal
        return answer.goal

    def _new_id(self) -> str:
        self._ids += 1
        return str(uuid.UUID(int=(0x0198 << 112) | (7 << 76) | (8 << 60) | self._ids))
