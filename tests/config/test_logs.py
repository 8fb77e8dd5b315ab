"""Planted canaries: whatever way private text takes into the log, it does not come out."""

import asyncio
import io
import json
import logging
import re
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.logs import configure_logs
from config.masking import masked_text, masked_value
from config.settings import Settings
from transport.asking import crash_site

CANARY = "my canary sings at dawn"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"


@dataclass
class Letter:
    text: str


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    hooks = sys.excepthook, logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    with warnings.catch_warnings():
        configure_logs(Settings(_env_file=None, log_level="debug", log_format="json"), stream)  # type: ignore[call-arg]  # pydantic-settings' own
        yield stream
        logging.captureWarnings(capture=False)
    sys.excepthook, logging.root.handlers[:], level = hooks
    logging.root.setLevel(level)
    structlog.reset_defaults()


def _fail_twice(private: str) -> None:
    try:
        raise KeyError(private)  # noqa: TRY301  # what is caught here is what is tested
    except KeyError as failure:
        raise ValueError(f"bad {private}") from failure


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("key", ["text", "title", "name", "email", "password", "content", "access_token", "Cookie"])
def test_private_keys_are_masked_at_any_depth(lines: io.StringIO, key: str) -> None:
    structlog.get_logger().info("seen", **{key: CANARY}, body_of={"rows": [{key: CANARY}]})
    assert "canary" not in lines.getvalue()
    assert read(lines)[0]["event"] == "seen"


@pytest.mark.parametrize(
    "private",
    [
        "ann.canary+1@mail.example.org",
        JWT,
        f"Bearer {JWT}",
        "sk-proj-canary12345678",
        "mongodb://buddy:canary@127.0.0.1:27017/?replicaSet=x",
        "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
        "+49 170 1234567",
        "0049 30 1234567",
        "0170 1234567",
        "(555) 123-4567",
        "555-123-4567",
        "15551234567",
        "203.0.113.77",
        "2001:db8:1:2:3:4:5:6",
    ],
)
def test_private_values_are_masked_under_any_key(lines: io.StringIO, private: str) -> None:
    structlog.get_logger().info(f"got {private}!", peer=private, rows=[f"<{private}>"])
    printed = lines.getvalue()
    assert private not in printed
    assert "canary" not in printed


@pytest.mark.parametrize(
    "useful",
    [
        "01942f3e-7c1a-7b3e-9c55-0a1b2c3d4e5f",
        "session:01942f3e-7c1a-7b3e-9c55-0a1b2c3d4e5f",
        "127.0.0.1:8787",
        "::1",
        "2026-11-22T20:12:00.123Z",
        "chat.send",
        "/v1/goals/01942f3e-7c1a-7b3e-9c55-0a1b2c3d4e5f/progress",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "python 3.11.7",
    ],
)
def test_what_operators_need_stays(useful: str) -> None:
    assert masked_text(useful) == useful


def test_addresses_keep_their_network() -> None:
    assert masked_text("from 203.0.113.77 via 2001:db8:1:2::9") == "from 203.0.113.0/24 via 2001:db8:1::/48"


def test_things_that_are_not_plain_are_only_named() -> None:
    assert masked_value("command", Letter(CANARY)) == "<Letter>"
    assert masked_value("frame", CANARY.encode()) == "<bytes>"
    assert masked_value("failure", ValueError(CANARY)) == "<ValueError>"


def test_an_exception_shows_types_and_places_and_nothing_else(lines: io.StringIO) -> None:
    try:
        _fail_twice(CANARY)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "canary" not in lines.getvalue()
    shown = read(lines)[0]["exception"]
    assert shown[0] == "KeyError"
    assert "ValueError" in shown
    assert "test_logs.py" in shown[1]


