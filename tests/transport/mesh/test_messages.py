"""Whatever an actor is asked, answers or refuses with is the same at the other end."""

from datetime import UTC, datetime

import pytest

from actors import questions
from actors.commands import NAMES, CreateGoal, SendMessage
from actors.domain.presence import Presence
from actors.domain.refusals import Invalid, NotFound, RateLimited
from actors.events import MessageAdded, recorded
from actors.journal.journal import Unsettled
from actors.journal.orders import Accepted, Order
from actors.runtime.envelope import NotHere, Overloaded, Refused, TimedOut, Unavailable
from actors.session.actor import COMMANDS, MESSAGES
from transport.mesh import messages
from transport.mesh.frames import Refusal

AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
EVENTS = [recorded("session:ann", n, AT, MessageAdded(f"m{n}", "user", "ann", "hello")) for n in (3, 4)]


@pytest.mark.parametrize(
    "message",
    [
        Order("ann", "cid", SendMessage(text="héllo")),
        Order("ann", "cid", CreateGoal(title="Run"), AT, 7),
        questions.Attach("node.sid", "phone"),
        questions.Renew("node", ["node.a", "node.b"], ["phone", "tablet"], [0.5, 60.0], 7, ["node.b"]),
        questions.RenewAll("node", [questions.Renewal("ann", ["node.a"], ["phone"], [0.5], 7, ["node.a"])]),
        questions.Renewed("log", [7, None]),
        questions.SetAway("node.a", away=True),
        questions.ShowPresences("eve", ["ann", "bo"]),
        questions.PresencesShown([Presence("ann", "offline", AT), Presence("bo", "online")], ["cy"]),
        questions.Missed(3, 10),
        questions.Events(EVENTS, 9, more=True),
        questions.Events([], 0, more=False),
        questions.Attached("log", 4),
        Accepted(4, {"id": "x", "at": AT}, repeated=True),
        None,
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_is_packed_arrives(message: object) -> None:
    assert messages.unpack(*messages.pack(message)) == message


def test_everything_doors_ask_can_be_sent() -> None:
    known = set(messages._decoders) | {"Order", "Events"}
    asked = {one.__name__ for one in MESSAGES if one.__module__ == questions.__name__}
    assert asked <= known
    assert {NAMES[command] for command in COMMANDS} <= set(messages._commands)


def test_what_has_no_place_in_the_table_is_a_bug_of_its_sender() -> None:
    with pytest.raises(messages.UnsendableError):
        messages.pack(object())


def test_what_only_a_newer_program_knows_is_refused() -> None:
    _, body = messages.pack(questions.Wake())
    with pytest.raises(Unavailable):
        messages.unpack("Tomorrow", body)
    with pytest.raises(Unavailable):
        messages.unpack("Missed", messages.pack(None)[1])


@pytest.mark.parametrize(
    "why",
    [
        NotFound(),
        Invalid(fields={"title": "is missing"}),
        Overloaded(retry_after_ms=250),
        TimedOut(effect="unknown"),
        Unsettled(effect="unknown", retry_after_ms=500),
        RateLimited(retry_after_ms=3),
        NotHere("other"),
        NotHere(),
    ],
    ids=lambda why: type(why).__name__,
)
def test_a_refusal_is_told_as_it_was(why: Refused) -> None:
    read = messages.refused(messages.refusal(1, why))
    assert (read.code, read.effect, read.fields, read.retry_after_ms) == (
        why.code,
        why.effect,
        why.fields,
        why.retry_after_ms,
    )
    assert getattr(read, "node", None) == getattr(why, "node", None)


def test_a_refusal_of_a_newer_program_says_at_least_whether_something_happened() -> None:
    read = messages.refused(Refusal(1, "new.code", "unknown", 10, None, None))
    assert (read.code, read.effect) == ("unavailable", "unknown")
