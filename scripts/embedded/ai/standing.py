"""What is known of a person, told to a small model so that what it has read of a conversation stays read.

A block in front of the conversation says what was known when it began. What changes later is a note before the words
that came next, and both stay where they are: a turn after a change has the note to read, not the conversation anew.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from scripts.embedded.ai.known import Known, Line

CONVERSATIONS: Final = 64
"""How many are remembered, the newest; another one's block says what is known now, and is read once more."""
ROOM: Final = 600
"""Characters of notes; when there are more than the block has or than this, the conversation begins with a new block."""


class Conversation(msgspec.Struct):
    """`notes`: what was known from a turn on, by the turn's place in the talk."""

    block: Known
    notes: dict[int, Known] = {}

    def before(self, place: int) -> Known:
        earlier = [at for at in self.notes if at < place]
        return self.notes[max(earlier)] if earlier else self.block

    def know(self, known: Known, place: int) -> None:
        """From the turn at that place on; what came after it is another's future."""
        self.notes = {at: note for at, note in self.notes.items() if at < place}
        if any(known.since(self.before(place))):
            self.notes[place] = known

    def is_of(self, known: Known) -> bool:
        """Whether it may be shown to whom this is known of: a goal's id is one's own, first words and a name are not."""
        goals = self.block.goals.keys() | {key for note in self.notes.values() for key in note.goals}
        return not goals or not goals.isdisjoint(known.goals)

    def told(self) -> dict[int, list[Line]]:
        return {at: list(note.since(self.before(at))) for at, note in self.notes.items()}


class Standing:
    """The conversations that go on. Their words are kept as keys in memory alone, and for as long as they are remembered."""

    def __init__(self) -> None:
        self._conversations: OrderedDict[tuple[str, str], Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._conversations)

    def of(self, talk: Sequence[str], known: Known, *, new: bool) -> Conversation:
        """The conversation with this talk; `new` words, its last, are the first to know what was not known before."""
        key = (json.dumps(known.who, sort_keys=True), talk[0])
        kept = self._conversations.pop(key, None)
        if kept is None or not kept.is_of(known):
            kept = Conversation(known)
        if new:
            kept.know(known, len(talk) - 1)
        if _size(line for lines in kept.told().values() for line in lines) > max(ROOM, _size(kept.block.lines())):
            kept = Conversation(known)
        self._conversations[key] = kept
        while len(self._conversations) > CONVERSATIONS:
            self._conversations.popitem(last=False)
        return kept


def _size(lines: Iterator[Line]) -> int:
    return sum(len(str(line)) for line in lines)
