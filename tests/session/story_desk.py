"""A session's side of a reply, told as a story: the real state and decisions, without the actor around them."""

import asyncio

from actors.commands import FinishReply
from actors.domain.conversation import OwedReply
from actors.ports import LanguageModel, ToolCall, Turn
from actors.session.budget import budget
from actors.session.prompt import Seen, turns
from actors.session.replies import answer
from actors.session.state import shown
from actors.work import tools
from tests.session.story import Story

BUDGET = budget(12_000)


class StoryDesk:
    """A session's side of a reply: the real state and decisions, without the actor around them."""

    def __init__(self, *models: LanguageModel, said: str = "Hello") -> None:
        self.story = Story()
        self.models = models
        self.withheld: str | None = None
        self.tools = tools.TOOLS
        self.budget = BUDGET
        self.deltas: list[str] = []
        self.speakers: set[str] = set()
        self.talking = asyncio.Event()
        self.reply_id = self.story.say(said).reply_id

    @property
    def reply(self) -> OwedReply:
        return self.story.state.owed[self.reply_id]

    @property
    def titles(self) -> list[str]:
        return [goal.title for goal in self.story.state.goals.values()]

    def turns(self) -> list[Turn]:
        state, today = self.story.state, self.story.at.date()
        profile = shown(state, today)
        assert profile is not None
        seen = Seen(profile, state.goals.values(), state.history, today, state.summary)
        return turns("You are a coach.", seen, self.reply, self.budget)

    def offline(self, problem: str | None) -> str:
        return f"Offline, {problem}. You have no goals yet."

    def said(self, text: str, by: str) -> None:
        self.deltas.append(text)
        self.speakers.add(by)
        if len(self.deltas) >= 3:
            self.talking.set()

    async def use(self, call: ToolCall) -> str:
        state = self.story.state
        asked = tools.parse(call.name, call.arguments, state.goals)
        if isinstance(asked, tools.ToolAnswer):
            return asked.result
        return self.story.use(self.reply_id, asked, call_id=call.call_id, name=call.name, arguments=call.arguments)

    async def answered(self) -> FinishReply:
        """The reply made; what devices saw letter by letter is what is kept."""
        finish = await answer(self.reply, self)
        assert "".join(self.deltas) == finish.text
        assert finish.reply_id == self.reply_id
        assert finish.text.strip()
        assert finish.answered_by in self.speakers
        return finish
