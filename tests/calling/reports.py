"""A report that fails the test it is made in."""

from typing import Any


def unreported(event: str, fields: dict[str, Any]) -> None:
    raise AssertionError(f"{event}: {fields}")
