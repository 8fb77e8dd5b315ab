"""What the server says of a call is shown, and where the time went is added up beside what was measured."""

import time

import pytest

from scripts.calling.signals import Signals, Told
from scripts.calling.timeline import UNTIL_SENT, Turn

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
    stages |= {"first_audio": 190.0, "first_packet": 20.0, "confirmed": 70.0}
    turn = Turn("goal.wav", 1.262, stages=stages, first_sound=1.262)
    assert turn.told == pytest.approx(1.26)
    told, measured = turn.lines()
    assert "endpoint 500 + transcript 200 +" in told
    assert "= 1260 ms" in told
    assert "1262 ms" in measured


def test_without_an_answer_it_says_so() -> None:
    assert Turn("goal.wav").lines() == ["goal.wav: no answer"]
    filled = Turn("goal.wav", first_sound=4.2, late=30.0)
    first, then = filled.lines()
    assert "something else was said first, 4200 ms" in first
    assert then == "goal.wav: no answer within 30 s"
    assert not filled.settled


def test_what_was_said_is_answered_when_the_answer_to_each_part_of_it_has_been_played() -> None:
    signals = Signals(lambda _: None)
    signals.belongs_to(MINE)
    assert not signals.waits_since(0.0), "nothing was understood yet"
    signals.take(caption(MINE, "user", "I want"))
    assert signals.waits_since(0.0), "understood, but not kept"
    signals.keep({"id": "m1", "role": "user", "spoken": True, "text": "I want"})
    assert signals.answers_since(0.0) == []
    signals.keep({"id": "r1", "role": "coach", "reply_to": "m1", "spoken": True, "text": "Yes?"})
    assert [answer["id"] for answer in signals.answers_since(0.0)] == ["r1"]
    signals.keep({"id": "m2", "role": "user", "spoken": True, "text": "to walk"})
    assert signals.waits_since(0.0)
    assert signals.answers_since(time.monotonic()) == []
    assert not signals.waits_since(time.monotonic()), "what was said before is not asked for"


def test_a_filler_is_told_from_the_answer_that_follows_it() -> None:
    def captions(*texts: str) -> Told:
        signals = Signals(lambda _: None)
        signals.belongs_to(MINE)
        for text in texts:
            signals.take(caption(MINE, "coach", text, final=False))
        return next(iter(signals.turns.values()))

    assert not captions("Gladly.", "Gladly. It is kept.", "Gladly. It").filled, "an answer that was cut"
    assert not captions("Gladly.", "").filled, "one of which nothing was heard"
    assert captions("Let me think for a moment.", "Gladly.").filled
    told = Told(0.0, stages={"endpoint": 500.0, "transcript": 200.0})
    assert told.sent is None, "nothing was sent yet"
    told.stages = dict.fromkeys(UNTIL_SENT, 100.0)
    assert told.sent == pytest.approx(0.6)
