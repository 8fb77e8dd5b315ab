"""How much of each reply has been shown, so that nothing is shown twice and nothing is left out."""


class Speech:
    """Texts come as deltas with an offset in characters, then once as a whole; some deltas may be missed."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def heard(self, message_id: str, index: int, text: str) -> str:
        """What of a delta is new. After a gap nothing is, until the whole message comes."""
        shown = self._shown.setdefault(message_id, "")
        new = text[len(shown) - index :] if index <= len(shown) else ""
        self._shown[message_id] = shown + new
        return new

    def finished(self, message_id: str, text: str) -> str:
        """What remains to be shown of the whole message; on a new line if it is not what had been said so far."""
        shown = self._shown.pop(message_id, "")
        return text[len(shown) :] if text.startswith(shown) else f"\n{text}"


def printable(text: str) -> str:
    """Without control characters, which could make a terminal do things; lines and tabs stay."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")
