"""The offline coach: honest about what it is, short, and about the user's own goals."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.goals import Metric
from actors.domain.texts import visible
from actors.work.offline import answer
from tests.session.story import Story

TODAY = date(2026, 3, 2)
LONGEST = 600  # characters of an answer


def said(story: Story, text: str = "Hi") -> str:
    return answer("Ann", text, story.state.goals, TODAY)


def test_it_greets_by_name_and_says_what_it_is(story: Story) -> None:
    told = said(story)
    assert told.startswith("Hello Ann.")
    assert "No language model is connected" in told


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (None, "No language model is connected"),
        ("model.declined", "No language model is connected"),
        ("model.loading", "still on its way"),
        ("model.limited", "asked too much"),
        ("model.timeout", "can't be reached right now"),
        ("budget", "used up today's share"),
    ],
)
def test_it_says_why_it_answers(problem: str | None, words: str) -> None:
    assert words in answer("Ann", "Hello", {}, TODAY, problem)


def test_without_goals_it_asks_for_one(story: Story) -> None:
    assert "You have no goals yet" in said(story)
    story.complete(story.create())
    assert "You have finished 1 goal and have none open" in said(story)


def test_it_tells_what_is_open_due_and_moved_and_one_step(story: Story) -> None:
    run = story.create("Run a marathon")
    part = story.create("Run 500 km", parent_id=run.id, metric=Metric("km", 500))
    story.create("Buy shoes", parent_id=run.id, due=date(2026, 3, 3))
    story.create("Learn Spanish")
    story.progress(part, add=100)
    told = said(story)
    assert "“Run a marathon” (10 %)" in told
    assert "“Buy shoes” is due tomorrow" in told
    assert "“Run 500 km” moved last" in told or "“Run a marathon” moved last" in told
    assert told.count("One small next step") == 1
    assert "begin “Buy shoes”" in told


def test_it_turns_to_the_goal_that_was_named(story: Story) -> None:
    story.create("Run")
    goal = story.create("Run 500 km", metric=Metric("km", 500))
    story.create("Buy shoes", due=date(2026, 3, 3))
    story.progress(goal, amount=125)
    told = said(story, "How far am I with run 500 KM?")
    assert "“Run 500 km” stands at 125 of 500 km (25 %)" in told
    assert "ten more minutes to “Run 500 km”" in told


def test_a_word_inside_another_is_no_goal(story: Story) -> None:
    story.create("Run")
    assert "stands at" not in said(story, "I ate a prune")


@pytest.mark.parametrize(
    ("due", "words"),
    [
        (date(2026, 2, 27), "was due 3 days ago"),
        (date(2026, 3, 1), "was due 1 day ago"),
        (date(2026, 3, 2), "is due today"),
        (date(2026, 3, 9), "is due in 7 days"),
    ],
)
def test_it_says_when(story: Story, due: date, words: str) -> None:
    story.create("Taxes", due=due)
    assert f"“Taxes” {words}." in said(story)


def test_what_is_due_much_later_is_not_mentioned(story: Story) -> None:
    story.create("Taxes", due=date(2026, 3, 10))
    assert "due" not in said(story).split("goals alone.")[1]


def test_the_longest_names_titles_and_units_still_make_a_short_answer(story: Story) -> None:
    for number in range(4):
        title = f"{number} {'long ' * 60}"[:300]
        goal = story.create(title, due=date(2025, 1, 1), metric=Metric("u" * 40, -1e12, 1e12))
        story.progress(goal, add=-1.25e11)
    for text in ("Hi", goal.title):
        told = answer("N" * 100, text, story.state.goals, TODAY)
        assert len(told) <= LONGEST
        assert told.endswith("record how far you came.")


@settings(max_examples=60)
@given(
    st.text(min_size=1, max_size=100),
    st.text(min_size=1, max_size=2_000),
    st.lists(st.tuples(st.text(min_size=1, max_size=300).filter(visible), st.floats(0, 100)), max_size=8),
)
def test_it_is_always_short_and_always_the_same(name: str, text: str, made: list[tuple[str, float]]) -> None:
    story = Story()
    for title, progress in made:
        story.progress(story.create(title, due=date(2026, 3, 3)), progress)
    told = answer(name, text, story.state.goals, TODAY)
    assert 0 < len(told) <= LONGEST
    assert "\n" not in told
    assert told == answer(name, text, dict(reversed(story.state.goals.items())), TODAY)
