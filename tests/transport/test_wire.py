"""What comes in is a Struct or Invalid, never a traceback and never the value back; what goes out has one form."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commands import PUBLIC, ChangeProfile, CreateGoal, SendMessage
from actors.domain.goals import Goal
from actors.domain.profile import Profile
from actors.domain.refusals import Invalid, UnknownCommand
from actors.events import GoalProgressed, MessageAdded, recorded
from transport import wire

CID = "0192f0c1-2345-7abc-8def-0123456789ab"
AT = datetime(2025, 11, 22, 20, 3, 51, 123_999, tzinfo=UTC)


def refused(shape: type, raw: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        wire.read(shape, raw)
    assert caught.value.fields
    return dict(caught.value.fields)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"title": 5}, "title"),
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "x", "kind": "SECRET"}, "kind"),
        ({"title": "x", "SECRET": 1}, "SECRET"),
        ({"title": "x", "due": "SECRET"}, "due"),
        ({"title": "x", "due": "2025-13-01"}, "due"),
        ({"title": "x", "metric": {"unit": "km", "target": "SECRET"}}, "metric.target"),
        ({"title": "x", "metric": {"unit": "km", "target": math.nan}}, "metric.target"),
        ({"title": "x", "metric": {"unit": "km", "target": math.inf}}, "metric.target"),
        ({"title": "x", "metric": {"unit": "km", "target": 10**400}}, "metric.target"),
        ({"title": "x", "metric": {"unit": "km", "target": 1, "SECRET": 2}}, "metric.SECRET"),
        ({"title": "a\0b"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"title": b"SECRET"}, "title"),
        ({"title": AT}, "title"),
        ({"title": {"$gt": ""}}, "title"),
        ({"title": "x", "$where": "1"}, "$"),
        ({"title": "x", "parent_id": {"$ne": None}}, "parent_id"),
        ({"title": "x", 7: "y"}, "$"),
        ({"title": "x", "a\0": "y"}, "$"),
        ([], "$"),
        (None, "$"),
        ("SECRET", "$"),
        (b"", "$"),
        (b"{", "$"),
        (b"NaN", "$"),
        (b'{"title": "\xff"}', "$"),
        (b'{"title": "\\ud800"}', "$"),
        (b'{"title": "\\u0000"}', "title"),
        (b'{"title": 1e999}', "$"),
        (b"[" * 100_000, "$"),
        (b'{"title":' + b"[" * 500 + b"]" * 500 + b"}", "$"),
        (b"9" * 5_000, "$"),
    ],
)
def test_bad_input_names_the_failing_path_and_never_the_value(body: object, path: str) -> None:
    fields = refused(CreateGoal, body)
    assert list(fields) == [path]
    assert "SECRET" not in fields[path]


def test_the_first_failing_path_inside_a_list_is_told() -> None:
    assert list(refused(SendMessage, {"text": "x", "attachments": ["a" * 36, "y", "z"]})) == ["attachments[1]"]


def test_nesting_has_an_end() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"a": deep}
    assert refused(CreateGoal, deep) == {"$": "is nested too deeply"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(name=st.sampled_from(sorted(PUBLIC)), body=anything)
def test_whatever_a_socket_sends_is_a_command_or_a_refusal(name: str, body: Any) -> None:
    if isinstance(body, dict):
        body = {"cid": CID, **body}
    try:
        cid, command = wire.read_command(name, body)
    except Invalid as error:
        assert error.fields  # noqa: PT017 - both ends are allowed
    else:
        assert cid == CID
        assert type(command) is PUBLIC[name]


@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_a_body_or_a_refusal(raw: bytes) -> None:
    try:
        wire.read(CreateGoal, raw)
    except Invalid as error:
        assert error.fields  # noqa: PT017


def test_a_command_is_split_from_its_cid() -> None:
    assert wire.read_command("chat.send", {"cid": CID.upper(), "text": "hi"}) == (CID, SendMessage("hi"))


@pytest.mark.parametrize("cid", [None, 5, "", "x", CID[:-1], "{" + CID + "}", CID.replace("-", ""), [CID]])
def test_a_cid_is_a_uuid(cid: object) -> None:
    with pytest.raises(Invalid) as caught:
        wire.read_command("chat.send", {"cid": cid, "text": "hi"})
    assert list(caught.value.fields or ()) == ["cid"]


@pytest.mark.parametrize("name", ["connect", "disconnect", "__class__", "account.open", "reply.finish", ""])
def test_only_public_names_are_commands(name: str) -> None:
    with pytest.raises(UnknownCommand):
        wire.read_command(name, {"cid": CID})


def test_a_query_is_read_from_text() -> None:
    class Query(msgspec.Struct, forbid_unknown_fields=True):
        limit: int = 50

    assert wire.read_query(Query, {"limit": "7"}).limit == 7
    with pytest.raises(Invalid):
        wire.read_query(Query, {"limit": "seven"})
    with pytest.raises(Invalid):
        wire.read_query(Query, {"Limit": "7"})


def test_what_is_not_said_is_told_from_what_is_emptied() -> None:
    assert wire.read(ChangeProfile, b"{}").name is msgspec.UNSET


def test_times_go_out_in_utc_with_exactly_milliseconds() -> None:
    paris = timezone(timedelta(hours=1))
    assert wire.time_text(AT) == "2025-11-22T20:03:51.123Z"
    assert wire.time_text(AT.replace(microsecond=0)) == "2025-11-22T20:03:51.000Z"
    assert wire.time_text(AT.astimezone(paris)) == "2025-11-22T20:03:51.123Z"
    with pytest.raises(ValueError, match="zone"):
        wire.time_text(AT.replace(tzinfo=None))


def test_an_event_goes_out_as_documented() -> None:
    event = recorded("session:u", 7, AT, GoalProgressed("g", 40.0, date(2025, 11, 22), "UTC"))
    packed = wire.pack(event)
    assert packed == {
        "v": 1,
        "seq": 7,
        "id": event.id,
        "at": "2025-11-22T20:03:51.123Z",
        "type": "goal.progressed",
        "data": {
            "goal_id": "g",
            "progress": 40.0,
            "day": "2025-11-22",
            "tz": "UTC",
            "metric": None,
            "note": None,
            "rolled_up": [],
            "occurred_at": None,
        },
    }
    assert json.loads(wire.dump(event)) == packed == msgpack.loads(msgpack.dumps(packed))


def test_an_answer_looks_the_same_when_it_is_given_again() -> None:
    goal = Goal(id="g", title="t", due=date(2026, 1, 2), created_at=AT, updated_at=AT)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode({"goal": goal}))
    assert wire.dump({"goal": goal}) == wire.dump(again)
    assert wire.pack(Profile(user_id="u", email="a@b", name="n", created_at=AT, updated_at=AT))["life_areas"] == {}
    assert wire.pack(recorded("a", 1, AT, MessageAdded("m", "user", "u", "hi")))["data"]["text"] == "hi"
