"""What a user does at a device: chats and keeps goals, one command after the other, each until it is acknowledged."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import uuid4

from actors.runtime.ids import uuid7
from scripts.faults.device import Device, Json, RefusedError

OPEN: Final = 6
"""Goals a device keeps at a time."""
CHATS, MAKES_A_GOAL, AGAIN, LONG_AGO = 0.2, 0.1, 0.05, 0.02
"""Shares: of messages among commands; of messages that have the coach make a goal; of acks that are asked for again."""
REMEMBERED: Final = 40
"""Commands of long ago that may be asked once more."""


class Kept(NamedTuple):
    """What was acknowledged: at `seq` stands an event of that type, which names `about` and says `text`."""

    cid: str
    seq: int
    type: str
    about: str
    text: str = ""
    reply_id: str = ""


@dataclass
class Talk:
    """One device's part of the user's conversation and goals; the other device keeps goals of its own."""

    device: Device
    chance: random.Random
    kept: list[Kept] = field(default_factory=list)
    goals: dict[str, bool] = field(default_factory=dict)
    """Whether it is done, by id."""

    def __post_init__(self) -> None:
        self._said = 0
        self._old: list[tuple[str, Json, Json]] = []

    async def go_on(self, done: asyncio.Event) -> None:
        """Until it is over; what can't be is a finding, and the end of this talk."""
        try:
            while not done.is_set():
                await self._one()
                pause = self.device.numbers.pause
                await asyncio.sleep(self.chance.uniform(0.0, 2 * pause))
        except RefusedError as refused:
            self.device.tally.found(str(refused))
        except TimeoutError:
            self.device.tally.found(f"{self.device.name}: a command was never acknowledged")

    async def _one(self) -> None:
        name, body = self._next()
        body["cid"] = self._cid()
        ack = await self.device.surely(name, body)
        self._keep(name, body, ack)
        if self.chance.random() < AGAIN:
            await self._again(name, body, ack)
        if self._old and self.chance.random() < LONG_AGO:
            await self._again(*self.chance.choice(self._old))

    async def _again(self, name: str, body: Json, ack: Json) -> None:
        """A repeated command is answered as it was the first time, whoever of the user's devices repeats it."""
        asked = self.device.other if self.device.other is not None and self.chance.random() < 0.5 else self.device
        self.device.tally.repeated += 1
        if (await asked.until_acked(name, body))[0] != ack:
            self.device.tally.found(f"{self.device.name}: {name} {body['cid']} was answered otherwise the second time")

    def _next(self) -> tuple[str, Json]:
        self._said += 1
        text = f"{self._said} of {self.device.name}"
        if self.chance.random() < CHATS:
            return "chat.send", {"text": f"one-goal: {text}" if self.chance.random() < MAKES_A_GOAL else text}
        if len(self.goals) < OPEN:
            return "goal.create", {"title": text}
        goal_id = self.chance.choice(list(self.goals))
        about = {"goal_id": goal_id}
        if self.goals[goal_id]:
            return self.chance.choice(("goal.reopen", "goal.remove")), about
        name = self.chance.choices(("goal.progress", "goal.change", "goal.complete"), (6, 3, 1))[0]
        more: Mapping[str, Json] = {"goal.progress": {"progress": self._said % 100}, "goal.change": {"title": text}}
        return name, about | more.get(name, {})

    def _keep(self, name: str, body: Json, ack: Json) -> None:
        if name == "chat.send":
            kept = Kept(body["cid"], ack["seq"], "message.added", ack["message_id"], body["text"], ack["reply_id"])
        else:
            goal_id = ack["goal"]["id"]
            kept = Kept(body["cid"], ack["seq"], PAST[name], goal_id, body.get("title", ""))
            self._goal(name, goal_id)
        self.kept.append(kept)
        if len(self._old) < REMEMBERED or self.chance.random() < 0.01:
            self._old = [*self._old, (name, body, ack)][-REMEMBERED:]

    def _goal(self, name: str, goal_id: str) -> None:
        if name == "goal.remove":
            del self.goals[goal_id]
        else:
            self.goals[goal_id] = name == "goal.complete"

    def _cid(self) -> str:
        """Half of them as apps should make them, in order of time, half as any UUID."""
        return str(uuid4()) if self.chance.random() < 0.5 else uuid7(datetime.now(UTC))


PAST: Final = {
    "goal.create": "goal.created",
    "goal.change": "goal.changed",
    "goal.progress": "goal.progressed",
    "goal.complete": "goal.completed",
    "goal.reopen": "goal.reopened",
    "goal.remove": "goal.removed",
}
