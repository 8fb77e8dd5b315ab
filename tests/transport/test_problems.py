"""Every refusal there is has a status of its own choosing and one shape at each door."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import actors
import transport
from actors.domain.refusals import GoalCycle, Invalid
from actors.runtime.envelope import Overloaded, Refused
from transport import problems


def everywhere() -> None:
    for package in (actors, transport):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)


def refusals(of: type[Refused] = Refused) -> Iterator[type[Refused]]:
    if not of.__module__.startswith("tests."):
        yield of
    for finer in of.__subclasses__():
        yield from refusals(finer)


def test_every_refusal_has_a_status() -> None:
    everywhere()
    assert {kind.__qualname__ for kind in refusals() if problems.status_of(kind.code) is None} == set()


def test_every_refusal_has_a_sentence_for_people() -> None:
    everywhere()
    assert {kind.__qualname__ for kind in refusals() if not kind.message.endswith((".", "?", "!"))} == set()


@pytest.mark.parametrize(
    ("code", "status"),
    [("goal.cycle", 422), ("goal.closed", 409), ("invalid.command", 400), ("conflict.cid", 409), ("timeout", 504)],
)
def test_the_longest_prefix_decides(code: str, status: int) -> None:
    assert problems.status_of(code) == status


def test_a_code_nobody_listed_has_none() -> None:
    assert problems.status_of("weather.bad") is None


def test_a_problem_is_rfc_9457() -> None:
    status, body = problems.problem(Invalid(fields={"title": "is missing"}), "abc")
    assert status == 400
    assert body == {
        "type": "urn:lifebuddy:problem:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": Invalid.message,
        "code": "invalid",
        "fields": {"title": "is missing"},
        "trace_id": "abc",
        "effect": "none",
    }


def test_an_ack_says_when_to_come_back_and_whether_anything_happened() -> None:
    assert problems.ack(Overloaded(retry_after_ms=250, effect="unknown"), "abc") == {
        "ok": False,
        "error": {
            "code": "overloaded",
            "message": Overloaded.message,
            "retry_after_ms": 250,
            "trace_id": "abc",
            "effect": "unknown",
        },
    }
    assert "fields" not in problems.error(GoalCycle(), "abc")
