"""One provider after another: who fails before saying anything is followed by the next, in the end by the offline coach."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from actors.domain.conversation import OFFLINE
from actors.session.problems import apology
from tests.scripted_model import (
    Behaviour,
    Call,
    ScriptedModel,
    calls,
    cut,
    fails,
    garbage,
    hangs,
    limited,
    loading,
    says,
    scripted_model,
)
from tests.session.story_desk import StoryDesk
from transport.providers.breaker import Breaker
from transport.providers.guarded import Guarded
from transport.providers.openai_chat import Deadlines, OpenAIChat

WALK: Call = ("create_goal", {"title": "Walk every day"})


@dataclass
class Two:
    """Two providers, each behind its breaker, and a desk that asks them in this order."""

    usual: ScriptedModel
    fallback: ScriptedModel
    desk: StoryDesk

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.usual.requests), len(self.fallback.requests)


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    deadlines = Deadlines(first=0.7, between=0.7, whole=3.0)
    async with (
        scripted_model() as usual,
        scripted_model(otherwise=says("From the second.")) as fallback,
        OpenAIChat(usual.url, "k", "usual", deadlines=deadlines) as first,
        OpenAIChat(fallback.url, "k", "second", deadlines=Deadlines()) as second,
    ):
        await first.warm()
        await second.warm()
        yield Two(usual, fallback, StoryDesk(Guarded(first, Breaker()), Guarded(second, Breaker())))


@pytest.mark.parametrize(
    ("behaviour", "problem", "asked"),
    [
        (fails(500), "model.error", (2, 1)),
        (cut(""), "model.cut", (2, 1)),
        (garbage(), "model.cut", (2, 1)),
        (hangs(), "model.timeout", (1, 1)),
        (limited("2"), "model.limited", (1, 1)),
        (loading(), "model.loading", (1, 1)),
        (fails(400), "model.refused", (1, 1)),
        (says(""), "model.empty", (2, 1)),
    ],
)
async def test_the_second_answers_where_the_first_says_nothing_and_is_named(
    two: Two, behaviour: Behaviour, problem: str, asked: tuple[int, int]
) -> None:
    two.usual.otherwise = behaviour
    finish = await two.desk.answered()
    assert (finish.state, finish.text, finish.answered_by) == ("complete", "From the second.", "second")
    assert (finish.problem, two.asked) == (problem, asked)
    assert two.desk.speakers == {"second"}


async def test_both_fail_and_the_offline_coach_answers(two: Two) -> None:
    two.usual.otherwise, two.fallback.otherwise = hangs(), fails(500)
    finish = await two.desk.answered()
    assert (finish.state, finish.answered_by, finish.problem) == ("complete", OFFLINE, "model.error")


async def test_what_was_begun_by_the_first_is_not_said_again_by_the_second(two: Two) -> None:
    two.usual.script(cut("I was about to"))
    finish = await two.desk.answered()
    assert finish.text == f"I was about to\n\n{apology('model.cut')}"
    assert (finish.state, finish.answered_by, two.asked) == ("failed", "usual", (1, 0))


async def test_the_second_goes_on_after_a_tool_and_the_tool_is_not_used_twice(two: Two) -> None:
    two.usual.script(calls(WALK), fails(500), fails(500))
    two.fallback.script(calls(("list_goals", {})), says("It stands."))
    finish = await two.desk.answered()
    assert (finish.text, finish.answered_by, two.desk.titles) == ("It stands.", "second", ["Walk every day"])
    assert two.asked == (3, 2), "who has failed is not asked again in this reply"
    roles = [turn["role"] for turn in two.fallback.prompt()]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool"]


async def test_tools_were_used_and_both_fail_the_message_says_that_it_failed(two: Two) -> None:
    two.usual.script(calls(WALK), fails(500), fails(500))
    two.fallback.otherwise = fails(500)
    finish = await two.desk.answered()
    assert (finish.state, finish.problem, finish.text) == ("failed", "model.error", apology("model.error"))


async def test_an_open_breaker_costs_no_time_and_a_closed_one_brings_the_first_back(two: Two) -> None:
    usual, second = two.desk.models
    assert isinstance(usual, Guarded)
    two.usual.otherwise = fails(500)
    clock = asyncio.get_running_loop().time
    for _ in range(2):
        await StoryDesk(usual, second).answered()
    assert usual.state == "open"
    requests, begun = len(two.usual.requests), clock()
    finish = await StoryDesk(usual, second).answered()
    assert (finish.answered_by, finish.problem) == ("second", "model.error")
    assert len(two.usual.requests) == requests
    assert clock() - begun < 0.25, "not even the pause before asking again"
