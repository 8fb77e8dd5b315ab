"""Log lines: structlog and the standard library's logging through one chain, masked, JSON or for people."""

import logging
import re
import sys
import threading
import warnings
from collections import Counter
from collections.abc import MutableMapping
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec
import structlog

from config.masking import Masking
from config.settings import Settings

Entry = MutableMapping[str, Any]
FOREIGN_LEVEL = logging.WARNING  # below it libraries log what people wrote: requests, documents, packets
ERRORS = frozenset({"error", "critical"})
OWN_HANDLERS = ("socketio.server", "engineio.server", "socketio.client", "engineio.client", "aiohttp.access")

log = structlog.get_logger()


def configure_logs(settings: Settings, stream: TextIO | None = None, *, node: str | None = None) -> Counter[str]:
    """Everything goes to `stream` (standard error unless given): standard output is for what the program answers.

    Of several nodes that write to the same stream each line says whose it is. Answers how many errors were logged from
    now on, by their event.
    """
    target = sys.stderr if stream is None else stream
    errors: Counter[str] = Counter()
    chain = [_counting(errors), *_whose(node), *_chain(settings, target)]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, *chain],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_foreign(chain, target)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash
    return errors


def _counting(errors: Counter[str]) -> Any:
    """Our own events are words of the code, and few; what libraries say is one."""

    def counting(_logger: Any, _method: str, entry: Entry) -> Entry:
        if entry["level"] in ERRORS:
            errors["library" if "library" in entry else entry["event"]] += 1
        return entry

    return counting


def _whose(node: str | None) -> list[Any]:
    if node is None:
        return []

    def whose(_logger: Any, _method: str, entry: Entry) -> Entry:
        entry.setdefault("node", node)
        return entry

    return [whose]


def _chain(settings: Settings, target: TextIO) -> list[Any]:
    people = settings.log_format == "console" or (settings.log_format == "auto" and target.isatty())
    return [
        Masking(exception_text=settings.log_exception_text),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        *(_for_people(colors=target.isatty()) if people else [structlog.processors.JSONRenderer(_json)]),
    ]


def _for_people(*, colors: bool) -> list[Any]:
    return [_exception_as_text, structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at")]


def _exception_as_text(_logger: Any, _method: str, entry: Entry) -> Entry:
    if "exception" in entry:
        entry["exception"] = "\n".join(entry["exception"])
    return entry


def _json(entry: Entry, **_: Any) -> str:
    return msgspec.json.encode(entry, enc_hook=lambda value: f"<{type(value).__name__}>").decode()


def _route_foreign(chain: list[Any], target: TextIO) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _library, *chain],
        ),
    )
    handler.setLevel(FOREIGN_LEVEL)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(FOREIGN_LEVEL)
    for name in OWN_HANDLERS:  # with a level of their own they add no handler, which would not mask
        logging.getLogger(name).setLevel(FOREIGN_LEVEL)
    logging.captureWarnings(True)
    warnings.simplefilter("default")


_SITE: Final = re.compile(r'^  File "([^"\n]+)", line (\d+), in ', re.MULTILINE)
_KIND: Final = re.compile(r"^([A-Za-z_][\w.]*)(?=:|$)", re.MULTILINE)


def _first_line(_logger: Any, _method: str, entry: Entry) -> Entry:
    """Later lines of a library's message are dumps of its objects, with what people wrote in them.

    Of a traceback it is told what kind of error it was and where: its message may hold the same.
    """
    first, _, later = str(entry["event"]).partition("\n")
    sites = list(_SITE.finditer(later)) if first.startswith("Traceback") else []
    if sites:
        kind = _KIND.search(later, sites[-1].end())
        entry["error"] = kind[1] if kind else "unknown"
        entry["where"] = " < ".join(f"{PurePath(one[1]).name}:{one[2]}" for one in reversed(sites[-4:]))
    entry["event"] = first
    return entry


def _library(_logger: Any, _method: str, entry: Entry) -> Entry:
    entry["library"] = entry.pop("logger", None)
    return entry


def _log_crash(kind: type[BaseException], failure: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("crashed", exc_info=failure)


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    log.critical("thread_crashed", exc_info=crash.exc_value)
