"""What was said earlier, found by its words: for a coach that has only the newest of it before it."""

import unicodedata
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

from actors.domain.conversation import Message

FOUND: Final = 5
AROUND: Final = 200
"""Characters told before and after the first word that was found."""


def find(words: str, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages that have most of these words, of equals the newest; what is told of each is an excerpt."""
    wanted = set(_folded(words).split())
    scored = [(sum(word in _folded(message.text) for word in wanted), message) for message in messages]
    best = sorted((one for one in scored if one[0]), key=lambda one: (-one[0], -one[1].seq))[:FOUND]
    return [_told(message, wanted) for _, message in best]


def before(messages: Sequence[Message], message_id: str) -> list[Message]:
    """What was said before that message."""
    return list(takewhile(lambda message: message.id != message_id, messages))


def _told(message: Message, wanted: set[str]) -> dict[str, Any]:
    folded = _folded(message.text)
    first = min(place for word in wanted if (place := folded.find(word)) >= 0)
    start = max(0, min(first, len(message.text)) - AROUND)
    excerpt = message.text[start : start + 2 * AROUND]
    return {"said_by": message.role, "on": message.created_at.date(), "text": excerpt}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
