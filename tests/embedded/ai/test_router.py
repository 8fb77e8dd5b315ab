"""What the router asks a small model, and what it makes of any answer, without a model."""

import json
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.embedded.ai.asked import Asked, KnownGoal, asked_in
from scripts.embedded.ai.router import Call, Router
from tests.evals.cases import PACKED_TOOLS, injections, messages, tool_cases

TODAY = date(2026, 11, 23)
GOALS = (KnownGoal("g-run", "Run 10 km", ""), KnownGoal("g-read", "Read 12 books", "books"))
ROUTER = Router(PACKED_TOOLS)


def asked(said: str, goals: tuple[KnownGoal, ...] = GOALS) -> Asked:
    return Asked(said, TODAY, goals)


def read(said: str, **answer: Any) -> Call | None:
    return ROUTER.read(json.dumps(answer), asked(said))


def test_a_goal_keeps_the_persons_words_and_gets_its_day() -> None:
    said = "I want to run 10 km by the end of June, please set that up"
    call = read(said, do="create_goal", title="run 10 km by the end of June", due="by the end of June")
    assert call == Call("create_goal", {"title": "Run 10 km", "due": "2027-06-30", "unit": "km", "target": 10.0})


def test_words_that_nobody_said_become_no_goal_and_no_day() -> None:
    assert read("yes, please", do="create_goal", title="Buy a boat and sail") is None
    call = read("I want to sleep eight hours, add it", do="create_goal", title="Buy a boat and sail")
    assert call is not None
    assert call.arguments["title"] == "Sleep eight hours"
    call = read("add a goal: sleep eight hours", do="create_goal", title="Sleep eight hours", due="tomorrow")
    assert call is not None
    assert "due" not in call.arguments


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("I read 3 more books", {"goal": "g-read", "add": 3}),
        ("I'm at 7 books now", {"goal": "g-read", "amount": 7}),
        ("I'm halfway to my 10 km run", {"goal": "g-run", "percent": 50}),
    ],
)
def test_progress_is_what_was_said_of_the_goal_that_was_named(said: str, arguments: dict[str, Any]) -> None:
    assert read(said, do="record_progress", goal=1) == Call("record_progress", arguments)


@pytest.mark.parametrize(
    "answer",
    ["", "{", '{"do":"remove_goal","goal":', "[]", "null", '{"do":"format_disk"}', '{"do":["remove_goal"]}', "no idea", '{"do":"none"}', '"remove_goal"', '"remove x"', '"add "', '"remove 99"', '"none"',
     '{"do":"remove_goal","goal":99}', '{"do":"create_goal"}', "{" * 100_000],
)  # fmt: skip
def test_garbage_is_no_call(answer: str) -> None:
    assert ROUTER.read(answer, asked("delete that goal and add one")) is None


@given(
    st.text(max_size=200)
    | st.text(max_size=40).map(json.dumps)
    | st.dictionaries(st.sampled_from(["do", "goal", "title", "due"]), st.text() | st.integers()).map(json.dumps)
)
def test_any_answer_is_read_without_a_fault_and_means_only_what_was_asked_for(answer: str) -> None:
    call = ROUTER.read(answer, asked("please delete my running goal"))
    assert call is None or call.name == "remove_goal"


@pytest.mark.parametrize(
    "said",
    ["Good morning", "Should I delete my running goal?", "Don't remove it", 'He said: "delete all goals"', "I slept only 5 hours",
     "Is 12 books a lot?", "Lösche das bitte nicht", "Comment supprimer un objectif ?"],
)  # fmt: skip
def test_the_model_is_not_asked_about_what_nobody_asked_for(said: str) -> None:
    assert not ROUTER.offered(asked(said))


def test_the_only_goal_a_word_of_which_is_said_is_meant_whatever_the_model_chose() -> None:
    assert read("Drop the books", do="remove_goal", goal=1) == Call("remove_goal", {"goal": "g-read"})
    said = "Rename the first one to 'Run 12 km'"
    assert read(said, do="change_goal", goal=1, title="Run 12 km") == Call(
        "change_goal", {"goal": "g-run", "title": "Run 12 km"}
    )
    assert read("Drop the second one", do="remove_goal", goal=2) == Call("remove_goal", {"goal": "g-read"})


@pytest.mark.parametrize(
    ("said", "progress"),
    [
        ("All 12 books are read, tick it off", False),
        ("I finished all 12 books", False),
        ("I finished 3 books", True),
        ("I'm half done with the books", True),
    ],
)
def test_all_of_it_is_no_part_of_the_way(said: str, progress: bool) -> None:  # noqa: FBT001 - a column of the table
    assert ("record_progress" in ROUTER.offered(asked(said))) == progress


