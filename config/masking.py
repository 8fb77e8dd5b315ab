"""What may stand in a log line: masks by key and by value, and keeps what an exception says to itself."""

import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, time, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePath
from types import TracebackType
from typing import Any
from uuid import UUID

MASK = "[masked]"
LONGEST = 500  # characters of one value
DEEPEST = 6  # levels of nesting

PRIVATE_KEYS = frozenset(
    [
        "text",
        "title",
        "name",
        "email",
        "mail",
        "password",
        "content",
        "body",
        "transcript",
        "prompt",
        "message_text",
        "note",
        "notes",
        "description",
        "answer",
        "question",
        "avatar",
        "tz",
        "address_line",
        "birthday",
        "to",
        "subject",
        "query",
        "cookie",
        "authorization",
        "delta",
    ],
)
SECRET_ENDINGS = ("password", "token", "secret", "key", "email", "phone", "cookie", "ticket", "credential", "_url")

_PATTERNS = (
    re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),  # mail addresses
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*"),  # JWTs
    re.compile(r"(?i)\b(?:bearer|basic)\s+\S+"),
    re.compile(r"\bsk-[\w-]{8,}"),  # keys of model providers
    re.compile(r"(?<=://)[^/@\s]+(?=@)"),  # who and pass word of a URL
    re.compile(r"\b(?![\w-]*-\w{4}-\w{4}-)[A-Za-z0-9_-]{40,}\b"),  # any other token
    re.compile(r"(?<![\w.:-])(?:\+|00)\d[\d ()/-]{6,}\d"),  # phone numbers: international,
    re.compile(r"(?<![\w.:-])0\d{2,4}[ /-]?\d{5,9}(?![\w.:-])"),  # with an area code,
    re.compile(r"(?<![\w.:-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w.:-])"),  # North American,
    re.compile(r"(?<![\w.:-])\d{10,15}(?![\w.:-])"),  # or just digits
)
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(?![\w.]*\w)")
_PLAIN = (bool, int, float, type(None))
_PRINTED = (UUID, date, time, timedelta, PurePath)


class Masking:
    """A structlog processor; the last before rendering, so nothing comes in behind it."""

    def __init__(self, *, exception_text: bool = False) -> None:
        self._exception_text = exception_text

    def __call__(self, _logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        raised = entry.pop("exc_info", None)
        masked = {key: masked_value(key, value) for key, value in entry.items()}
        masked.pop("stack_info", None)
        failure = _exception(raised)
        if failure is not None:
            masked["exception"] = describe(failure, text=self._exception_text)
        return masked


def masked_value(key: str, value: Any, depth: int = 0) -> Any:
    """The value as it may be logged. What is neither plain nor a collection of plain values is only named by type."""
    if is_private(key) and value is not None:
        return MASK
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, IPv4Address | IPv6Address):
        return _coarse(str(value))
    if isinstance(value, _PRINTED):
        return masked_text(str(value))
    return _masked_collection(value, depth)


def _masked_collection(value: Any, depth: int) -> Any:
    if depth < DEEPEST and isinstance(value, Mapping):
        return {masked_text(str(key)): masked_value(str(key), inner, depth + 1) for key, inner in value.items()}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [masked_value("", inner, depth + 1) for inner in value]
    return f"<{type(value).__name__}>"


def is_private(key: str) -> bool:
    low = key.lower()
    return low in PRIVATE_KEYS or low.endswith(SECRET_ENDINGS)


def masked_text(text: str) -> str:
    """Without mail addresses, tokens, phone numbers; network addresses cut to their network; at most 500 characters."""
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    for pattern in _PATTERNS:
        short = pattern.sub(MASK, short)
    return _ADDRESS.sub(lambda found: _coarse(found[0]), short)


def _coarse(text: str) -> str:
    """An address of the internet loses its last part (/24, /48); this machine's own may stay."""
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if address.is_loopback or address.is_unspecified:
        return text
    if isinstance(address, IPv4Address):
        return str(IPv4Address(int(address) >> 8 << 8)) + "/24"
    return str(IPv6Address(int(address) >> 80 << 80)) + "/48"


def _exception(raised: Any) -> BaseException | None:
    if raised is True:
        return sys.exc_info()[1]
    if isinstance(raised, tuple):
        return raised[1]  # type: ignore[no-any-return]  # as sys.exc_info() gives it
    return raised if isinstance(raised, BaseException) else None


def describe(failure: BaseException, *, text: bool = False) -> list[str]:
    """Types and places, the cause before its effect: no locals, no source lines and, unless asked for, no message."""
    before = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    lines = [] if before is None else [*describe(before, text=text), "then"]
    if isinstance(failure, BaseExceptionGroup):
        for inner in failure.exceptions:
            lines += [*describe(inner, text=text), "in the group of"]
    lines.append(_name(failure, text=text))
    return lines + _places(failure.__traceback__)


def _name(failure: BaseException, *, text: bool) -> str:
    kind = type(failure)
    number = getattr(failure, "errno", None) or getattr(failure, "code", None)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    name += f" [{masked_text(str(number))}]" if isinstance(number, int | str) else ""
    return f"{name}: {masked_text(str(failure))}" if text else name


def _places(trace: TracebackType | None) -> list[str]:
    return [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
