"""The chat requests as the small local model takes them best, and a router's call as the chat completions API writes it."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from scripts.embedded.ai.known import CLOSE, OPEN, read_known, read_object, split
from scripts.embedded.ai.standing import Conversation, Standing

NAME: Final = "local demo model"
"""What every answer says it is from; apps show it as `answered_by`."""
MAX_TOKENS: Final = 400
MAX_SPOKEN: Final = 90
"""Tokens of an answer that is heard: about half a minute."""
MAX_RESULT: Final = 1500
IN_A_CALL: Final = "in_a_call"
SPOKEN: Final = (
    'yes, you are heard, so be as brief as people on the telephone: "That sounds tiring. Rest a little first.", '
    '"Well done! What was it about?", "Of course. Which day suits you?"'
)
"""How a small model is told that somebody listens: close to the words, and by examples. Told what a first sentence is to
be like, its first has 11 words; of these examples it learns 6, and with others it says nothing but them.
"""
_PASSED: Final = ("temperature", "top_p", "seed", "stop", "stream", "stream_options", "response_format")
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


def for_model(request: Completion, model: str, standing: Standing) -> dict[str, Any]:
    """The request to llama.cpp's server: without tools, short, and beginning as the last one of this conversation did."""
    asked = request.max_completion_tokens or request.max_tokens or MAX_TOKENS
    passed = {name: value for name in _PASSED if (value := getattr(request, name)) is not None}
    messages = adapted(request.messages, standing)
    most = MAX_SPOKEN if _is_heard(request.messages) else MAX_TOKENS
    own = {"model": model, "messages": messages, "max_tokens": max(1, min(asked, most))}
    return {"temperature": 0.3} | passed | own | {"id_slot": 0, "cache_prompt": True}


def adapted(messages: Sequence[Message], standing: Standing) -> list[Message]:
    """What is known stands where it was first told, not before the newest words; what tools answered becomes a user's turn.

    So a warm turn has nothing to read but its own words: a block before the newest message would be read again each turn,
    and the turn before it too, which has lost its own.
    """
    system = [
        {"role": "system", "content": text_of(message)}
        for message in messages
        if message.get("role") in {"system", "developer"}
    ]
    known = ""
    talk: list[Message] = []
    for message in messages:
        newer, told = _split(message)
        known = newer or known
        talk += told
    if known and talk:
        said = [turn["content"] for turn in talk]
        talk = _knowing(talk, standing.of(said, read_known(known), new=_is_asked(messages)))
    if messages and messages[-1].get("role") == "tool":
        waits = "waiting" in read_object(text_of(messages[-1]))
        result = talk.pop()["content"]
        talk.append({"role": "user", "content": f"{result}\n\n{_ASK_FIRST if waits else _AFTER_TOOLS}"})
    return [*system, *talk]


def _is_asked(messages: Sequence[Message]) -> bool:
    """Not in the midst of an answer: what its own tools changed they have told themselves."""
    return messages[-1].get("role") == "user"


def _is_heard(messages: Sequence[Message]) -> bool:
    """Whether the person who spoke last is in a call."""
    newest = next((message for message in reversed(messages) if message.get("role") == "user"), {})
    return bool(read_known(split(text_of(newest))[1]).person.get(IN_A_CALL))


def _knowing(talk: Sequence[Message], conversation: Conversation) -> list[Message]:
    """The talk with what is known before it, and each later note before the words it came with."""
    notes = {place: _block(lines) for place, lines in conversation.told().items()}
    block = {"role": "user", "content": _block(conversation.block.lines())}
    noted = [
        turn | {"content": f"{notes[place]}\n\n{turn['content']}"} if place in notes else turn
        for place, turn in enumerate(talk)
    ]
    return [block, *noted]


def _block(lines: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join([OPEN, *map(_told, lines), CLOSE])


def _split(message: Message) -> tuple[str, list[Message]]:
    """What is known according to a message, and what it says: a turn, or none."""
    role, text = message.get("role"), text_of(message)
    if role == "tool":
        return "", [{"role": "user", "content": f"<result>{_result(text)}</result>"}]
    if role == "assistant":
        return "", [{"role": "assistant", "content": text}] if text else []
    if role != "user":
        return "", []
    before, known, newest = split(text)
    return known, [{"role": "user", "content": f"{before}\n\n{newest}".strip()}]


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


def _result(text: str) -> str:
    """What a tool answered; "done" is to a small model that a goal is finished, and what it is about is said once for all."""
    told = read_object(text)
    if not told:
        return text[:MAX_RESULT]
    if told.get("done") is True and told.get("summary"):  # what the goal is like now would only be told back
        return _told({"recorded": told["summary"]})
    return _told(
        {"recorded" if (key, value) == ("done", True) else key: value for key, value in told.items() if key != "about"}
    )


def _told(value: Any) -> str:
    """JSON in fewer tokens, without ids, which are half of it; no value can open or close a tag, or begin a line."""
    if isinstance(value, dict):
        pairs = [
            (key, SPOKEN if (key, inner) == (IN_A_CALL, True) else _told(inner))
            for key, inner in value.items()
            if key not in {"id", "part_of"}
        ]
        return "; ".join(f"{key}: {inner}" for key, inner in pairs if inner)[:MAX_RESULT]
    if isinstance(value, list):
        return " | ".join(map(_told, value))
    return " ".join(str(value).replace("<", "(").split())
