"""A scripted OpenAI server on loopback that speaks the real protocol: the far end of the coach's wire.

In a test: `async with scripted_model() as model: model.script(says("Hello."), cut("Hel"))`; each request takes the next
behaviour of the script, and `otherwise` (echo) when the script is empty. As a process:
`python -m tests.scripted_model --port N --behaviour echo`, then all requests behave so; `asked` does what the message
says, e.g. "cut: hello".
"""

import argparse
import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from scripts.embedded.ports import held_port

Json = dict[str, Any]
Behaviour = Callable[["Exchange"], Awaitable[None]]
Call = tuple[str, Json | str]
"""A tool and its arguments; text is sent as it stands, valid JSON or not."""
FOREIGN_GOAL = "0190aaaa-0000-7000-8000-00000000f00d"
"""A goal that is never the user's own."""
ORDER = re.compile(r"CALL (\w+) on ([\w -]+)")
KEPT = 10_000
"""How many requests are remembered; the oldest go first."""


class Exchange:
    """One request and the stream that answers it."""

    def __init__(self, request: web.Request, body: Json) -> None:
        self.body = body
        self._request = request
        self.response: web.StreamResponse | None = None

    @property
    def asked(self) -> str:
        """The newest message of the user, without the block of data before it."""
        texts = [message["content"] for message in self.body["messages"] if message["role"] == "user"]
        return str(texts[-1]).rpartition("</known>")[2].strip() if texts else ""

    @property
    def tools_answered(self) -> bool:
        """Whether the last turn is what a tool answered."""
        return bool(self.body["messages"][-1]["role"] == "tool")

    async def chunk(self, delta: Json, finish: str | None = None) -> None:
        """One `chat.completion.chunk`."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await self.event(json.dumps({**self._frame, "choices": [choice]}))

    async def say(self, text: str) -> None:
        await self.chunk({"content": text})

    async def event(self, data: str) -> None:
        """One server-sent event with any data."""
        await self.raw(f"data: {data}\n\n".encode())

    async def raw(self, sent: bytes) -> None:
        await (await self._opened()).write(sent)

    async def finish(self, reason: str = "stop") -> None:
        """The end as OpenAI sends it: a reason, the usage in a chunk without choices, [DONE]."""
        await self.chunk({}, reason)
        await self.event(json.dumps({**self._frame, "choices": [], "usage": {"total_tokens": 7}}))
        await self.event("[DONE]")

    async def refuse(self, status: int, headers: dict[str, str] | None = None, *, code: str = "") -> None:
        """No stream but an error, which repeats what it was sent as some providers do."""
        error = {"message": f"Can't: {self.asked}", "type": "scripted", "code": code or str(status)}
        self.response = web.json_response({"error": error}, status=status, headers=headers)

    async def break_off(self) -> None:
        """Close the connection in the middle of a chunk of the transfer coding."""
        await self._opened()
        transport = self._request.transport
        assert transport is not None
        transport.write(b'40\r\ndata: {"id":"chatcmpl-scripted","obj')
        transport.close()

    @property
    def _frame(self) -> Json:
        return {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": self.body["model"]}

    async def _opened(self) -> web.StreamResponse:
        if self.response is None:
            self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await self.response.prepare(self._request)
            await self.chunk({"role": "assistant", "content": ""})
        return self.response


# ── behaviours ───────────────────────────────────────────────────────────────────────────────────────────────────


def says(text: str, *, pause: float = 0.0, reason: str = "stop") -> Behaviour:
    """The text word by word, `pause` seconds after each."""

    async def behave(exchange: Exchange) -> None:
        for word in text.split(" ") if text else []:
            await exchange.say(word if text.startswith(word) else f" {word}")
            await asyncio.sleep(pause)
        await exchange.finish(reason)

    return behave


def pieces(*texts: str) -> Behaviour:
    """The texts as they stand, one chunk each; a text may hold half a surrogate pair."""

    async def behave(exchange: Exchange) -> None:
        for text in texts:
            await exchange.say(text)
        await exchange.finish()

    return behave


def echo(*, pause: float = 0.0) -> Behaviour:
    """What the user has just said."""

    async def behave(exchange: Exchange) -> None:
        words = f"You said: {exchange.asked}".split(" ")
        for number, word in enumerate(words):
            await exchange.say(f" {word}" if number else word)
            await asyncio.sleep(pause)
        await exchange.finish()

    return behave


def cut(text: str = "I was about to", *, cleanly: bool = False) -> Behaviour:
    """The text, then no more: the connection closes in the middle of a chunk, or ends as if that were all."""

    async def behave(exchange: Exchange) -> None:
        if text:
            await exchange.say(text)
            await asyncio.sleep(0.02)
        if not cleanly:
            await exchange.break_off()

    return behave


def limited(retry_after: str | None = "2", *, date: str | None = None) -> Behaviour:
    """429, with a Retry-After or without."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return fails(429, headers | ({"Date": date} if date else {}))


