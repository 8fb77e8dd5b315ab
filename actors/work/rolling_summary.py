"""What the older part of a conversation came to, in place of its words: kept by the session that had it made."""

from actors.commands import KeepSummary
from actors.domain.conversation import Summary
from actors.domain.refusals import Conflict
from actors.events import SummaryMade
from actors.journal.journaled import Decided, Stamp


def keep(newest: Summary | None, command: KeepSummary, stamp: Stamp) -> Decided:
    """Raises Conflict for one that reaches no further than the newest."""
    if command.through <= (newest.through if newest is not None else 0):
        raise Conflict
    return Decided([SummaryMade(command.text, command.through, command.tokens)], stamp.seq)
