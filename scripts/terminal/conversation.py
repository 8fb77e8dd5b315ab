"""The two ways to talk: line by line until the person leaves, or one sentence and its reply."""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console

from scripts.terminal.account import Account, RefusalError
from scripts.terminal.actions import WORDS, Actions
from scripts.terminal.screen import HELP, Screen
from scripts.terminal.speech import Speech, printable
from scripts.terminal.talk import Show, Talk

REPLY_WITHIN = 300.0  # seconds


@asynccontextmanager
async def connected(account: Account, on_delta: Show, on_message: Show) -> AsyncIterator[Talk]:
    talk = Talk(account, on_delta, on_message)
    await talk.connect()
    try:
        yield talk
    finally:
        await talk.close()


async def say_once(account: Account, text: str) -> int:
    """Prints the reply as it comes, and nothing else; 0 when it is complete."""
    speech = Speech()

    def delta(data: dict[str, Any]) -> None:
        _write(speech.heard(data["message_id"], data["index"], data["text"]))

    def message(whole: dict[str, Any]) -> None:
        if whole["role"] == "coach":
            _write(speech.finished(whole["id"], whole["text"]) + "\n")

    async with connected(account, delta, message) as talk:
        try:
            async with asyncio.timeout(REPLY_WITHIN):
                reply = await talk.send(text)
                either: list[asyncio.Future[Any]] = [reply, talk.ended]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                talk.check()
        except TimeoutError:
            raise RefusalError("timeout", "No reply came in time.") from None
    return 0 if reply.result()["state"] == "complete" else 1


def _write(text: str) -> None:
    sys.stdout.write(printable(text))
    sys.stdout.flush()


class Lines:
    """What is typed, read by a thread that nobody waits for at the end. It reads at most 100 lines ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._ahead = threading.Semaphore(100)
        threading.Thread(target=self._read, name="typed lines", daemon=True).start()

    async def next(self) -> str | None:
        """None at the end of the input."""
        line = await self._typed.get()
        self._ahead.release()
        return line

    def put(self, line: str | None) -> None:
        """As if it had been typed."""
        self._typed.put_nowait(line)

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            for line in sys.stdin:
                self._ahead.acquire()
                self._loop.call_soon_threadsafe(self._typed.put_nowait, line)
            self._loop.call_soon_threadsafe(self._typed.put_nowait, None)


class Conversation:
    """A person at a terminal. The prompt comes back when the coach has said everything.

    Before it stands what the coach did, and the proposal that a `y` or an `n` would be about.
    """

    def __init__(self, account: Account, talk: Talk, screen: Screen, actions: Actions) -> None:
        self._account = account
        self._talk = talk
        self._screen = screen
        self._actions = actions
        self._pending: set[asyncio.Future[dict[str, Any]]] = set()
        self._leaving = False

    async def run(self, lines: Lines) -> None:
        self._prompt()
        while not self._leaving and (line := await lines.next()) is not None:
            try:
                await self._take(line.strip())
            except RefusalError as refusal:
                self._screen.tell(str(refusal), "red")
            if not self._pending and not self._leaving:
                self._prompt()
        if self._pending and not self._leaving:  # the end of the input is not the end of the reply
            await asyncio.wait(self._pending, timeout=REPLY_WITHIN)

    def interrupt(self) -> str | None:
        """What Ctrl-C means now: stop the coach, else leave."""
        return "/stop" if self._pending else None

    async def _take(self, line: str) -> None:
        if line.startswith("/"):
            await COMMANDS.get(line.split(maxsplit=1)[0], Conversation.help)(self)
        elif line.lower() in WORDS and self._actions.asked is not None:
            await self._say(WORDS[line.lower()], self._actions.asked[0])
        elif line:
            await self._send(line)

    async def _send(self, line: str) -> None:
        self._screen.mine.add(line)
        reply = await self._talk.send(line)
        if not reply.done():
            self._pending.add(reply)
            reply.add_done_callback(self._answered)

    def _answered(self, reply: asyncio.Future[dict[str, Any]]) -> None:
        self._pending.discard(reply)
        if not self._pending:
            self._prompt()

    def acted(self, event: dict[str, Any]) -> None:
        """Shown at once, unless the coach is speaking."""
        self._actions.happened(event)
        if not self._pending:
            self._prompt()

    def _prompt(self) -> None:
        for line in self._actions.news:
            self._screen.tell(line)
        self._actions.news.clear()
        if self._actions.asked is not None:
            self._screen.tell(f"{self._actions.asked[1]}?  y / n", "yellow")
        self._screen.prompt()

    async def _say(self, word: str, action_id: str) -> None:
        try:
            await self._talk.say(word, action_id)
        except RefusalError as refusal:
            if refusal.code.startswith(("action.", "not_found")):
                self._actions.forget(action_id)
            raise

    async def stop(self) -> None:
        await self._talk.stop()

    async def goals(self) -> None:
        self._screen.goals((await self._account.read("/v1/goals", limit="100"))["items"])

    async def history(self) -> None:
        self._screen.history((await self._account.read("/v1/chat/messages", limit="20"))["items"])

    async def undo(self) -> None:
        if self._actions.undoable is None:
            self._screen.tell("There is nothing to undo.")
        else:
            await self._say("action.undo", self._actions.undoable)

    async def help(self) -> None:
        self._screen.tell(HELP)

    async def leave(self) -> None:
        self._leaving = True


COMMANDS: dict[str, Callable[[Conversation], Awaitable[None]]] = {
    "/goals": Conversation.goals,
    "/history": Conversation.history,
    "/undo": Conversation.undo,
    "/stop": Conversation.stop,
    "/quit": Conversation.leave,
}


async def converse(account: Account, console: Console) -> int:
    """Line by line until /quit, the end of the input or Ctrl-C."""
    loop = asyncio.get_running_loop()
    screen = Screen(console)
    screen.tell(HELP)
    actions = Actions()
    async with connected(account, screen.delta, screen.message) as talk:
        lines, conversation = Lines(loop), Conversation(account, talk, screen, actions)
        actions.know((await account.read("/v1/actions"))["items"])
        talk.on_action = conversation.acted
        talk.on_progress = screen.progress
        loop.add_signal_handler(signal.SIGINT, lambda: lines.put(conversation.interrupt()))
        talk.ended.add_done_callback(lambda _: lines.put(None))
        await conversation.run(lines)
    talk.check()
    return 0