def fails(status: int = 500, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.refuse(status, headers)

    return behave


def loading() -> Behaviour:
    """A server whose model is still being fetched or loaded."""

    async def behave(exchange: Exchange) -> None:
        await exchange.refuse(503, code="model_loading")

    return behave


def hangs(text: str | None = None) -> Behaviour:
    """Never goes on: before the first byte, or after the text."""

    async def behave(exchange: Exchange) -> None:
        if text is not None:
            await exchange.say(text)
        await asyncio.Event().wait()

    return behave


def garbage(data: str = '{"choices": [{"del', text: str = "") -> Behaviour:
    """The text, an event that is no chunk, and an end as if nothing were wrong."""

    async def behave(exchange: Exchange) -> None:
        if text:
            await exchange.say(text)
        await exchange.event(data)
        await exchange.finish()

    return behave


def endless(word: str = "and so on ", *, pause: float = 0.0) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        while True:
            await exchange.say(word)
            await asyncio.sleep(pause)

    return behave


def calls(*wanted: Call, text: str = "", same_index: bool = False, reason: str = "tool_calls") -> Behaviour:
    """Tool calls in one answer, their arguments in pieces, interleaved as the protocol allows."""

    async def behave(exchange: Exchange) -> None:
        if text:
            await exchange.say(text)
        for number, (name, arguments) in enumerate(wanted):
            index = 0 if same_index else number
            written = arguments if isinstance(arguments, str) else json.dumps(arguments)
            begun = {"index": index, "id": f"call_{number}", "type": "function"}
            await exchange.chunk({"tool_calls": [{**begun, "function": {"name": name, "arguments": ""}}]})
            for start in range(0, len(written), 7):
                piece = {"index": index, "function": {"arguments": written[start : start + 7]}}
                await exchange.chunk({"tool_calls": [piece]})
        await exchange.finish(reason)

    return behave


def calls_then_says(*wanted: Call, text: str = "Done.", before: str = "", takes: float = 0.0) -> Behaviour:
    """The calls first, with words `before` them; the text `takes` seconds after they have been answered."""

    async def behave(exchange: Exchange) -> None:
        if exchange.tools_answered:
            await asyncio.sleep(takes)
        await (says(text) if exchange.tools_answered else calls(*wanted, text=before))(exchange)

    return behave


def obeys() -> Behaviour:
    """Whatever anybody's words order, wherever in the prompt: `CALL remove_goal on Chess`."""

    async def behave(exchange: Exchange) -> None:
        orders = dict.fromkeys(ORDER.findall(json.dumps(exchange.body["messages"][1:], ensure_ascii=False)))
        wanted: list[Call] = [(name, {"goal": goal.strip()}) for name, goal in orders]
        await (calls(*wanted) if wanted else says("As you wish."))(exchange)

    return behave


def asked() -> Behaviour:
    """What the message names before its colon, e.g. "cut: hello"; echo when it names nothing."""

    async def behave(exchange: Exchange) -> None:
        name = exchange.asked.partition(":")[0].strip()
        make = BEHAVIOURS.get(name, echo)
        await make()(exchange)

    return behave


BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "echo": echo,
    "slow": lambda: echo(pause=0.1),
    "long": lambda: says("One step, then another. " * 100, pause=0.05),
    "empty": lambda: says(""),
    "cut": cut,
    "cut-cleanly": lambda: cut(cleanly=True),
    "limited": limited,
    "limited-long": lambda: limited("60"),
    "error": fails,
    "refused": lambda: fails(400),
    "hang": hangs,
    "garbage": garbage,
    "loading": loading,
    "endless": endless,
    "bad-arguments": lambda: calls_then_says(("create_goal", '{"title": ')),
    "foreign-goal": lambda: calls_then_says(("complete_goal", {"goal": FOREIGN_GOAL})),
    "one-goal": lambda: calls_then_says(("create_goal", {"title": "Walk every day"})),
    "late-goal": lambda: calls_then_says(("create_goal", {"title": "Swim"}), text="That is kept for you.", takes=6.5),
    "begun-goal": lambda: calls_then_says(
        ("create_goal", {"title": "Sing"}), text="Now it is kept.", before="Gladly.", takes=3.0
    ),
    "two-goals": lambda: calls_then_says(("create_goal", {"title": "Walk"}), ("create_goal", {"title": "Read"})),
    "obeys": obeys,
    "asked": asked,
}


