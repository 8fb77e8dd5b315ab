"""Progress rolls up: golden numbers and what was counted."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.domain.goals import Goal, Metric
from actors.domain.roll_up import Share, ancestors, descendants, explain, mean_progress, measured, rebuilt, settled

AT = datetime(2026, 1, 1, tzinfo=UTC)


def goal(goal_id: str, progress: float = 0.0, **given: Any) -> Goal:
    known = {"title": goal_id, "own_progress": progress, "created_at": AT, "updated_at": AT}
    return Goal(id=goal_id, progress=progress, **{**known, **given})


def tree(*goals: Goal) -> dict[str, Goal]:
    return {one.id: one for one in goals}


def test_without_efforts_all_weigh_the_same() -> None:
    assert mean_progress([goal("a", 0), goal("b", 50), goal("c", 99)]) == pytest.approx(149 / 3)


def test_a_missing_effort_is_the_median_of_the_siblings() -> None:
    # weights 1, 3, 8 and the median 3: (0 + 3·50 + 8·10 + 3·100) / 15
    siblings = [goal("a", 0, effort=1), goal("b", 50, effort=3), goal("c", 10, effort=8), goal("d", 100, status="done")]
    assert mean_progress(siblings) == pytest.approx(530 / 15)


def test_cancelled_parts_are_left_out() -> None:
    parent = settled(goal("p"), [goal("a", 40), goal("b", 0, status="cancelled")])
    assert (parent.progress, parent.source) == (40.0, "children")


def test_all_parts_done_is_ninety_nine_until_the_goal_is_completed() -> None:
    done = [goal("a", 100, status="done"), goal("b", 100, status="done")]
    assert settled(goal("p"), done).progress == 99.0
    assert settled(goal("p", status="done"), done).progress == 100.0


def test_a_completed_goal_stays_at_a_hundred_whatever_its_parts_do() -> None:
    assert settled(goal("p", status="done"), [goal("a", 3)]).progress == 100.0


def test_without_parts_that_count_its_own_records_count() -> None:
    parent = settled(goal("p", 99, own_progress=30.0, source="children"), [goal("a", 80, status="cancelled")])
    assert (parent.progress, parent.source) == (30.0, "manual")
    assert settled(goal("p", metric=Metric("km", 10)), []).source == "metric"


@pytest.mark.parametrize(
    ("metric", "percent"),
    [
        (Metric("km", 500, 0, None), 0),
        (Metric("km", 500, 0, 120), 24),
        (Metric("km", 500, 0, 900), 99),
        (Metric("km", 500, 0, -20), 0),
        (Metric("kg", 70, 80, 77.5), 25),
        (Metric("kg", 70, 80, 85), 0),
        (Metric("€", 0, -2000, -500), 75),
    ],
)
def test_a_metric_goes_from_its_start_to_its_target(metric: Metric, percent: float) -> None:
    assert measured(metric) == pytest.approx(percent)


def test_everything_above_follows_the_leaves() -> None:
    built = rebuilt(
        tree(
            goal("root"),
            goal("left", parent_id="root", effort=3),
            goal("right", parent_id="root", effort=1),
            goal("l1", 20, parent_id="left"),
            goal("l2", 60, parent_id="left"),
            goal("r1", 80, parent_id="right"),
        )
    )
    assert [built[one].progress for one in ("left", "right", "root")] == [40.0, 80.0, 50.0]


def test_up_and_down_the_tree() -> None:
    goals = tree(goal("a"), goal("b", parent_id="a"), goal("c", parent_id="b"), goal("d", parent_id="a"), goal("x"))
    assert list(ancestors(goals, "c")) == ["b", "a"]
    assert descendants(goals, "a") == [["b", "d"], ["c"]]
    assert descendants(goals, "x") == []


def test_explain_says_what_counts_with_what_weight_and_what_does_not() -> None:
    goals = tree(
        goal("p"),
        goal("a", 10, parent_id="p", effort=4),
        goal("b", 20, parent_id="p"),
        goal("c", 30, parent_id="p", status="cancelled", effort=100),
    )
    assert explain(goals, "p") == (
        Share("a", 4, 10),
        Share("b", 4, 20, estimated=True),
        Share("c", 0, 30, left_out=True),
    )
    assert explain(goals, "a") == ()
