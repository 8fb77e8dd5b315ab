"""What a person at the terminal sees of models on their way, and of who answered."""

from io import StringIO
from typing import Any

from rich.console import Console

from scripts.terminal.screen import Screen


def shown(*signals: dict[str, Any]) -> list[str]:
    out = StringIO()
    screen = Screen(Console(file=out, width=120))
    for one in signals:
        screen.progress({"kind": "models", "part": "chat", "done": 0, "total": 0, "problem": None, **one})
    return out.getvalue().splitlines()


def test_a_model_on_its_way_is_one_line_for_each_state_and_each_tenth() -> None:
    fetched = [{"state": "fetching", "done": n * 1_000_000, "total": 491_000_000} for n in range(0, 491, 7)]
    lines = shown({"state": "waiting"}, {"state": "waiting"}, *fetched, {"state": "ready"})
    assert lines[:3] == [
        "model (chat): waiting",
        "model (chat): fetching 0 % of 491 MB",
        "model (chat): fetching 10 % of 491 MB",
    ]
    assert (len(lines), lines[-1]) == (12, "model (chat): ready")
    assert shown({"state": "failed", "problem": "The disk is full."}) == ["model (chat): failed - The disk is full."]


def test_a_person_is_told_when_it_was_not_the_usual_model() -> None:
    out = StringIO()
    screen = Screen(Console(file=out, width=120))
    message = {"id": "m", "role": "coach", "text": "Yes.", "state": "complete", "answered_by": "second"}
    screen.message({**message, "problem": "model.timeout"})
    screen.message({**message, "id": "n", "problem": None})
    assert [line.strip() for line in out.getvalue().splitlines() if "second" in line] == [
        "second · because of model.timeout",
        "second",
    ]