def test_groups_of_exceptions_show_each(lines: io.StringIO) -> None:
    structlog.get_logger().error("failed", exc_info=ExceptionGroup(CANARY, [ValueError(CANARY), OSError(2, CANARY)]))
    assert "canary" not in lines.getvalue()
    assert {"ValueError", "FileNotFoundError [2]", "ExceptionGroup"} <= set(read(lines)[0]["exception"])


def test_where_something_crashed_stands_beside_when(lines: io.StringIO) -> None:
    try:
        int("what Ann wrote")
    except ValueError as error:
        structlog.get_logger().error("crashed", **crash_site(error))
    (line,) = read(lines)
    assert line["error"] == "ValueError"
    assert line["where"].startswith("test_logs.py:")
    assert line["at"].startswith("20")


def test_a_library_s_lines_go_the_same_way(lines: io.StringIO) -> None:
    logger = logging.getLogger("some.library")
    logger.warning("peer %s said\n%s", "ann@example.org", CANARY)
    try:
        _fail_twice(CANARY)
    except ValueError:
        logger.exception("failed")
    first, second = read(lines)
    assert first["event"] == "peer [masked] said"
    assert first["library"] == "some.library"
    assert second["exception"][0] == "KeyError"
    assert "canary" not in lines.getvalue()


def test_a_traceback_of_a_library_tells_what_failed_and_where_but_no_more(lines: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("what Ann wrote\nSecret: of hers")

    try:
        fail()
    except ValueError:
        logging.getLogger("some.library").warning(traceback.format_exc())
    (line,) = read(lines)
    assert (line["event"], line["error"]) == ("Traceback (most recent call last):", "ValueError")
    assert re.fullmatch(r"test_logs\.py:\d+ < test_logs\.py:\d+", line["where"])
    assert not re.search("wrote|Secret|hers", lines.getvalue())


def test_libraries_cannot_be_talked_into_logging_what_people_wrote(lines: io.StringIO) -> None:
    logger = logging.getLogger("openai._base_client")
    logger.setLevel(logging.DEBUG)
    logger.debug("Request options: %s", {"json_data": CANARY})
    logging.getLogger("pymongo.command").info(CANARY)
    assert not lines.getvalue()


def test_a_task_nobody_awaited_does_not_tell_its_message(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(CANARY)

    async def forget() -> None:
        task = asyncio.create_task(fail(), name=CANARY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(forget())
    entry = read(lines)[0]
    assert entry["event"] == "Task exception was never retrieved"
    assert entry["exception"][0] == "ValueError"
    assert "canary" not in lines.getvalue()


def test_a_crash_of_the_program_does_not_tell_its_message() -> None:
    program = (
        "from config.logs import configure_logs; from config.settings import Settings\n"
        "configure_logs(Settings(_env_file=None))\n"
        f"raise ValueError({CANARY!r})\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert ended.returncode == 1
    assert "canary" not in ended.stderr
    assert json.loads(ended.stderr)["exception"][0] == "ValueError"


def test_on_demand_exceptions_tell_their_message_still_masked_by_value() -> None:
    stream = io.StringIO()
    settings = Settings(_env_file=None, log_format="console", log_exception_text=True)  # type: ignore[call-arg]  # as above
    handlers = logging.root.handlers[:]
    configure_logs(settings, stream)
    structlog.get_logger().error("failed", exc_info=ValueError("no row for ann@example.org"))
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()
    assert "ValueError: no row for [masked]" in stream.getvalue()


def test_errors_are_counted_by_their_event_and_those_of_libraries_together() -> None:
    handlers = logging.root.handlers[:]
    errors = configure_logs(Settings(_env_file=None), io.StringIO())  # type: ignore[call-arg]  # as above
    structlog.get_logger().error("log.gap", address="somebody's")
    structlog.get_logger().critical("log.gap")
    structlog.get_logger().warning("mail.not_now")
    logging.getLogger("somebody").error("%s", CANARY)
    logging.getLogger("else").error("what nobody could list beforehand")
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()
    assert errors == {"log.gap": 2, "library": 2}
