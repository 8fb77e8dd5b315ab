"""In order, none twice, none skipped, whatever arrives when."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from transport.sockets.cursor import Cursor


@dataclass(frozen=True)
class Placed:
    seq: int


def placed(*seqs: int) -> list[Placed]:
    return [Placed(seq) for seq in seqs]


def seqs(given_: Sequence[Placed]) -> list[int]:
    return [one.seq for one in given_]


def cursor(seq: int, head: int, bound: int = 4) -> Cursor[Placed]:
    made = Cursor[Placed](bound)
    made.start(seq, head)
    return made


def test_what_comes_next_is_given() -> None:
    one = cursor(3, 3)
    assert seqs(one.take(placed(4, 5))) == [4, 5]
    assert not one.behind


def test_a_step_is_what_taking_one_event_would_do_and_is_made_only_when_nothing_is_missing() -> None:
    one = cursor(3, 3)
    assert one.step(Placed(4))
    assert (one.seq, one.head, one.behind) == (4, 4, False)
    assert not one.step(Placed(4))
    assert not one.step(Placed(6))
    one.see(6)
    assert not one.step(Placed(5))
    assert seqs(one.take(placed(5))) == [5]
    assert one.behind


def test_what_was_given_is_dropped() -> None:
    assert seqs(cursor(5, 5).take(placed(3, 4, 5, 6))) == [6]


def test_a_gap_is_not_jumped_and_what_came_early_follows_the_replay() -> None:
    one = cursor(3, 3)
    assert seqs(one.take(placed(6, 7))) == []
    assert one.behind
    assert seqs(one.take(placed(4, 5))) == [4, 5, 6, 7]
    assert not one.behind


def test_what_came_before_the_start_is_kept() -> None:
    one = Cursor[Placed](4)
    one.hold(placed(9, 10))
    one.start(7, 8)
    assert one.head == 10
    assert seqs(one.take(placed(8))) == [8, 9, 10]


def test_a_head_alone_says_that_something_is_missing() -> None:
    one = cursor(3, 3)
    one.see(4)
    assert one.behind


def test_more_than_can_be_held_is_found_in_the_log() -> None:
    one = cursor(0, 0, bound=2)
    one.take(placed(5, 6, 7, 8))
    assert seqs(one.take(placed(1, 2, 3, 4))) == [1, 2, 3, 4, 5, 6]
    assert one.behind
    assert one.head == 8


@given(
    total=st.integers(1, 40),
    since=st.integers(0, 40),
    bound=st.integers(0, 8),
    pushes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6)), max_size=40),
    pulls=st.lists(st.booleans(), max_size=40),
)
def test_pushed_in_any_order_and_pulled_when_behind_a_device_gets_each_event_once(
    total: int,
    since: int,
    bound: int,
    pushes: list[tuple[int, int]],
    pulls: list[bool],
) -> None:
    since = min(since, total)
    one = Cursor[Placed](bound)
    got: list[int] = []
    one.start(since, since)
    for index, (first, count) in enumerate(pushes):
        got += seqs(one.take(placed(*range(first, min(first + count, total + 1)))))
        if one.behind and pulls[index : index + 1] == [True]:
            got += seqs(one.take(placed(*range(one.seq + 1, min(one.seq + 3, total + 1)))))
    one.see(total)
    while one.behind:
        got += seqs(one.take(placed(*range(one.seq + 1, min(one.seq + 4, total + 1)))))
    assert got == list(range(since + 1, total + 1))
