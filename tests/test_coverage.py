"""docs/coverage.md is honest: what it names exists, and what is done has a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (ROOT / "docs" / "coverage.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("| line", "|---"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_line_says_what_is_so(row: list[str]) -> None:
    assert len(row) == 4, "line, state, module, test"
    line, state, modules, tests = row
    assert line
    assert re.match(r"(done|part: .+|not yet)$", state), state
    missing = [name for name in _named(modules) if not any((ROOT / base / name).exists() for base in ("", "actors"))]
    missing += [name for name in _named(tests) if not (ROOT / "tests" / name).is_file()]
    assert not missing
    if state == "done":
        assert _named(tests), "done without a test"
    if state == "not yet":
        assert not tests, "not yet, but tested?"


def _named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_service_of_the_brief_is_listed() -> None:
    listed = re.findall(r"^## (.+)$", (ROOT / "docs" / "coverage.md").read_text(), re.MULTILINE)
    assert listed == [
        "Gateway", "Auth", "Users", "Goals", "AI", "Community", "Chat", "Analytics", "Data", "Security", "Scale",
        "Observability", "Deploy", "Integrations", "Clients", "Errors",
    ]  # fmt: skip
