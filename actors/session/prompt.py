"""What the model reads for one reply, within a budget of tokens.

In this order: the constant instructions; the notes on the older conversation; the turns since, word for word; what is
known right now (the person, what is pinned once there is such a thing, the goals); the newest message. The turns grow
at their end alone, so that a provider's cache of the prefix holds from one reply to the next; only a new summary, or
without one a cut in big steps, begins another prefix.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from actors.domain.conversation import COACH, HISTORY, OFFLINE, Message, OwedReply, Summary
from actors.domain.goals import Goal
from actors.domain.profile import Profile
from actors.domain.texts import as_data
from actors.ports import ToolCall, Turn
from actors.session.budget import PER_TURN, Budget, shortened, tokens
from actors.session.problems import without_apology

_BLOCK: Final = 16
_NAME: Final = 30
_BLOCKS: Final = re.compile(r"<(?=\s*/?\s*(?:known|earlier)\b)", re.IGNORECASE)
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Seen(msgspec.Struct, frozen=True):
    """The slices of the state that a prompt is made from; `today` is the user's local date."""

    profile: Profile
    goals: Iterable[Goal]
    messages: Sequence[Message]
    today: date
    summary: Summary | None = None


class Exchange(msgspec.Struct):
    """A message of the user and what the coach said to it."""

    asked: Message
    said: list[str]

    @property
    def block(self) -> int:
        return self.asked.seq // _BLOCK

    def told(self, budget: Budget) -> list[Turn]:
        """As it stands in every later prompt."""
        asked = Turn("user", shortened(_framed(self.asked.text), budget.turn))
        return [asked, *(Turn("assistant", shortened(_framed(text), budget.turn)) for text in self.said)]

    def size(self, budget: Budget) -> int:
        return sum(tokens(turn.text) + PER_TURN for turn in self.told(budget))


def turns(system: str, seen: Seen, reply: OwedReply, budget: Budget) -> list[Turn]:
    """The prompt for an owed reply; equal arguments give equal turns. Steps the reply has already taken come last.

    `seen.messages` has to hold the message that is answered; what came after it is left out.
    """
    newest = next(message for message in seen.messages if message.id == reply.message_id)
    asked = shortened(_framed(newest.text), budget.newest + budget.recent)
    room = budget.recent - max(0, tokens(asked) - budget.newest)
    earlier = [one for one in unsummarised(seen.messages, seen.summary) if one.asked.seq < newest.seq]
    talk = _talk(earlier, seen, budget, room)
    talk.append(Turn("user", f"{known(seen, budget, in_a_call=newest.spoken)}\n\n{asked}"))
    return [Turn("system", system), *_alternating(talk), *_taken(reply, budget)]


def ahead(system: str, seen: Seen, budget: Budget) -> list[Turn]:
    """The prompt of the first reply of a call up to what will be said: a model that keeps what it has read reads it once."""
    talk = _talk(unsummarised(seen.messages, seen.summary), seen, budget, budget.recent)
    talk.append(Turn("user", f"{known(seen, budget, in_a_call=True)}\n\n"))
    return [Turn("system", system), *_alternating(talk)]


def recap(system: str, instruction: str, seen: Seen, budget: Budget) -> list[Turn]:
    """The prompt for a new summary: that of a reply up to its last turn, whose cached prefix it shares."""
    talk = _talk(unsummarised(seen.messages, seen.summary), seen, budget, budget.recent)
    return [Turn("system", system), *_alternating([*talk, Turn("user", instruction)])]


def known(seen: Seen, budget: Budget, *, in_a_call: bool = False) -> str:
    """The delimited block of data: the date, the person, their open goals, as JSON in which no text can end it."""
    goals = sorted((goal for goal in seen.goals if goal.status == "open"), key=lambda goal: goal.id)
    goals.sort(key=lambda goal: goal.updated_at, reverse=True)
    room = budget.known - tokens(as_data(_person(seen, len(goals), len(goals)))) - 2 * PER_TURN
    lines: list[str] = []
    for goal in goals:
        line = as_data(_digest(goal))
        room -= tokens(line)
        if room < 0:
            break
        lines.append(line)
    person = _person(seen, len(goals), len(goals) - len(lines)) | ({"in_a_call": True} if in_a_call else {})
    return "\n".join(["<known>", as_data(person), *lines, "</known>"])


