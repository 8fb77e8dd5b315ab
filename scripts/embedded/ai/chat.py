"""The chat requests as the small local model takes them best, and a router's call as the chat completions API writes it."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

NAME: Final = "local demo model"
"""What every answer says it is from; apps show it as `answered_by`."""
MAX_TOKENS: Final = 400
MAX_RESULT: Final = 1500
_PASSED: Final = ("temperature", "top_p", "seed", "stop", "stream", "stream_options", "response_format")
_OPEN, _CLOSE = "<known>\n", "\n</known>"
_AFTER_TOOLS: Final = (
    "Say in one short sentence, in the language I wrote in, what was done or why not; the result is data."
)
_ASK_FIRST: Final = (
    "Nothing has been changed yet. Say in one short sentence, in the language I wrote in, what you have prepared, "
    "and that it is done only once I confirm it."
)
Message = dict[str, Any]


class Completion(msgspec.Struct):
    """A request to `/v1/chat/completions`, as far as this server reads it."""

    messages: list[Message]
    tools: list[dict[str, Any]] = []
    tool_choice: Any = None
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: Any = None
    response_format: dict[str, Any] | None = None

    @property
    def wants_router(self) -> bool:
        """Only a turn of the person itself may lead to a call; after a tool has answered there is prose."""
        last = self.messages[-1] if self.messages else {}
        return bool(self.tools) and self.tool_choice != "none" and last.get("role") == "user"

    @property
    def newest(self) -> str:
        return text_of(self.messages[-1])


def for_model(request: Completion, model: str) -> dict[str, Any]:
    """The request to llama.cpp's server: without tools, short, and beginning as the last one of this conversation did."""
    asked = request.max_completion_tokens or request.max_tokens or MAX_TOKENS
    passed = {name: value for name in _PASSED if (value := getattr(request, name)) is not None}
    own = {"model": model, "messages": adapted(request.messages), "max_tokens": max(1, min(asked, MAX_TOKENS))}
    return {"temperature": 0.3} | passed | own | {"id_slot": 0, "cache_prompt": True}


def adapted(messages: Sequence[Message]) -> list[Message]:
    """What is known stands right after the instructions, where it seldom changes; what tools answered becomes a user's turn.

    So a warm turn has nothing to read but its own words: a block before the newest message would be read again each turn,
    and the turn before it too, which has lost its own.
    """
    system = [message for message in messages if message.get("role") in {"system", "developer"}]
    known = ""
    talk: list[Message] = []
    for message in messages:
        newer, told = _split(message)
        known = newer or known
        talk += told
    if messages and messages[-1].get("role") == "tool":
        waits = "waiting" in _object(text_of(messages[-1]))
        talk.append({"role": "user", "content": _ASK_FIRST if waits else _AFTER_TOOLS})
    lines = [_told(_object(line)) for line in known.splitlines()]
    block = [{"role": "user", "content": "\n".join(["<known>", *lines, "</known>"])}] if known else []
    return [*({"role": "system", "content": text_of(message)} for message in system), *block, *talk]


def _split(message: Message) -> tuple[str, list[Message]]:
    """What is known according to a message, and what it says: a turn, or none."""
    role, text, known = message.get("role"), text_of(message), ""
    if role == "tool":
        return "", [{"role": "user", "content": f"<result>{_result(text)}</result>"}]
    if role == "assistant":
        return "", [{"role": "assistant", "content": text}] if text else []
    if role != "user":
        return "", []
    if text.startswith(_OPEN) and _CLOSE in text:
        known, _, text = text.removeprefix(_OPEN).partition(_CLOSE)
    return known, [{"role": "user", "content": text.strip()}]


def call_chunks(request: Completion, name: str, arguments: Mapping[str, Any]) -> list[bytes]:
    """A call as server-sent events: its name first, then its arguments, then why the answer ends."""
    frame = _frame("chat.completion.chunk")
    call = {"index": 0, "id": f"call_{uuid.uuid4().hex[:24]}", "type": "function"}
    begun = call | {"function": {"name": name, "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": json.dumps(arguments, ensure_ascii=False)}}
    deltas = [{"role": "assistant", "content": None, "tool_calls": [begun]}, {"tool_calls": [rest]}]
    chunks = [frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    if (request.stream_options or {}).get("include_usage"):
        chunks.append(frame | {"choices": [], "usage": usage(request)})
    return [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


def call_whole(request: Completion, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same call as one answer."""
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    calls = [{"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return _frame("chat.completion") | {"choices": [choice], "usage": usage(request)}


def usage(request: Completion) -> dict[str, int]:
    """About: four characters are a token; the router reads its own, shorter prompt."""
    read = len(request.newest) // 4 + 1
    return {"prompt_tokens": read, "completion_tokens": 20, "total_tokens": read + 20}


def text_of(message: Message) -> str:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _frame(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": NAME}


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _result(text: str) -> str:
    """What a tool answered; "done" is to a small model that a goal is finished, and what it is about is said once for all."""
    told = _object(text)
    if not told:
        return text[:MAX_RESULT]
    return _told(
        {"recorded" if (key, value) == ("done", True) else key: value for key, value in told.items() if key != "about"}
    )


def _told(value: Any) -> str:
    """JSON in fewer tokens, without ids, which are half of it; no value can open or close a tag, or begin a line."""
    if isinstance(value, dict):
        pairs = [(key, _told(inner)) for key, inner in value.items() if key not in {"id", "part_of"}]
        return "; ".join(f"{key}: {inner}" for key, inner in pairs if inner)[:MAX_RESULT]
    if isinstance(value, list):
        return " | ".join(map(_told, value))
    return " ".join(str(value).replace("<", "(").split())
