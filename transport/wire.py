"""The only translator between outside bytes and inside commands and events."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

import msgspec

from actors.commands import PUBLIC, Command
from actors.domain.refusals import Invalid, UnknownCommand
from actors.events import MessageAdded, Recorded

T = TypeVar("T")

MAX_DEPTH: Final = 32
_MAX_INT: Final = 2**63
_ROOT: Final = "$"
_AT: Final = re.compile(r" - at `(?:key` in `)?\$\.?([^`]*)`$")
_NAMED: Final = re.compile(r"^Object (missing required|contains unknown) field `([^`]*)`")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SPEAKABLE: Final = re.compile(r"^[A-Za-z0-9_.\[\]-]{1,120}$")
_BOUND: Final = re.compile(
    r"^Expected `[a-z0-9 |]+`( (of length )?[<>=]+ [0-9.e+-]+| matching regex '.*'|, got `[a-z0-9]+`)?$"
)
_Place = tuple[Any, Any]


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(shape: type[T], raw: object) -> T:
    """A `shape` from JSON bytes or from what a parser made of a frame; unknown fields are refused.

    Raises Invalid whose `fields` names the first failing path and never repeats what was sent.
    """
    tree = _parse(raw) if isinstance(raw, bytes | bytearray | memoryview) else raw
    flaw = _flaw(tree)
    if flaw is not None:
        raise Invalid(fields=flaw)
    return _convert(shape, tree, strict=True)


def read_query(shape: type[T], query: Mapping[str, str]) -> T:
    """A `shape` from the texts of a query: numbers and booleans are read from their text. Raises Invalid."""
    tree = dict(query)
    flaw = _flaw(tree)
    if flaw is not None:
        raise Invalid(fields=flaw)
    return _convert(shape, tree, strict=False)


def read_command(name: str, body: object) -> tuple[str, Command]:
    """The cid and the command of a socket's `{cid, …body}`. Raises UnknownCommand, or Invalid (also without a cid)."""
    shape = PUBLIC.get(name)
    if shape is None:
        raise UnknownCommand
    if not isinstance(body, dict):
        raise Invalid(fields={_ROOT: "Expected `object`"})
    fields = dict(body)
    return read_cid(fields.pop("cid", None)), read(shape, fields)


def read_cid(raw: object) -> str:
    """Any UUID, written as 36 characters; answers it in lower case. Raises Invalid."""
    if raw is None:
        raise Invalid(fields={"cid": "is missing"})
    if not isinstance(raw, str) or not _UUID.fullmatch(raw):
        raise Invalid(fields={"cid": "is not a UUID"})
    return raw.lower()


def _parse(raw: bytes | bytearray | memoryview) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Invalid(fields={_ROOT: "is not JSON, or nested too deeply"}) from None


def _convert(shape: type[T], tree: object, *, strict: bool) -> T:
    try:
        return msgspec.convert(tree, shape, strict=strict)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        fields = _explained(str(error))
    raise Invalid(fields=fields)


def _explained(complaint: str) -> dict[str, str]:
    """What msgspec complains of as `{path: what is wrong}`; some complaints quote the value, those are said anew."""
    at = _AT.search(complaint)
    path = at.group(1) if at else ""
    plain = _AT.sub("", complaint)
    named = _NAMED.match(plain)
    if named:
        path = f"{path}.{named.group(2)}" if path else named.group(2)
        why = "is missing" if named.group(1).startswith("missing") else "is not a known field"
    elif plain.startswith("Invalid enum value"):
        why = "is not one of the accepted values"
    else:
        why = plain if _BOUND.match(plain) or plain.startswith("Invalid RFC3339") else "is not accepted"
    return {_speakable(path): why}


def _speakable(path: str) -> str:
    return path if _SPEAKABLE.match(path) else _ROOT


def _flaw(tree: object) -> dict[str, str] | None:
    """What no command may carry anywhere: numbers that are none, huge ones, NUL, halves of characters, endless depth."""
    if type(tree) is dict and all(_is_plain(name) and _is_plain(value) for name, value in tree.items()):
        return None  # as nearly everything is
    stack: list[tuple[object, _Place | None, int]] = [(tree, None, 0)]
    while stack:
        value, place, depth = stack.pop()
        if isinstance(value, dict | list | tuple):
            if depth == MAX_DEPTH:
                return {_ROOT: "is nested too deeply"}
            stack.extend((inner, (place, key), depth + 1) for key, inner in _inside(value))
            if isinstance(value, dict) and any(_wrong(key) for key in value):
                return {_path(place): "has a name that is not accepted"}
            continue
        why = _wrong(value)
        if why:
            return {_path(place): why}
    return None


def _is_plain(value: object) -> bool:
    if type(value) is str:
        return value.isascii() and "\0" not in value
    return value is None or (type(value) is int and -_MAX_INT <= value < _MAX_INT)


def _inside(value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """Last first, because the stack turns the order round: the first failing path is the one told."""
    if isinstance(value, dict):
        return reversed(value.items())
    return zip(range(len(value) - 1, -1, -1), reversed(value), strict=True)


def _wrong(value: object) -> str | None:
    if isinstance(value, str):
        return _wrong_text(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if -_MAX_INT <= value < _MAX_INT else "is too large a number"
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a number"
    return "is of a kind that is not accepted"


def _wrong_text(text: str) -> str | None:
    if "\0" in text:
        return "contains NUL"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains half a character (a lone surrogate)"
    return None


def _path(place: _Place | None) -> str:
    """`metric.unit`, `attachments[3]`; the whole is `$`."""
    parts: list[str] = []
    while place is not None:
        place, key = place
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return _speakable("".join(reversed(parts)).removeprefix("."))


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def pack(thing: object) -> Any:
    """Builtins ready for JSON or msgpack: times as RFC 3339 UTC with exactly milliseconds, dates as YYYY-MM-DD."""
    return _timed(msgspec.to_builtins(thing, builtin_types=(datetime, date), str_keys=True))


def pack_event(recorded: Recorded) -> dict[str, Any]:
    """An event as apps see it. The data of `message.added` has all that a message of the history has."""
    packed: dict[str, Any] = pack(recorded)
    if isinstance(recorded.data, MessageAdded):
        packed["data"] |= {"seq": packed["seq"], "created_at": packed["at"]}
    return packed


def dump(thing: object) -> bytes:
    """The JSON of `thing`."""
    return msgspec.json.encode(pack(thing))


def _timed(tree: Any) -> Any:
    """Times and dates as text. What msgspec has just made is nobody else's: changed where it stands."""
    if type(tree) in _TEXTS:
        return _TEXTS[type(tree)](tree)
    if type(tree) is tuple:
        tree = list(tree)
    inside = tree.items() if type(tree) is dict else enumerate(tree) if type(tree) is list else ()
    for place, value in inside:
        kind = type(value)
        if kind is dict or kind is list:
            _timed(value)
        elif kind is tuple:
            tree[place] = _timed(value)
        elif kind in _TEXTS:
            tree[place] = _TEXTS[kind](value)
    return tree


def time_text(at: datetime) -> str:
    """`2025-11-22T20:03:51.123Z`. A time without a zone is a bug and raises ValueError."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_TEXTS: Final[dict[type, Callable[[Any], str]]] = {datetime: time_text, date: date.isoformat}