@pytest.mark.parametrize(
    ("said", "written", "title"),
    [
        ("Apunta que quiero terminar mi tesis antes de julio", "Tesis", "Terminar mi tesis"),
        ("Ich nehme mir vor, jeden Abend zu lesen. Bitte eintragen.", "Lesen", "Jeden Abend zu lesen"),
        ("Ponme como meta hacer yoga tres veces por semana", "Yoga", "Hacer yoga tres veces por semana"),
        ("I want to swim, please add it", "Swim", "Swim"),
        ("Let's make 20 push-ups a goal for the end of January", "Push-ups", "20 push-ups"),
        ("Add a goal to walk the dog twice a day", "walk the dog", "Walk the dog twice a day"),
    ],
)
def test_a_title_that_was_cut_short_is_whole_again(said: str, written: str, title: str) -> None:
    call = ROUTER.read(json.dumps(f"add {written}"), asked(said))
    assert call is not None
    assert call.arguments["title"] == title


@pytest.mark.parametrize(
    ("said", "goal"),
    [
        ("I read 3 more books", "g-read"),
        ("I'm halfway with the 10 km", "g-run"),
        ("I ran some 5 km", None),
        ("3 more, please", None),
    ],
)
def test_what_is_certain_needs_no_model(said: str, goal: str | None) -> None:
    call = ROUTER.certain(asked(said))
    assert (call and call.arguments["goal"]) == goal


def test_titles_give_no_orders_whatever_the_model_answers() -> None:
    for case in injections():
        if case.result is None:
            offered = ROUTER.offered(asked_in(messages(case)[1]["content"], TODAY))
            assert offered <= set(case.allowed), case.said


@pytest.mark.parametrize(
    ("said", "written", "right"),
    [
        ("delete my running goal", "remove 2", True),
        ("delete my running goal", "none", True),
        ("delete my running goal", "remove 3", False),
        ("delete my running goal", "add Run 10 km", False),
        ("rename it to Jog", "change 1 Jog", True),
        ("move it to 1 May", "change 1", True),
        ("move it to 1 May", "change 1 Jog", False),
        ("add a goal: read", "add read", True),
        ("add a goal: read", 'add "} all', False),
    ],
)
def test_only_what_was_asked_for_and_the_goals_that_exist_can_be_answered(
    said: str,
    written: str,
    right: bool,  # noqa: FBT001 - a column of the table
) -> None:
    line = ROUTER.schema(asked(said))["anyOf"][0]
    assert bool(re.fullmatch(line["pattern"], written)) == right


def test_a_line_is_read_as_the_call_it_stands_for() -> None:
    said = asked("I want to run 10 km by the end of June, please set that up")
    assert ROUTER.read('"add run 10 km"', said) == Call(
        "create_goal", {"title": "Run 10 km", "due": "2027-06-30", "unit": "km", "target": 10.0}
    )
    assert ROUTER.read('"move 1 2"', asked("make the running a part of the other")) == Call(
        "move_goal", {"goal": "g-run", "parent": "g-read"}
    )


def test_only_the_last_message_of_the_prompt_changes() -> None:
    one, other = ROUTER.prompt(asked("add a goal")), ROUTER.prompt(asked("I read 3 books", ()))
    assert one[:-1] == other[:-1]
    assert "Said: add a goal" in one[-1]["content"]


def test_an_unknown_tool_is_offered_by_the_words_of_its_name_and_read_by_its_schema() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "at": {"type": "string", "format": "date"},
            "times": {"type": "integer"},
        },
        "required": ["text", "at", "times"],
    }
    tool = {
        "type": "function",
        "function": {"name": "schedule_reminder", "description": "Remind.", "parameters": parameters},
    }
    router = Router([tool])
    wanted = asked("Schedule a reminder for Friday, 3 times")
    assert router.offered(wanted) == {"schedule_reminder"}
    answer = {"do": "schedule_reminder", "text": "drink", "at": "on Friday", "times": "3 times"}
    call = router.read(json.dumps(answer), wanted)
    assert call == Call("schedule_reminder", {"text": "drink", "at": "2026-11-27", "times": 3})
    assert not router.offered(asked("Good morning"))


def test_what_is_known_is_read_from_the_block_and_not_from_the_persons_words() -> None:
    case = next(case for case in tool_cases() if case.goals)
    found = asked_in(messages(case)[1]["content"], date(2000, 1, 1))
    assert (found.said, found.today) == (case.said, case.today)
    assert [goal.title for goal in found.goals] == [title for title, _ in case.goals]
