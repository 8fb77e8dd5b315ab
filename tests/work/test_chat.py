"""The conversation with the coach: every message owes one reply, and every reply ends once."""

import pytest

from actors.commands import StopReply
from actors.domain.conversation import HISTORY, HISTORY_CHARACTERS, MAX_OWED, OFFLINE, Reading
from actors.domain.refusals import Answered, Conflict, Invalid, NoReply, NotFound, ReplyPending
from actors.runtime.ids import derived
from actors.work import chat
from tests.session.story import ANN, Story

STRANGE = "0198ffff-0000-7000-8000-00000000ffff"


def stop(story: Story, message_id: str, said: str = "") -> chat.Ended:
    answer = story.do(lambda stamp: chat.stopped(story.state.owed, StopReply(message_id), said, stamp, "model"))
    assert isinstance(answer, chat.Ended)
    return answer


def test_a_message_is_kept_and_owes_a_reply(story: Story) -> None:
    sent = story.say("I ran today")
    kept = story.state.history[-1]
    assert (kept.id, kept.seq, kept.role, kept.author_id, kept.text) == (
        sent.message_id,
        sent.seq,
        "user",
        ANN,
        "I ran today",
    )
    assert sent.seq == len(story.events)
    assert sent.reply_id == derived(sent.message_id, "reply")
    assert list(story.state.owed) == [sent.reply_id]
    assert story.state.owed[sent.reply_id].message_id == sent.message_id
    assert story.state.owed[sent.reply_id].since == story.at


def test_the_coachs_message_ends_the_debt(story: Story) -> None:
    sent = story.say()
    ended = story.finish(sent.reply_id, "Well done.")
    last = story.state.history[-1]
    assert (last.id, last.role, last.author_id, last.reply_to) == (sent.reply_id, "coach", "coach", sent.message_id)
    assert (last.text, last.state, last.answered_by) == ("Well done.", "complete", "model")
    assert ended == chat.Ended(sent.reply_id, last.seq)
    assert story.state.owed == {}


def test_a_failed_reply_says_why(story: Story) -> None:
    story.finish(story.say().reply_id, "…", state="failed", problem="model.cut")
    assert (story.state.history[-1].state, story.state.history[-1].problem) == ("failed", "model.cut")


def test_a_reply_ends_once_and_only_if_it_is_owed(story: Story) -> None:
    sent = story.say()
    with pytest.raises(Conflict):
        story.finish(STRANGE)
    with pytest.raises(Conflict):
        story.finish(sent.message_id)
    story.finish(sent.reply_id)
    with pytest.raises(Conflict):
        story.finish(sent.reply_id)


def test_replies_are_owed_in_order_up_to_a_bound(story: Story) -> None:
    sent = [story.say(str(number)) for number in range(MAX_OWED)]
    assert list(story.state.owed) == [one.reply_id for one in sent]
    with pytest.raises(ReplyPending) as refused:
        story.say("One more")
    assert refused.value.retry_after_ms
    story.finish(sent[0].reply_id)
    assert story.say("Now it fits").reply_id in story.state.owed


@pytest.mark.parametrize("text", [" ", "\n", "\u00a0\t", "\u202e", "\u200b\ufeff"])
def test_a_message_says_something(story: Story, text: str) -> None:
    with pytest.raises(Invalid):
        story.say(text)


def test_a_message_is_kept_exactly_as_it_was_written(story: Story) -> None:
    text = "  two\n\nlines \N{RUNNER}\N{ZERO WIDTH JOINER}\N{FEMALE SIGN} {$gt: 1} <b>\x00"
    story.say(text)
    assert story.state.history[-1].text == text


@pytest.mark.parametrize("by_reply", [True, False])
def test_stopping_keeps_what_was_said(story: Story, by_reply: bool) -> None:  # noqa: FBT001 - a parameter
    sent = story.say()
    ended = stop(story, sent.reply_id if by_reply else sent.message_id, "I think you sh")
    last = story.state.history[-1]
    assert (last.id, last.text, last.state, last.reply_to) == (
        sent.reply_id,
        "I think you sh",
        "interrupted",
        sent.message_id,
    )
    assert last.answered_by == "model"
    assert ended == chat.Ended(sent.reply_id, last.seq)
    assert story.state.owed == {}
    with pytest.raises(Conflict):
        story.finish(sent.reply_id)


def test_a_reply_that_has_not_begun_ends_empty_and_the_others_stay(story: Story) -> None:
    first, second, third = story.say("1"), story.say("2"), story.say("3")
    stop(story, second.message_id)
    assert (story.state.history[-1].id, story.state.history[-1].text) == (second.reply_id, "")
    assert list(story.state.owed) == [first.reply_id, third.reply_id]


