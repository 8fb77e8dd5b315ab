"""What is known is told once: the conversation before stays word for word, what changed is a note, and nobody sees another's."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scripts.embedded.ai.chat import adapted
from scripts.embedded.ai.standing import CONVERSATIONS, ROOM, Standing

SYSTEM = {"role": "system", "content": "You are a coach."}
RUN, READ = {"id": "a", "title": "Run 10 km", "progress": 0.0}, {"id": "b", "title": "Read twelve books"}
Turn = dict[str, Any]


def _known(*goals: Turn, name: str = "Ann", today: str = "2026-11-23", **more: Any) -> str:
    lines = [{"today": today, "name": name, "open_goals": len(goals), **more}, *goals]
    return "\n".join(["<known>", *map(json.dumps, lines), "</known>"])


class Talk:
    """One person's conversation, as the server sends it: the block stands before the newest words alone."""

    def __init__(self, standing: Standing, first: str = "Hi") -> None:
        self.standing = standing
        self.turns: list[Turn] = []
        self.first = first

    def say(self, known: str, said: str = "") -> list[Turn]:
        """The prompt it leads to, which is answered."""
        said = said or (f"Word {len(self.turns)}" if self.turns else self.first)
        told = adapted([SYSTEM, *self.turns, {"role": "user", "content": f"{known}\n\n{said}"}], self.standing)
        self.turns += [{"role": "user", "content": said}, {"role": "assistant", "content": f"On {said}"}]
        return told


def test_a_turn_with_nothing_new_only_adds_words() -> None:
    talk = Talk(Standing())
    first, second = talk.say(_known(RUN)), talk.say(_known(RUN))
    assert second[: len(first)] == first
    assert [turn["content"] for turn in second[len(first) :]] == ["On Hi", "Word 2"]


def test_what_is_new_or_changed_or_gone_is_a_note_that_stays_where_it_is() -> None:
    talk = Talk(Standing())
    first = talk.say(_known(RUN))
    second = talk.say(_known({**RUN, "progress": 20.0}, READ))
    third = talk.say(_known(READ, today="2026-11-24"))
    fourth = talk.say(_known(READ, today="2026-11-24"))
    for before, after in ((first, second), (second, third), (third, fourth)):
        assert after[: len(before)] == before
    note, later = second[-1]["content"], third[-1]["content"]
    assert note.startswith(
        "<known>\nopen_goals: 2\ntitle: Run 10 km; progress: 20.0\ntitle: Read twelve books\n</known>"
    )
    assert "today: 2026-11-24" in later
    assert "no longer open: Run 10 km" in later
    assert "Read" not in later
    assert fourth[-1]["content"] == "Word 6"


def test_a_call_begins_and_ends_in_the_midst_of_a_conversation() -> None:
    talk = Talk(Standing())
    typed, spoken = talk.say(_known(RUN)), talk.say(_known(RUN, in_a_call=True))
    still, over, after = (
        talk.say(_known(RUN, in_a_call=True)), talk.say(_known(RUN)), talk.say(_known(RUN))
    )  # fmt: skip
    for before, told in ((typed, spoken), (spoken, still), (still, over), (over, after)):
        assert told[: len(before)] == before
    assert "in_a_call: yes" in spoken[-1]["content"]
    assert still[-1]["content"] == "Word 4"
    assert "in_a_call: False" in over[-1]["content"]
    assert after[-1]["content"] == "Word 8"


def test_in_the_midst_of_an_answer_nothing_is_news() -> None:
    standing = Standing()
    asked = [SYSTEM, {"role": "user", "content": f"{_known()}\n\nI want to run"}]
    first = adapted(asked, standing)
    step = [{"role": "assistant", "content": ""}, {"role": "tool", "content": '{"done": true}'}]
    again = [SYSTEM, {"role": "user", "content": f"{_known(RUN)}\n\nI want to run"}]
    assert adapted([*again, *step], standing)[: len(first)] == first


def test_words_that_nobody_answered_stand_before_what_is_known() -> None:
    told = adapted([SYSTEM, {"role": "user", "content": f"Are you there?\n\n{_known(RUN)}\n\nHello?"}], Standing())
    assert [turn["content"] for turn in told[1:]] == [
        "<known>\ntoday: 2026-11-23; name: Ann; open_goals: 1\ntitle: Run 10 km; progress: 0.0\n</known>",
        "Are you there?\n\nHello?",
    ]


def test_many_notes_become_a_new_block() -> None:
    talk = Talk(Standing())
    said = [talk.say(_known({**RUN, "progress": float(done)})) for done in range(60)]
    assert max(sum(len(turn["content"]) for turn in told if "<known>" in turn["content"]) for told in said) < 3 * ROOM
    assert len({told[1]["content"] for told in said}) > 1
    assert "progress: 59.0" in said[-1][1]["content"] + said[-1][-1]["content"]


def test_the_oldest_conversations_are_forgotten() -> None:
    standing = Standing()
    talk = Talk(standing)
    first = talk.say(_known(RUN))
    for one in range(CONVERSATIONS):
        Talk(standing, f"Hello {one}").say(_known())
    assert talk.say(_known(RUN, READ))[1] != first[1]
    assert len(standing) == CONVERSATIONS


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sets(st.integers(0, 2))), max_size=14))
def test_two_of_one_name_and_one_greeting_see_their_own_alone(said: list[tuple[str, set[int]]]) -> None:
    standing = Standing()
    talks = {one: Talk(standing) for one in "AB"}
    for one, numbers in said:
        goals = [{"id": f"{one}{number}", "title": f"Goal {one}{number}"} for number in sorted(numbers)]
        told = str(talks[one].say(_known(*goals)))
        assert f"Goal {'B' if one == 'A' else 'A'}" not in told
        assert all(goal["title"] in told for goal in goals)
