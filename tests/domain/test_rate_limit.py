"""The rate limit: a burst, then a steady rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.rate_limit import CHAT_SEND, FULL, Limit, taken
from actors.domain.refusals import RateLimited


def test_twenty_messages_at_once_then_one_every_two_seconds() -> None:
    due = FULL
    for _ in range(20):
        due = taken(CHAT_SEND, due, 100.0)
    with pytest.raises(RateLimited) as refused:
        taken(CHAT_SEND, due, 100.0)
    assert refused.value.retry_after_ms == 2000
    due = taken(CHAT_SEND, due, 102.0)
    with pytest.raises(RateLimited) as refused:
        taken(CHAT_SEND, due, 103.5)
    assert refused.value.retry_after_ms == 500


def test_after_a_rest_the_whole_burst_is_there_again_and_no_more() -> None:
    due = FULL
    for _ in range(20):
        due = taken(CHAT_SEND, due, 0.0)
    for _ in range(20):
        due = taken(CHAT_SEND, due, 1_000_000.0)
    with pytest.raises(RateLimited):
        taken(CHAT_SEND, due, 1_000_000.0)


def test_scaled_it_is_as_many_times_as_generous_and_never_shut() -> None:
    assert Limit(0.5, 20).scaled(10) == Limit(5.0, 200)
    assert Limit(0.5, 20).scaled(0.001) == Limit(0.0005, 1)


@given(
    st.lists(st.floats(0, 30), max_size=80),
    st.sampled_from([Limit(0.5, 20), Limit(10, 1), Limit(3, 7), Limit(1 / 60, 5)]),
    st.floats(0, 1e7),
)
def test_no_window_ever_holds_more_than_burst_and_rate(pauses: list[float], limit: Limit, start: float) -> None:
    due, now, accepted = FULL, start, list[float]()
    for pause in pauses:
        now += pause
        try:
            due = taken(limit, due, now)
        except RateLimited:
            continue
        accepted.append(now)
    for i, first in enumerate(accepted):
        for j in range(i, len(accepted)):
            assert j - i + 1 <= limit.burst + (accepted[j] - first) * limit.rate + 1e-3


@given(st.floats(0, 1e7), st.sampled_from([Limit(0.5, 20), Limit(7, 3)]))
def test_who_comes_when_told_is_let_in(now: float, limit: Limit) -> None:
    due = FULL
    for _ in range(limit.burst):
        due = taken(limit, due, now)
    with pytest.raises(RateLimited) as refused:
        taken(limit, due, now)
    assert refused.value.retry_after_ms is not None
    assert taken(limit, due, now + refused.value.retry_after_ms / 1000) > due
