"""What the server says of a call is shown, and where the time went is added up beside what was measured."""

import pytest

from scripts.calling.signals import Signals
from scripts.calling.timeline import Turn

MINE, OTHER = "01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002"


def caption(call_id: str, side: str, text: str, *, final: bool = True) -> dict[str, object]:
    told = {"call_id": call_id, "turn_id": "1", "side": side, "text": text, "final": final}
    return {"type": "caption", "data": told}


def state(call_id: str, state: str, **more: str) -> dict[str, object]:
    return {"type": "call.state", "data": {"call_id": call_id, "state": state, **more}}


def test_final_captions_of_this_call_are_shown_and_none_is_lost_before_its_id_is_known() -> None:
    shown: list[str] = []
    signals = Signals(shown.append)
    signals.take(caption(OTHER, "user", "someone else"))
    signals.take(caption(MINE, "user", "good morning"))
    signals.belongs_to(MINE)
    signals.take(caption(MINE, "coach", "Good", final=False))
    signals.take(caption(MINE, "coach", "Good \x1b[31mmorning!"))
    assert shown == ["  you > good morning", "coach > Good [31mmorning!"]


def test_the_state_is_known_and_its_reason_is_said() -> None:
    shown: list[str] = []
    signals = Signals(shown.append)
    signals.belongs_to(MINE)
    signals.take(state(MINE, "listening"))
    assert (signals.state, shown) == ("listening", [])
    signals.take(state(MINE, "ended", reason="replaced"))
    assert (signals.state, signals.reason) == ("ended", "replaced")
    assert "replaced" in shown[0]


def test_stages_add_up_beside_what_was_measured() -> None:
    stages = {"endpoint": 500.0, "transcript": 200.0, "first_token": 300.0, "first_sentence": 50.0}
    turn = Turn("goal.wav", 1.262, None, {**stages, "first_audio": 190.0, "first_packet": 20.0, "confirmed": 70.0})
    assert turn.told == pytest.approx(1.26)
    told, measured = turn.lines()
    assert "endpoint 500 + transcript 200 +" in told
    assert "= 1260 ms" in told
    assert "1262 ms" in measured


def test_without_an_answer_it_says_so() -> None:
    assert Turn("goal.wav").lines() == ["goal.wav: no answer"]
