"""A provider that is down is left alone; one trial at a time finds out whether it is back."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import Answered, ModelFailed, TextDelta, Tool, Turn
from tests.virtual import run_virtually
from transport.providers.breaker import LONGEST, REST, THRESHOLD, Breaker
from transport.providers.guarded import Guarded


def tripped(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        assert breaker.admit(now)
        breaker.failed(now)
    return breaker


def test_failures_in_a_row_open_it_and_one_success_between_does_not() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert (breaker.state(0.0), breaker.admit(0.0)) == ("closed", True)
    breaker = tripped()
    assert (breaker.state(0.0), breaker.admit(REST - 0.01), breaker.wait(4.0)) == ("open", False, REST - 4.0)


def test_after_its_rest_one_call_is_let_through_and_what_becomes_of_it_decides() -> None:
    breaker = tripped()
    assert breaker.state(REST) == "half_open"
    assert [breaker.admit(REST) for _ in range(3)] == [True, False, False]
    breaker.failed(REST)
    assert (breaker.state(REST), breaker.wait(REST)) == ("open", 2 * REST)
    assert breaker.admit(3 * REST)
    breaker.succeeded()
    assert (breaker.state(3 * REST), breaker.admit(3 * REST)) == ("closed", True)


def test_a_trial_that_was_stopped_leaves_room_for_the_next() -> None:
    breaker = tripped()
    assert breaker.admit(REST)
    breaker.left()
    assert breaker.admit(REST)


def test_calls_from_before_it_opened_do_not_lengthen_the_rest() -> None:
    breaker = tripped()
    for _ in range(10):
        breaker.failed(1.0)
    assert breaker.admit(REST)


def test_the_rest_grows_to_a_bound_and_is_as_long_as_the_provider_wants() -> None:
    breaker, now = tripped(), 0.0
    for _ in range(10):
        now += breaker.wait(now)
        assert breaker.admit(now)
        breaker.failed(now)
    assert breaker.wait(now) == LONGEST
    asked = Breaker(threshold=1)
    asked.failed(0.0, rest=60.0)
    assert asked.wait(0.0) == 60.0
    asked = Breaker(threshold=1)
    asked.failed(0.0, rest=86_400.0)
    assert asked.wait(0.0) == LONGEST


@given(st.lists(st.tuples(st.sampled_from(["admit", "succeeded", "failed", "left"]), st.floats(0, 60)), max_size=60))
def test_whatever_happens_a_provider_that_is_back_is_found_out(life: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(), 0.0
    for name, pause in life:
        now += pause
        match name:
            case "admit":
                breaker.admit(now)
            case "failed":
                breaker.failed(now)
            case "succeeded":
                breaker.succeeded()
            case _:
                breaker.left()
    breaker.left()
    now += LONGEST
    assert breaker.admit(now)
    breaker.succeeded()
    assert breaker.state(now) == "closed"


class Flaky:
    """Up or down; how often it was asked."""

    name = "flaky"

    def __init__(self, code: str | None = "model.error") -> None:
        self.code = code
        self.asked = 0

    async def answer(self, _: Sequence[Turn], __: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        self.asked += 1
        await asyncio.sleep(1.0)
        if self.code is not None:
            raise ModelFailed(self.code)
        yield TextDelta("Here I am.")
        yield TextDelta(" Still.")


async def ask(model: Guarded) -> str:
    async with aclosing(model.answer([], [])) as pieces:
        try:
            return "".join([piece.text async for piece in pieces if isinstance(piece, TextDelta)])
        except ModelFailed as failed:
            return failed.code


def test_a_dead_provider_is_asked_three_times_in_an_outage_and_then_now_and_then() -> None:
    async def outage() -> None:
        model = Flaky()
        guarded = Guarded(model, Breaker())
        assert {await ask(guarded) for _ in range(20)} == {"model.error"}
        assert (model.asked, guarded.state) == (3, "open")
        await asyncio.sleep(REST)
        assert guarded.state == "half_open"
        await asyncio.gather(*(ask(guarded) for _ in range(10)))
        assert model.asked == 4
        model.code = None
        await asyncio.sleep(2 * REST)
        assert (await ask(guarded), guarded.state) == ("Here I am. Still.", "closed")
        assert model.asked == 5

    run_virtually(outage())


@pytest.mark.parametrize("code", ["model.refused", "model.endless", "model.loading"])
def test_what_is_no_failure_of_the_provider_opens_nothing(code: str) -> None:
    async def asked() -> None:
        model = Flaky(code)
        guarded = Guarded(model, Breaker())
        assert {await ask(guarded) for _ in range(10)} == {code}
        assert (model.asked, guarded.state) == (10, "closed")

    run_virtually(asked())


def test_a_listener_who_leaves_in_the_middle_counts_for_nothing() -> None:
    async def left() -> None:
        guarded = Guarded(Flaky(None), Breaker(threshold=1))
        for _ in range(5):
            answer = guarded.answer([], [])
            await anext(answer)
            await answer.aclose()
        assert guarded.state == "closed"

    run_virtually(left())
