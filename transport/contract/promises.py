"""What apps are promised of each command, by whichever door it comes: what it does, answers, and may refuse with."""

from functools import cache
from typing import Final

import msgspec

from actors.domain import refusals as why
from actors.domain.conversation import Reading
from actors.runtime.envelope import Refused
from actors.work.actions import ActionAnswer
from actors.work.chat import Ended, Retried, Sent
from actors.work.goals import GoalAnswer, RemovedAnswer
from actors.work.profile import ProfileAnswer
from transport.contract.schemas import grown


@cache
def with_seq(answer: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """What an app gets for an accepted command: `seq` is the head of the log it left."""
    return grown(answer, answer.__name__, seq=int)


class Promise(msgspec.Struct, frozen=True):
    """`answer` comes with the seq the command left; `refuses` are the refusals of its own, beside those any may meet."""

    summary: str
    answer: type[msgspec.Struct]
    refuses: tuple[type[Refused], ...] = ()


PROMISES: Final[dict[str, Promise]] = {
    "chat.send": Promise("Say something to the coach; the reply follows", Sent, (why.ReplyPending, why.RateLimited)),
    "chat.stop": Promise("Stop a reply; what was said so far is kept", Ended, (why.NoReply,)),
    "chat.retry": Promise(
        "Have a message answered again whose reply failed, was stopped or came from the offline coach",
        Retried,
        (why.NotFound, why.Answered, why.ReplyPending, why.RateLimited),
    ),
    "chat.read": Promise("Mark a thread as read up to here, on all devices", Reading),
    "action.confirm": Promise(
        "Do what the coach proposed; what no longer fits has failed, and says why",
        ActionAnswer,
        (why.NotFound, why.ActionExpired, why.ActionDecided),
    ),
    "action.decline": Promise(
        "Leave what the coach proposed", ActionAnswer, (why.NotFound, why.ActionExpired, why.ActionDecided)
    ),
    "action.undo": Promise(
        "Take back what the coach did at once", ActionAnswer, (why.NotFound, why.NothingToUndo, why.ActionChanged)
    ),
    "goal.create": Promise(
        "Create a goal, or a part of one",
        GoalAnswer,
        (why.NotFound, why.GoalClosed, why.GoalDepth, why.TooManyGoals),
    ),
    "goal.change": Promise("Change what is given, and only that", GoalAnswer, (why.NotFound,)),
    "goal.move": Promise(
        "Hang a goal under another one, or let it stand on its own",
        GoalAnswer,
        (why.NotFound, why.GoalCycle, why.GoalClosed, why.GoalDepth),
    ),
    "goal.progress": Promise(
        "Record how far a goal has come", GoalAnswer, (why.NotFound, why.GoalClosed, why.GoalFromChildren)
    ),
    "goal.complete": Promise("Close a goal as done", GoalAnswer, (why.NotFound, why.GoalClosed)),
    "goal.reopen": Promise("Take a completion or a cancellation back", GoalAnswer, (why.NotFound, why.GoalOpen)),
    "goal.remove": Promise("Remove a goal", RemovedAnswer, (why.NotFound, why.GoalHasChildren)),
    "profile.change": Promise("Change what is given of the profile", ProfileAnswer, (why.NotFound,)),
}
"""One line for each name in `commands.PUBLIC`."""
