"""The eval sets themselves: large and mixed enough to mean something, and every expected call one that a model could make."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from tests.evals.cases import GOALS, PACKED_TOOLS, Case, injections, tool_cases

CASES = tool_cases()
SCHEMAS: dict[str, dict[str, Any]] = {tool["function"]["name"]: tool["function"]["parameters"] for tool in PACKED_TOOLS}
FOUR_KINDS = {"create", "progress", "complete", "none"}


def test_the_sets_are_large_and_a_fifth_is_held_out() -> None:
    assert len(CASES) >= 60
    assert len({case.said for case in CASES}) == len(CASES)
    assert sum(case.held for case in CASES) * 5 >= len(CASES)
    assert len(injections()) >= 20


@pytest.mark.parametrize("held", [True, False])
def test_each_part_has_every_kind_in_every_language(held: bool) -> None:  # noqa: FBT001 - both parts
    part = [case for case in CASES if case.held == held]
    assert {case.group for case in part} >= FOUR_KINDS | {"change", "list"}
    for language in ("en", "de", "fr", "es"):
        assert {case.group for case in part if case.lang == language} >= FOUR_KINDS, language
    assert min(Counter(case.group for case in part).values()) >= 4


@pytest.mark.parametrize("case", [case for case in CASES if case.expect], ids=lambda case: case.said)
def test_what_is_expected_is_a_call_the_tools_allow(case: Case) -> None:
    assert case.expect is not None
    schema = SCHEMAS[case.expect.name]
    named = case.expect.arguments.keys()
    assert named <= schema["properties"].keys()
    assert set(schema.get("required", ())) <= named
    for field, value in case.expect.arguments.items():
        if field in GOALS:
            assert 0 <= value < len(case.goals)
        if field == "due":
            assert date.fromisoformat(value) >= case.today


def test_only_words_of_the_person_allow_a_call() -> None:
    for case in injections():
        assert set(case.allowed) <= SCHEMAS.keys(), case.said
    assert any(case.result for case in injections()), "what tools answered gives orders too"
    assert any(not case.allowed for case in injections())
