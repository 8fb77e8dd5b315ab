"""What a reply in the making sees of its session: it reads the state and posts messages, and touches nothing."""

from collections.abc import Callable, Sequence

import msgspec

from actors.domain.conversation import OwedReply
from actors.ports import LanguageModel, Tool, ToolCall, Turn
from actors.runtime.ref import Ref
from actors.session.prompt import Seen, turns
from actors.session.surroundings import Prompts
from actors.work import offline, tools

TOOL_TIMEOUT = 15.0
See = Callable[[], tuple[Seen, OwedReply]]


class Said(msgspec.Struct, frozen=True):
    """The next characters of a reply."""

    reply_id: str
    text: str
    by: str
    """Who says it."""


class UseTool(msgspec.Struct, frozen=True):
    """The model asks for a tool; answered with its result as JSON text."""

    reply_id: str
    call: ToolCall


class Chosen(msgspec.Struct, frozen=True):
    """Who is asked, and why nobody is although there are models."""

    models: Sequence[LanguageModel]
    withheld: str | None = None


class Desk:
    """`replies.Desk` for one owed reply; `see` gives the state's slices as they are now."""

    def __init__(self, reply: OwedReply, me: Ref, chosen: Chosen, prompts: Prompts, see: See) -> None:
        self.models = chosen.models
        self.withheld = chosen.withheld
        self.budget = prompts.budget
        self.tools: Sequence[Tool] = tools.TOOLS
        self._reply = reply
        self._me = me
        self._system = prompts.coach
        self._see = see

    def turns(self) -> list[Turn]:
        seen, reply = self._see()
        return turns(self._system, seen, reply, self.budget)

    def offline(self, problem: str | None) -> str:
        seen, reply = self._see()
        asked = next(message for message in seen.messages if message.id == reply.message_id)
        goals = {goal.id: goal for goal in seen.goals}
        return offline.answer(seen.profile.name, asked.text, goals, seen.today, problem)

    def said(self, text: str, by: str) -> None:
        self._me.tell(Said(self._reply.reply_id, text, by))

    async def use(self, call: ToolCall) -> str:
        result: str = await self._me.ask(UseTool(self._reply.reply_id, call), timeout=TOOL_TIMEOUT)
        return result