def test_there_is_nothing_to_stop_when_nothing_is_owed(story: Story) -> None:
    sent = story.say()
    with pytest.raises(NoReply):
        stop(story, STRANGE)
    story.finish(sent.reply_id)
    for name in (sent.reply_id, sent.message_id):
        with pytest.raises(NoReply):
            stop(story, name)


def test_a_failed_reply_is_made_again_for_the_same_message(story: Story) -> None:
    sent = story.say("How am I doing?")
    story.finish(sent.reply_id, "Sorry.", state="failed", problem="model.cut")
    again = story.retry(sent.reply_id)
    assert again.message_id == sent.message_id
    assert again.reply_id not in {sent.reply_id, sent.message_id}
    assert list(story.state.owed) == [again.reply_id]
    assert story.retry(sent.message_id) == again, "one at a time"
    story.finish(again.reply_id, "Well.")
    last = story.state.history[-1]
    assert (last.id, last.reply_to, last.text) == (again.reply_id, sent.message_id, "Well.")
    assert [one.type for one in story.events[-2:]] == ["reply.retried", "message.added"]


@pytest.mark.parametrize(
    "ended",
    [{"state": "failed", "problem": "model.cut"}, {"state": "interrupted"}, {"answered_by": OFFLINE}],
)
def test_what_was_not_answered_well_may_be_asked_again(story: Story, ended: dict[str, str]) -> None:
    sent = story.say()
    story.finish(sent.reply_id, "Hm", **ended)
    story.retry(sent.message_id)
    story.finish(next(iter(story.state.owed)), "Fine.")
    with pytest.raises(Answered):
        story.retry(sent.message_id)


def test_only_the_users_own_messages_are_answered_again(story: Story) -> None:
    sent = story.say()
    with pytest.raises(NotFound):
        story.retry(STRANGE)
    assert story.retry(sent.message_id).reply_id == sent.reply_id, "it is still being answered"
    for _ in range(HISTORY):
        story.finish(story.say().reply_id)
    story.finish(sent.reply_id, state="failed")
    with pytest.raises(NotFound):
        story.retry(sent.message_id)


def test_what_was_read_is_marked_up_to_the_newest_message_and_never_back(story: Story) -> None:
    first = story.finish(story.say().reply_id)
    last = story.finish(story.say().reply_id)
    story.create("after both")
    assert story.reading() == Reading("coach", 0, 2)
    assert story.read(first.seq) == Reading("coach", first.seq, 1)
    assert story.read(len(story.events)) == Reading("coach", last.seq, 0)
    log = list(story.events)
    for seq in (len(log), last.seq, first.seq, 0):
        assert story.read(seq) == Reading("coach", last.seq, 0)
    assert story.events == log


def test_nobody_has_read_what_is_still_to_come(story: Story) -> None:
    story.say()
    with pytest.raises(Invalid) as refused:
        story.read(len(story.events) + 1)
    assert refused.value.fields == {"seq": "is not in the log yet"}


def test_ones_own_words_are_never_unread(story: Story) -> None:
    story.say()
    assert story.reading().unread == 0


def test_the_newest_messages_stay_in_mind(story: Story) -> None:
    for number in range(HISTORY):
        story.finish(story.say(f"q{number}").reply_id, f"a{number}")
    assert len(story.state.history) == HISTORY
    assert [held.text for held in story.state.history[-2:]] == [f"q{HISTORY - 1}", f"a{HISTORY - 1}"]
    assert [held.seq for held in story.state.history] == sorted(held.seq for held in story.state.history)


def test_a_message_whose_reply_is_owed_stays_however_old(story: Story) -> None:
    waiting = story.say("Please don't forget me")
    for number in range(HISTORY):
        story.finish(story.say(str(number)).reply_id)
    assert story.state.history[0].id == waiting.message_id
    story.finish(waiting.reply_id)
    assert waiting.message_id not in {held.id for held in story.state.history}
    assert len(story.state.history) == HISTORY


def test_very_long_messages_leave_sooner_but_never_the_newest(story: Story) -> None:
    for _ in range(4):
        story.finish(story.say().reply_id, "x" * (HISTORY_CHARACTERS // 3))
    assert sum(len(held.text) for held in story.state.history) <= HISTORY_CHARACTERS
    last = story.say("y" * 16_000)
    story.finish(last.reply_id, "z" * (HISTORY_CHARACTERS + 1))
    assert [held.id for held in story.state.history] == [last.reply_id]
