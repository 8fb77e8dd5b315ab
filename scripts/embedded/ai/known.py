"""The block of what is known of a person, as it stands in a user's turn: `<known>`, lines of JSON, `</known>`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

OPEN: Final = "<known>"
CLOSE: Final = "</known>"
_CHANGING: Final = frozenset({"today", "weekday", "goals_completed", "open_goals", "open_goals_not_shown", "in_a_call"})

Line = dict[str, Any]


class Known(msgspec.Struct, frozen=True):
    """`person` is the first line of a block; `goals` the others by id."""

    person: Line
    goals: Mapping[str, Line]

    @property
    def who(self) -> Line:
        return {key: value for key, value in self.person.items() if key not in _CHANGING}

    def lines(self) -> Iterator[Line]:
        return (line for line in (self.person, *self.goals.values()) if line)

    def since(self, before: "Known") -> Iterator[Line]:
        """What is other than before."""
        changed = {key: value for key, value in self.person.items() if before.person.get(key) != value}
        over = {key: False for key in before.person.keys() - self.person.keys() if before.person[key]}
        if changed or over:
            yield changed | over
        yield from (line for key, line in self.goals.items() if before.goals.get(key) != line)
        if gone := [line.get("title") for key, line in before.goals.items() if key not in self.goals]:
            yield {"no longer open": gone}


def split(text: str) -> tuple[str, str, str]:
    """What stands before the block, its lines, and the newest words. Earlier words may be there that nobody answered."""
    before, opened, rest = text.partition(f"{OPEN}\n")
    block, closed, after = rest.partition(f"\n{CLOSE}")
    return (before.strip(), block, after.strip()) if opened and closed else ("", "", text.strip())


def read_known(text: str) -> Known:
    """The lines inside a block; what is no object tells nothing."""
    lines = [line for line in map(read_object, text.splitlines()) if line]
    goals = {str(line["id"]): line for line in lines if "id" in line}
    return Known(next((line for line in lines if "id" not in line), {}), goals)


def read_object(text: str) -> Line:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
