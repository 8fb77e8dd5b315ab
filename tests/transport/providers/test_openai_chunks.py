"""Chunks gathered into an answer, however a server splits them."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.ports import ToolCall, Turn
from transport.providers.openai_chunks import Gathered, Unicode, pack_turn


def chunk(content: Any = None, tools: Any = None, finish: Any = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content, "tool_calls": tools}, "finish_reason": finish}]}


def tool(index: int, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def test_an_id_and_a_name_that_are_repeated_in_every_piece_stay_one_call() -> None:
    gathered = Gathered()
    for arguments in ('{"a"', ":1}"):
        gathered.take(chunk(tools=[tool(0, "c", "list_goals", arguments)]))
    assert gathered.calls() == [ToolCall("c", "list_goals", '{"a":1}')]


def test_a_new_id_without_a_name_goes_on_with_the_call() -> None:
    gathered = Gathered()
    gathered.take(chunk(tools=[tool(0, "c", "list_goals", "{")]))
    gathered.take(chunk(tools=[tool(0, "other", None, "}")]))
    assert gathered.calls() == [ToolCall("c", "list_goals", "{}")]


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    gathered = Gathered()
    gathered.take(chunk(tools=[tool(0, None, "a", "{}"), tool(1, None, "b", "{}")]))
    assert [call.call_id for call in gathered.calls()] == ["call_0", "call_1"]


def test_an_assistant_turn_with_text_and_calls_keeps_both() -> None:
    packed = pack_turn(Turn("assistant", "One moment.", calls=(ToolCall("c", "n", "{}"),)))
    assert packed["content"] == "One moment."
    assert packed["tool_calls"][0]["id"] == "c"


@given(st.text(alphabet="ab🏃é", max_size=20), st.data())
def test_text_is_the_same_wherever_it_was_split_between_utf_16_units(text: str, data: st.DataObject) -> None:
    raw = text.encode("utf-16-le")
    units = [raw[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(raw), 2)]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))) | {0, len(units)})
    unicode = Unicode()
    heard = "".join(unicode.add("".join(units[a:b])) for a, b in pairwise(cuts)) + unicode.end()
    assert heard == text


@given(st.lists(st.text(alphabet="a\ud83c\udfc3é", max_size=4), max_size=6))
def test_whatever_halves_come_the_text_can_be_stored(texts: list[str]) -> None:
    unicode = Unicode()
    heard = "".join(unicode.add(text) for text in texts) + unicode.end()
    heard.encode()
    assert heard.count("a") == "".join(texts).count("a")
