"""The rules of turns in a hostile world: with all of them no promise is broken, without any one of them some is."""

import os
from typing import Any

import pytest

from actors.voice.coach import Coach
from actors.voice.interruption import Interruption
from actors.voice.playout import Playout
from actors.voice.reply import Cut
from actors.voice.silence import Silence
from actors.voice.speaking import Line, Speaking
from actors.voice.turn import Turns
from tests.voice.orders import Broken, World

RUNS = int(os.environ.get("LIFEBUDDY_TURN_RUNS", "3000"))
PARTS = 4
ENOUGH = 600
"""Histories in which every broken rule shows."""


def broken(seed: int) -> str | None:
    try:
        World(seed).play()
    except Broken as error:
        return str(error)
    return None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", range(PARTS))
def test_with_every_rule_no_promise_is_broken(part: int) -> None:
    failures = {seed: why for seed in range(part, RUNS, PARTS) if (why := broken(seed))}
    assert not failures


def _whatever_line(speaking: Speaking, generation: int, number: int) -> Line | None:
    """Broken: sound of any line is taken for that of the line in hand."""
    return speaking.making


def _at_once(cut: Cut, now: float, progress: Any) -> float:
    """Broken: a cut waits for the tool that works, but not for what was heard."""
    return cut.tools_by if cut.reply.tools else 0.0


def _without_tools(cut: Cut, now: float, progress: Any) -> float:
    """Broken: a cut waits for what was heard, but for no tool."""
    return cut.heard_by


def _all_that_was_given(playout: Playout, generation: int, frames: int) -> int:
    """Broken: what was given to the voice counts as heard."""
    return max((entry.stop for entry in playout._entries if entry.generation == generation), default=0)


def _from_what_was_sent(speaking: Speaking, now: float, progress: Any, *, unsure: bool) -> int:
    """Broken: the voice goes on after what was sent, whether it was heard or not."""
    return int(progress.sent)


def _never(silence: Silence, tool_since: float | None) -> float:
    """Broken: nobody says that it takes longer."""
    return float("inf")


def _nothing(*_: Any, **__: Any) -> None:
    """Broken: what should happen does not."""


def _always_settled(coach: Coach) -> bool:
    """Broken: the next thing is said before the reply so far is finished."""
    return coach._said is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("owner", "rule", "instead", "why"),
    [
        pytest.param(Speaking, "in_hand", _whatever_line, "hushed", id="sound-of-any-line-is-played"),
        pytest.param(Cut, "settled_by", _at_once, "heard, but not kept", id="a-cut-is-settled-at-once"),
        pytest.param(Cut, "settled_by", _without_tools, "its result is lost", id="a-cut-waits-for-no-tool"),
        pytest.param(Playout, "heard", _all_that_was_given, "kept, but never heard", id="given-counts-as-heard"),
        pytest.param(Speaking, "resume", _from_what_was_sent, "heard", id="what-was-lost-is-not-said-again"),
        pytest.param(Silence, "filler_at", _never, "dead air", id="no-fillers"),
        pytest.param(Coach, "_stop_making", _nothing, "at once", id="a-speaker-may-stall-for-ever"),
        pytest.param(Coach, "settled", property(_always_settled), "before the reply", id="replies-overlap"),
        pytest.param(Interruption, "measured", _nothing, "e", id="undecided-interruptions-stay-undecided"),
        pytest.param(Interruption, "weigh", _nothing, "nobody answers", id="words-do-not-interrupt"),
        pytest.param(Speaking, "last_ends_at", _nothing, "middle of a sentence", id="leaves-at-once"),
        pytest.param(Coach, "come_to_an_end", _nothing, "middle of a sentence", id="goes-on-when-it-is-to-leave"),
        pytest.param(Turns, "_may_leave", False, "does not leave", id="never-leaves"),
    ],
)
def test_without_a_rule_some_promise_is_broken(
    owner: type, rule: str, instead: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, rule, instead)
    assert any(why in (_crash_or_broken(seed) or "nothing") for seed in range(ENOUGH))


def _crash_or_broken(seed: int) -> str | None:
    try:
        return broken(seed)
    except (ValueError, KeyError) as error:
        return repr(error)
