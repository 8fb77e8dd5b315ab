"""What people write: whether there is anything to see, and how it is shown within a sentence of ours."""

import unicodedata
from typing import Any, Final

import msgspec

from actors.domain.refusals import Invalid

_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that show nothing (Unicode, DerivedCoreProperties: Default_Ignorable; U+2800 by its shape)."""
_ESCAPED: Final = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<\x85\u2028\u2029"}
_SEEN: Final = frozenset("LNPS")
_UNASSIGNED: Final = "Cn"
"""May be an emoji that is younger than this Python's tables."""


def visible(text: str) -> bool:
    """Whether any of it can be seen: spaces, controls, joiners, marks of direction and lone accents can't."""
    return any(
        kind[0] in _SEEN or kind == _UNASSIGNED
        for kind in (unicodedata.category(character) for character in text if character not in _BLANK)
    )


def saying(text: str, field: str) -> str:
    """The text without the space around it. Raises Invalid, naming the field, when there is nothing to see in it."""
    if not visible(text):
        raise Invalid(fields={field: "must say something"})
    return text.strip()


def as_data(value: Any) -> str:
    """JSON for a model to read: nobody's words can open or close a tag in it, or begin a line."""
    return msgspec.json.encode(value).decode().translate(_ESCAPED)


def quoted(text: str, length: int = 80) -> str:
    """In quotes, on one line, not too long, without the marks that could turn our own words around."""
    plain = "".join(
        character for character in text if unicodedata.category(character) not in {"Cc", "Cf"} or character.isspace()
    )
    one_line = " ".join(plain.split())
    return f"“{one_line if len(one_line) <= length else f'{one_line[: length - 1].rstrip()}…'}”"
