"""What the model reads for one reply: instructions, the conversation so far, what is known, the newest message."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from actors.domain.conversation import COACH, HISTORY, Message, OwedReply
from actors.domain.goals import Goal
from actors.domain.profile import Profile
from actors.ports import ToolCall, Turn
from actors.session.problems import without_apology

HISTORY_CHARACTERS: Final = 16_000
"""How much of the conversation before the newest message is given, about 4,000 tokens."""
DIGEST_CHARACTERS: Final = 6_000
RESULT_CHARACTERS: Final = 12_000
_BLOCK: Final = 32
_ESCAPED: Final = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<\x85\u2028\u2029"}
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Seen(msgspec.Struct, frozen=True):
    """The slices of the state that a prompt is made from; `today` is the user's local date."""

    profile: Profile
    goals: Iterable[Goal]
    messages: Sequence[Message]
    today: date


class _Exchange(msgspec.Struct):
    """A message of the user and what the coach said to it."""

    asked: Message
    said: list[str]

    @property
    def size(self) -> int:
        return len(self.asked.text) + sum(map(len, self.said))

    @property
    def block(self) -> int:
        return self.asked.seq // _BLOCK


def turns(system: str, seen: Seen, reply: OwedReply, *, budget: int = HISTORY_CHARACTERS) -> list[Turn]:
    """The prompt for an owed reply; equal arguments give equal turns.

    The system text is constant and old turns keep their wording, so that a provider's prefix cache holds. What changes
    from turn to turn stands right before the newest message. Steps the reply has already taken follow it.
    `seen.messages` has to hold the message that is answered; what came after it is left out.
    """
    *earlier, newest = _exchanges(seen.messages, reply.message_id)
    talk = [turn for exchange in _kept(earlier, budget, full=len(seen.messages) >= HISTORY) for turn in _told(exchange)]
    talk.append(Turn("user", f"{known(seen)}\n\n{newest.asked.text}"))
    return [Turn("system", system), *_alternating(talk), *_taken(reply)]


def known(seen: Seen) -> str:
    """The delimited block of data: the date, the person, their open goals, as JSON in which no text can end it."""
    goals = sorted((goal for goal in seen.goals if goal.status == "open"), key=lambda goal: goal.id)
    goals.sort(key=lambda goal: goal.updated_at, reverse=True)
    lines: list[str] = []
    room = DIGEST_CHARACTERS
    for goal in goals:
        line = _json(_digest(goal))
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    person = {
        "today": seen.today,
        "weekday": _WEEKDAYS[seen.today.weekday()],
        "name": seen.profile.name,
        "language": seen.profile.preferences.language,
        "tone": seen.profile.preferences.tone,
        "goals_completed": seen.profile.stats.goals_completed,
        "open_goals": len(goals),
        "open_goals_not_shown": len(goals) - len(lines),
    }
    return "\n".join(["<known>", _json(person), *lines, "</known>"])


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


def result_turn(call_id: str, result: str) -> Turn:
    """The turn that tells the model what a tool answered."""
    if len(result) > RESULT_CHARACTERS:
        result = f"{result[:RESULT_CHARACTERS]}… (the rest is left out)"
    return Turn("tool", result, call_id=call_id)


def _exchanges(messages: Sequence[Message], message_id: str) -> list[_Exchange]:
    """The coach's thread up to the message that is answered, each answer with its question.

    Questions may pile up while an answer is made; in seq order two questions would be followed by two answers.
    """
    talk = [message for message in messages if message.thread == COACH]
    newest = next(message for message in talk if message.id == message_id)
    asked = [message for message in talk if message.role == "user" and message.seq <= newest.seq]
    exchanges = {message.id: _Exchange(message, []) for message in asked}
    for message in talk:
        text = _said(message) if message.role == "coach" else ""
        exchange = exchanges.get(message.reply_to or "")
        if text and exchange is not None:
            exchange.said.append(text)
    return list(exchanges.values())


def _said(message: Message) -> str:
    """What the model itself said in this message; our words about a failure are not given back as its own."""
    return without_apology(message.text) if message.state == "failed" else message.text


def _kept(exchanges: list[_Exchange], budget: int, *, full: bool) -> list[_Exchange]:
    """The newest exchanges that fit, cut between exchanges only.

    The cut is made where seq crosses a multiple of the block, so that it stays where it is for many turns and the
    prefix cache with it. `full`: the oldest messages have left the state, and the first block may be a part of one.
    """
    starts = [i for i, each in enumerate(exchanges) if (not full if i == 0 else each.block != exchanges[i - 1].block)]
    room = [0]
    for exchange in reversed(exchanges):
        room.append(room[-1] + exchange.size)
    for start in [*starts, *range(len(exchanges))]:
        if room[len(exchanges) - start] <= budget:
            return exchanges[start:]
    return []


def _told(exchange: _Exchange) -> list[Turn]:
    return [Turn("user", exchange.asked.text), *(Turn("assistant", text) for text in exchange.said)]


def _alternating(talk: Iterable[Turn]) -> list[Turn]:
    """Turns of one role in a row become one: templates of many open models refuse a role that repeats."""
    joined: list[Turn] = []
    for turn in talk:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, f"{joined[-1].text}\n\n{turn.text}")
        else:
            joined.append(turn)
    return joined


def _taken(reply: OwedReply) -> Iterable[Turn]:
    for step in reply.steps:
        yield call_turn("", [ToolCall(step.call_id, step.name, step.arguments)], names=[step.name])
        yield result_turn(step.call_id, step.result)


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


def _json(value: Any) -> str:
    # In JSON these stand inside strings only: nobody's words can open or close a tag, or begin a line.
    return msgspec.json.encode(value).decode().translate(_ESCAPED)


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except msgspec.DecodeError:
        return False
