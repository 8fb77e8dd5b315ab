"""When a voice was heard: what was sent at a time is found among the stretches that came."""

import pytest

from scripts.calling.ear import Ear, Stretch


@pytest.mark.parametrize(
    ("at", "began"),
    [(4.0, 4.1), (4.25, 4.1), (7.05, 7.0), (5.0, 5.0), (9.0, 9.0)],
    ids=["a little later", "a little earlier", "the second", "within what went on", "none yet"],
)
def test_the_voice_sent_at_a_time_is_that_which_began_then_or_went_on(at: float, began: float) -> None:
    ear = Ear(0.0)
    ear.stretches += [Stretch(1.0, 2.0), Stretch(4.1, 6.0), Stretch(7.0, 8.0)]
    assert ear.voice_from(at) == pytest.approx(began)
