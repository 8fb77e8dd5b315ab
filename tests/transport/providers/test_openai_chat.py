"""Whatever a provider does, the coach's model says what came, and in one word how it failed."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing

import pytest
import structlog

from actors.ports import ModelFailed, TextDelta, Tool, ToolCall, Turn, Usage
from tests.scripted_model import (
    Behaviour,
    Call,
    Exchange,
    ScriptedModel,
    calls,
    cut,
    echo,
    endless,
    fails,
    garbage,
    hangs,
    limited,
    loading,
    pieces,
    says,
)
from transport.providers.openai_chat import Deadlines, OpenAIChat
from transport.providers.openai_client import retry_after

TURNS = [Turn("system", "You are a coach."), Turn("user", "Hello there")]
TOOLS = [Tool("create_goal", "Write a goal down", {"type": "object", "properties": {"title": {"type": "string"}}})]


class Heard:
    """What one answer gave, and how it ended."""

    def __init__(self) -> None:
        self.text = ""
        self.calls: list[ToolCall] = []
        self.tokens = 0
        self.failed: ModelFailed | None = None

    @property
    def code(self) -> str | None:
        return None if self.failed is None else self.failed.code


async def listen(chat: OpenAIChat, turns: Sequence[Turn] = TURNS, tools: Sequence[Tool] = ()) -> Heard:
    heard = Heard()
    try:
        async with aclosing(chat.answer(turns, tools)) as answer:
            async for piece in answer:
                match piece:
                    case TextDelta():
                        heard.text += piece.text
                    case ToolCall():
                        heard.calls.append(piece)
                    case Usage():
                        heard.tokens += piece.tokens
    except ModelFailed as failed:
        heard.failed = failed
    return heard


async def test_words_arrive_as_the_model_says_them(chat: OpenAIChat, server: ScriptedModel) -> None:
    heard = asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        await exchange.say("one")
        await heard.wait()
        await exchange.say(" two")
        await exchange.finish()

    server.script(behave)
    async with aclosing(chat.answer(TURNS, ())) as answer:
        assert await anext(answer) == TextDelta("one")
        heard.set()
        assert [piece async for piece in answer] == [TextDelta(" two"), Usage(7)]


async def test_the_provider_gets_the_turns_the_tools_the_model_and_the_key(
    chat: OpenAIChat, server: ScriptedModel
) -> None:
    call = ToolCall("call-1", "create_goal", '{"title":"Walk"}')
    turns = [*TURNS, Turn("assistant", "", calls=(call,)), Turn("tool", '{"ok":true}', call_id="call-1")]
    assert (await listen(chat, turns, TOOLS)).text == "You said: Hello there"
    sent = server.requests[-1]
    assert (sent["model"], sent["stream"], server.keys) == ("some-model", True, {"Bearer a-key"})
    assert sent["messages"] == [
        {"role": "system", "content": "You are a coach."},
        {"role": "user", "content": "Hello there"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call-1",
                    "type": "function",
                    "function": {"name": "create_goal", "arguments": '{"title":"Walk"}'},
                },
            ],
        },
        {"role": "tool", "content": '{"ok":true}', "tool_call_id": "call-1"},
    ]
    assert sent["tools"][0]["function"]["parameters"] == TOOLS[0].parameters


async def test_the_providers_own_count_is_heard(chat: OpenAIChat, server: ScriptedModel) -> None:
    assert (await listen(chat)).tokens == 7
    assert server.requests[-1]["stream_options"] == {"include_usage": True}
    server.script(garbage('{"choices": [], "usage": {"total_tokens": "many"}}'))
    assert (await listen(chat)).tokens == 7
    server.script(cut("So", cleanly=True))
    assert (await listen(chat)).tokens == 0


async def test_no_tools_are_named_when_there_are_none(chat: OpenAIChat, server: ScriptedModel) -> None:
    await listen(chat)
    assert "tools" not in server.requests[-1]


@pytest.mark.parametrize("index", ["own", "always 0"])
async def test_two_calls_in_one_answer_come_whole_after_the_text(
    chat: OpenAIChat, server: ScriptedModel, index: str
) -> None:
    wanted: list[Call] = [
        ("create_goal", {"title": "Walk every day"}),
        ("record_progress", {"goal_id": "g", "progress": 40}),
    ]
    server.script(calls(*wanted, text="Let me write that down.", same_index=index != "own"))
    heard = await listen(chat, tools=TOOLS)
    assert heard.text == "Let me write that down."
    assert heard.calls == [
        ToolCall("call_0", "create_goal", '{"title": "Walk every day"}'),
        ToolCall("call_1", "record_progress", '{"goal_id": "g", "progress": 40}'),
    ]


async def test_arguments_that_are_no_json_are_handed_on_as_they_are(chat: OpenAIChat, server: ScriptedModel) -> None:
    server.script(calls(("create_goal", '{"title": "Wal'), reason="length"))
    assert (await listen(chat)).calls == [ToolCall("call_0", "create_goal", '{"title": "Wal')]


@pytest.mark.parametrize(
    ("behaviour", "code", "said"),
    [
        (cut("I was about to"), "model.cut", "I was about to"),
        (cut("I was about to", cleanly=True), "model.cut", "I was about to"),
        (cut(""), "model.cut", ""),
        (garbage(text="Well"), "model.cut", "Well"),
        (garbage('{"error": {"message": "overheated", "code": 500}}', text="Well"), "model.error", "Well"),
        (fails(500), "model.error", ""),
        (fails(503), "model.error", ""),
        (fails(400), "model.refused", ""),
        (fails(413), "model.refused", ""),
        (fails(401), "model.error", ""),
        (fails(404), "model.error", ""),
        (loading(), "model.loading", ""),
        (says("Half of", reason="content_filter"), "model.refused", "Half of"),
        (endless("and so on " * 1000), "model.endless", "and so on"),
        (calls(("create_goal", '"' * 30_000)), "model.endless", ""),
        (calls(*[("list_goals", {})] * 40), "model.endless", ""),
    ],
)
async def test_each_way_to_fail_has_its_code_and_keeps_what_was_said(
    chat: OpenAIChat, server: ScriptedModel, behaviour: Behaviour, code: str, said: str
) -> None:
    server.script(behaviour)
    heard = await listen(chat)
    assert heard.code == code
    assert heard.text.startswith(said)
    assert len(heard.text) <= 200_000
    assert heard.calls == []
    server.script(echo())
    assert (await listen(chat)).text == "You said: Hello there", "the next answer is not harmed"
    await server.until(lambda model: model.open == 0)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [(hangs(), ""), (hangs("So"), "So"), (endless(pause=0.05), "and so on")],
    ids=["first", "between", "whole"],
)
async def test_a_server_that_keeps_people_waiting_is_left(
    hasty: OpenAIChat, server: ScriptedModel, behaviour: Behaviour, said: str
) -> None:
    server.script(behaviour)
    heard = await listen(hasty)
    assert heard.code == "model.timeout"
    assert heard.text.startswith(said)
    await server.until(lambda model: model.left == 1)


@pytest.mark.parametrize(
    "data",
    [
        "{}",
        "[]",
        "7",
        "null",
        '"x"',
        '{"choices": null}',
        '{"choices": "x"}',
        '{"choices": [null]}',
        '{"choices": [{"delta": null}]}',
        '{"choices": [{"delta": {"content": 7, "tool_calls": [{"index": "x", "function": "y"}, 3]}}]}',
        '{"choices": [{"delta": {"content": ["a"], "tool_calls": {"index": 0}}, "finish_reason": 7}]}',
        '{"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}',
    ],
)
async def test_a_chunk_of_the_wrong_shape_says_nothing_or_cuts_the_answer(
    chat: OpenAIChat, server: ScriptedModel, data: str
) -> None:
    server.script(garbage(data, text="Well"))
    heard = await listen(chat)
    assert heard.text == "Well"
    assert heard.code in {None, "model.cut"}


async def test_bytes_that_are_no_text_cut_the_answer(chat: OpenAIChat, server: ScriptedModel) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.raw(b"data: \xff\xfe\n\n")

    server.script(behave)
    assert (await listen(chat)).code == "model.cut"


async def test_an_emoji_cut_in_two_comes_whole_and_half_of_one_can_be_stored(
    chat: OpenAIChat, server: ScriptedModel
) -> None:
    server.script(pieces("Run \ud83c", "\udfc3!", " Half \ud83c", " of one \ud83c"))
    heard = await listen(chat)
    assert heard.text == "Run 🏃! Half \ufffd of one \ufffd"
    heard.text.encode()


async def test_too_many_requests_says_how_long_to_wait(chat: OpenAIChat, server: ScriptedModel) -> None:
    server.script(limited("2"), limited(None), limited("never"))
    waits = [(await listen(chat)).failed for _ in range(3)]
    assert [(failed.code, failed.retry_after) for failed in waits if failed] == [
        ("model.limited", 2.0),
        ("model.limited", None),
        ("model.limited", None),
    ]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


async def test_nobody_there_is_unreachable() -> None:
    async with OpenAIChat("http://127.0.0.1:1/v1", "", "m") as nobody:
        assert (await listen(nobody)).code == "model.unreachable"


async def test_deadlines_are_kept(server: ScriptedModel) -> None:
    async with OpenAIChat(server.url, "k", "m", deadlines=Deadlines(first=0.6, between=0.3, whole=0.9)) as chat:
        await chat.warm()
        for behaviour, seconds in [(hangs(), 0.6), (endless(pause=0.05), 0.9)]:
            server.script(behaviour)
            begun = time.monotonic()
            assert (await listen(chat)).code == "model.timeout"
            assert seconds - 0.01 <= time.monotonic() - begun < seconds + 5.0


async def test_slow_but_steady_words_pass_the_deadline_between_words(server: ScriptedModel) -> None:
    async with OpenAIChat(server.url, "k", "m", deadlines=Deadlines(first=5, between=0.8, whole=15)) as chat:
        server.script(says("a b c d e f", pause=0.25))
        assert (await listen(chat)).text == "a b c d e f"


async def test_an_answer_without_done_at_its_end_is_whole(chat: OpenAIChat, server: ScriptedModel) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.say("All of it.")
        await exchange.chunk({}, "stop")
        await asyncio.Event().wait()

    server.script(behave)
    heard = await listen(chat)
    assert (heard.text, heard.code) == ("All of it.", None)


async def test_the_server_sees_it_at_once_when_nobody_listens_any_more(chat: OpenAIChat, server: ScriptedModel) -> None:
    server.script(endless(pause=0.02))
    answer = chat.answer(TURNS, ())
    await anext(answer)
    begun = time.monotonic()
    await answer.aclose()
    await server.until(lambda model: model.left == 1)
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize("behaviour", [hangs(), hangs("So"), endless(pause=0.02)])
async def test_cancelling_who_listens_ends_the_request(
    chat: OpenAIChat, server: ScriptedModel, behaviour: Behaviour
) -> None:
    server.script(behaviour)
    await chat.warm()
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen(chat), name="listening")
        await server.until(lambda model: model.open == 1)
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        listening.cancel()
    await server.until(lambda model: model.left == 1)
    assert time.monotonic() - begun < 3.0


async def test_many_answers_at_once_are_not_mixed_up(chat: OpenAIChat, server: ScriptedModel) -> None:
    server.otherwise = echo(pause=0.002)
    turns = [[Turn("user", f"number {number} speaking")] for number in range(40)]
    heard = await asyncio.gather(*(listen(chat, each) for each in turns))
    assert [each.text for each in heard] == [f"You said: number {number} speaking" for number in range(40)]


async def test_what_people_wrote_never_reaches_the_log(chat: OpenAIChat, server: ScriptedModel) -> None:
    server.script(fails(400), limited())
    with structlog.testing.capture_logs() as logged:
        failures = [(await listen(chat, [Turn("user", "canary-7f3a")])).failed for _ in range(2)]
    assert [(entry["event"], entry["code"], entry["status"]) for entry in logged] == [
        ("model.failed", "model.refused", 400),
        ("model.failed", "model.limited", 429),
    ]
    assert "canary" not in repr(logged)
    assert all(failed is not None and failed.__cause__ is None for failed in failures)


def test_the_heavy_import_waits_for_the_first_use() -> None:
    look = "import sys, transport.providers.openai_chat as m; m.OpenAIChat('u', 'k', 'm'); sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