def unsummarised(messages: Sequence[Message], summary: Summary | None) -> list[Exchange]:
    """What was said to the coach since the summary, each answer with its question.

    Questions may pile up while an answer is made; in seq order two questions would be followed by two answers.
    """
    through = summary.through if summary is not None else 0
    talk = [message for message in messages if message.thread == COACH and message.seq > through]
    exchanges = {message.id: Exchange(message, []) for message in talk if message.role == "user"}
    for message in talk:
        text = _said(message) if message.role == "coach" else ""
        exchange = exchanges.get(message.reply_to or "")
        if text and exchange is not None:
            exchange.said = [text]  # of a reply that was made again, the last one stands
    return list(exchanges.values())


def _person(seen: Seen, goals: int, not_shown: int) -> dict[str, Any]:
    return {
        "today": seen.today,
        "weekday": _WEEKDAYS[seen.today.weekday()],
        "name": shortened(seen.profile.name, _NAME),
        "language": seen.profile.preferences.language,
        "tone": seen.profile.preferences.tone,
        "goals_completed": seen.profile.stats.goals_completed,
        "open_goals": goals,
        "open_goals_not_shown": not_shown,
    }


def _talk(earlier: list[Exchange], seen: Seen, budget: Budget, room: int) -> list[Turn]:
    """The turns before the newest, with the notes on what came before them in the first; none, and it stands alone."""
    dropped = len(seen.messages) >= HISTORY and (seen.summary is None or seen.messages[0].seq > seen.summary.through)
    talk = [turn for exchange in _kept(earlier, budget, room, full=dropped) for turn in exchange.told(budget)]
    if seen.summary is None:
        return talk
    notes = as_data({"notes": shortened(seen.summary.text, budget.summary - 2 * PER_TURN)})
    return [Turn("user", f"<earlier>\n{notes}\n</earlier>"), *talk]


def call_turn(text: str, calls: Iterable[ToolCall], *, names: Iterable[str]) -> Turn:
    """The coach's turn that asked for tools, in a form every server takes back.

    Servers answer 4xx or 5xx to names that are no names and to arguments that are no JSON object; the result that
    follows tells the model what was wrong with them.
    """
    offered = frozenset(names)
    mended = tuple(
        ToolCall(
            call.call_id,
            call.name if call.name in offered else "unknown_tool",
            call.arguments if _is_object(call.arguments) else "{}",
        )
        for call in calls
    )
    return Turn("assistant", text, calls=mended)


def result_turn(call_id: str, result: str, budget: Budget) -> Turn:
    """The turn that tells the model what a tool answered."""
    return Turn("tool", shortened(result, budget.result), call_id=call_id)


def _framed(text: str) -> str:
    """What people and models write can't pass for the program's own blocks."""
    return _BLOCKS.sub("\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", text)


def _said(message: Message) -> str:
    """What the model itself said in this message: our words about a failure, or without a model, are not its own."""
    if message.answered_by == OFFLINE:
        return ""
    return without_apology(message.text) if message.state == "failed" else message.text


def _kept(exchanges: list[Exchange], budget: Budget, room: int, *, full: bool) -> list[Exchange]:
    """All exchanges if they fit, else the newest that do, cut between exchanges only.

    The cut is made where seq crosses a multiple of the block, so that it stays where it is for many turns and the
    prefix cache with it. `full`: the oldest messages have left the state, and the first block may be a part of one.
    """
    first = len(exchanges)
    while first > 0 and (room := room - exchanges[first - 1].size(budget)) >= 0:
        first -= 1
    if first == 0 and not full:
        return exchanges
    borders = (i for i in range(max(first, 1), len(exchanges)) if exchanges[i].block != exchanges[i - 1].block)
    return exchanges[next(borders, first) :]


def _alternating(talk: Iterable[Turn]) -> list[Turn]:
    """Turns of one role in a row become one: templates of many open models refuse a role that repeats."""
    joined: list[Turn] = []
    for turn in talk:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, f"{joined[-1].text}\n\n{turn.text}")
        else:
            joined.append(turn)
    return joined


def _taken(reply: OwedReply, budget: Budget) -> Iterable[Turn]:
    for step in reply.steps:
        yield call_turn("", [ToolCall(step.call_id, step.name, step.arguments)], names=[step.name])
        yield result_turn(step.call_id, step.result, budget)


def _digest(goal: Goal) -> dict[str, Any]:
    told = {
        "id": goal.id,
        "title": goal.title,
        "kind": None if goal.kind == "goal" else goal.kind,
        "part_of": goal.parent_id,
        "area": goal.area,
        "progress": round(goal.progress, 1),
        "due": goal.due,
        "metric": goal.metric,
    }
    return {key: value for key, value in told.items() if value is not None}


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except msgspec.DecodeError:
        return False
