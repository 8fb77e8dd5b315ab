"""The OpenAI chat protocol without I/O: turns and tools as it writes them, streamed chunks gathered into an answer."""

from collections.abc import Sequence
from typing import Any, Final

from actors.ports import ModelFailed, Tool, ToolCall, Turn

MAX_TEXT: Final = 200_000
MAX_ARGUMENTS: Final = 20_000
"""Characters of arguments in one answer, all calls together."""
MAX_CALLS: Final = 32
MAX_TOKENS: Final = 10_000_000
"""A usage beyond is no usage."""


def pack_turn(turn: Turn) -> dict[str, Any]:
    """A turn as a message of the chat completions API."""
    packed: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.call_id is not None:
        packed["tool_call_id"] = turn.call_id
    if turn.calls:
        packed["content"] = turn.text or None
        packed["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.calls
        ]
    return packed


def pack_tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


class Unicode:
    """Joins a surrogate pair that was cut between two chunks; what stays alone becomes U+FFFD, for it can't be stored."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, text: str) -> str:
        if text.isascii() and not self._held:
            return text
        text = self._held + text
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return _mended(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """What is still held, when nothing follows."""
        held, self._held = self._held, ""
        return _mended(held)


class _Call:
    """A tool call on its way: its name comes first, its arguments piece by piece."""

    def __init__(self, call_id: str, name: str) -> None:
        self.call_id = call_id
        self.name = name
        self.arguments: list[str] = []


class Gathered:
    """One answer as far as it has come. `finish` is why the model stopped, None until it has; `tokens` its usage, if told.

    Chunks are any JSON at all: whatever is not as the protocol has it says nothing.
    """

    def __init__(self) -> None:
        self.finish: str | None = None
        self.tokens = 0
        self._text = Unicode()
        self._text_length = 0
        self._arguments_length = 0
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}

    def take(self, chunk: Any) -> str:
        """Take one `chat.completion.chunk`; answers the text it adds. Raises ModelFailed (model.endless)."""
        total = _of(_of(chunk, "usage"), "total_tokens")
        self.tokens = total if isinstance(total, int) and 0 < total < MAX_TOKENS else self.tokens
        choice = next(iter(_list(chunk, "choices")), None)
        delta = _of(choice, "delta")
        for call in _list(delta, "tool_calls"):
            self._take_call(call)
        text = self._text.add(_text(delta, "content") + _text(delta, "refusal"))
        finish = _text(choice, "finish_reason")
        if finish:
            self.finish = finish
            text += self._text.end()
        self._text_length += len(text)
        if max(self._text_length / MAX_TEXT, self._arguments_length / MAX_ARGUMENTS, len(self._calls) / MAX_CALLS) > 1:
            raise ModelFailed("model.endless")
        return text

    def calls(self) -> Sequence[ToolCall]:
        """The calls, in the order in which the model began them; whole once there is a `finish`."""
        return [ToolCall(call.call_id, call.name, _mended("".join(call.arguments))) for call in self._calls]

    def _take_call(self, delta: Any) -> None:
        function = _of(delta, "function")
        index = _of(delta, "index")
        call = self._call(index if isinstance(index, int) else 0, _text(delta, "id"), _text(function, "name"))
        arguments = _text(function, "arguments")
        self._arguments_length += len(arguments)
        call.arguments.append(arguments)

    def _call(self, index: int, call_id: str, name: str) -> _Call:
        """The call a delta belongs to. Some servers give every call the index 0: another id with a name begins another."""
        call = self._at.get(index)
        if call is None or (name and call_id and call.call_id != call_id):
            call = _Call(call_id or f"call_{len(self._calls)}", name)
            self._at[index] = call
            self._calls.append(call)
        call.name = call.name or name
        return call


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any, name: str) -> Sequence[Any]:
    found = _of(value, name)
    return found if isinstance(found, list) else ()


def _text(value: Any, name: str) -> str:
    found = _of(value, name)
    return found if isinstance(found, str) else ""


def _mended(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