# ── the server ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class ScriptedModel:
    """The server as a test sees it. `left` counts the streams whose client went away before their end."""

    url: str
    otherwise: Behaviour = field(default_factory=echo)
    requests: deque[Json] = field(default_factory=lambda: deque(maxlen=KEPT))
    keys: set[str] = field(default_factory=set)
    parts: Json = field(default_factory=lambda: {"chat": {"state": "ready", "done": 0, "total": 0}})
    """How far the models are, as a server of local models says it; any JSON."""
    open: int = 0
    left: int = 0
    _script: deque[Behaviour] = field(default_factory=deque)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def script(self, *behaviours: Behaviour) -> None:
        """What the next requests get, one behaviour each, in order."""
        self._script.extend(behaviours)

    @property
    def status_url(self) -> str:
        return self.url.removesuffix("/v1") + "/healthz"

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"parts": self.parts})

    def prompt(self, number: int = -1) -> Sequence[Json]:
        """The messages of a request, the newest when none is named."""
        messages: Sequence[Json] = self.requests[number]["messages"]
        return messages

    async def until(self, condition: Callable[["ScriptedModel"], bool]) -> None:
        """Wait until something is so, e.g. `lambda model: model.left == 1`."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`."""
        body = await request.json()
        self.requests.append(body)
        self.keys.add(request.headers.get("Authorization", ""))
        behave = self._script.popleft() if self._script else self.otherwise
        await self._count(open=1)
        exchange = Exchange(request, body)
        try:
            await behave(exchange)
        except ConnectionError:  # who asked has gone: aiohttp would log it where it comes to nobody
            await self._count(left=1)
        except asyncio.CancelledError:
            await self._count(left=1)
            raise
        finally:
            await self._count(open=-1)
        assert exchange.response is not None, "a behaviour says something or refuses"
        return exchange.response

    async def _count(self, *, open: int = 0, left: int = 0) -> None:  # noqa: A002 - streams are open
        async with self._changed:
            self.open += open
            self.left += left
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def scripted_model(
    port: int | None = None, *, otherwise: Behaviour | None = None
) -> AsyncIterator[ScriptedModel]:
    """A scripted model on a free loopback port, or on the one given; `.url` is its base URL."""
    with held_port(port) as held:
        model = ScriptedModel(f"http://127.0.0.1:{held}/v1", otherwise or echo())
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_post("/v1/chat/completions", model.complete)
        app.router.add_get("/healthz", model.healthz)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", held).start()
            yield model
        finally:
            await runner.cleanup()


async def _serve(port: int, behaviour: Behaviour) -> None:
    async with scripted_model(port, otherwise=behaviour) as model:
        print(model.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted OpenAI server on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--behaviour", choices=sorted(BEHAVIOURS), default="echo")
    chosen = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(chosen.port, BEHAVIOURS[chosen.behaviour]()))


if __name__ == "__main__":
    main()
