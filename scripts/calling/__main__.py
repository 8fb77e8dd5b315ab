"""`scripts/say FILE…`: call the coach as a WebRTC client, speak the files, say what came of it."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import typer
from rich.console import Console

from scripts.calling.conversation import Conversation, Plan
from scripts.calling.line import Line, line
from scripts.calling.mouth import Utterance
from scripts.calling.shaping import Weather
from scripts.calling.signals import Signals
from scripts.calling.sound import RATE, NoSoundError, read_sound, write_wav
from scripts.calling.timeline import Turn
from scripts.terminal.account import Account, Memory, RefusalError
from scripts.terminal.conversation import connected
from scripts.terminal.entry import Entry, Given, account_at
from scripts.terminal.speech import printable

NEAR = ("127.0.0.1", "localhost", "::1")

Spoken = Sequence[tuple[str, Utterance]]


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    files: Sequence[Path]
    plan: Plan
    weather: Weather
    heard: Path | None
    take_over: bool


def main(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    files: Annotated[list[Path], typer.Argument(help="Sound files, spoken one after another.", exists=True)],
    url: Annotated[
        str, typer.Option(help="Where the server is.", envvar="LIFEBUDDY_CHAT_URL")
    ] = "http://127.0.0.1:8787",
    email: Annotated[str | None, typer.Option(help="Else asked.", envvar="LIFEBUDDY_CHAT_EMAIL")] = None,
    password: Annotated[str | None, typer.Option(help="Else asked.", envvar="LIFEBUDDY_CHAT_PASSWORD")] = None,
    name: Annotated[str | None, typer.Option(help="Register under this name if there is no such account.")] = None,
    code: Annotated[str | None, typer.Option(help="Of the second factor, for who has one.")] = None,
    memory: Annotated[Path, typer.Option(help="Where being signed in is remembered.")] = Path("data/chat.json"),
    heard: Annotated[Path | None, typer.Option(help="Write what is heard to this WAV.")] = None,
    interrupt_after: Annotated[
        float | None, typer.Option(help="Begin the next file so many seconds into the answer.", min=0)
    ] = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=1)] = 30.0,
    loss: Annotated[float, typer.Option(help="Percent of the sent packets that are lost.", min=0, max=100)] = 0.0,
    burst: Annotated[int, typer.Option(help="So many are lost in a row.", min=1)] = 1,
    jitter: Annotated[float, typer.Option(help="Milliseconds a sent packet takes longer, at most.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="The same packets are lost for the same seed.")] = 1,
    *,
    take_over: Annotated[bool, typer.Option(help="End a call on another device.")] = False,
) -> None:
    """Call your LifeBuddy coach and speak sound files. Exit code 1: something was not answered."""
    weather, plan = Weather(loss / 100, jitter / 1000, burst, seed), Plan(patience, interrupt_after)
    wanted = Wanted(files, plan, weather, heard, take_over)
    raise typer.Exit(attempt(Given(email, password, name, code), memory, url.rstrip("/"), wanted))


def attempt(given: Given, memory: Path, url: str, wanted: Wanted) -> int:
    """The exit code; what went wrong is said in a sentence."""
    entry = Entry(Console(highlight=False, soft_wrap=True), given, ask=sys.stdin.isatty())
    try:
        spoken = [(file.name, Utterance(read_sound(file))) for file in wanted.files]
        return 0 if asyncio.run(run(entry, Memory(memory, url), url, wanted, spoken)) else 1
    except (RefusalError, NoSoundError) as refusal:
        complaint = str(refusal)
    except aiohttp.ClientError:
        complaint = f"Nothing answers at {url}. Is LifeBuddy running? scripts/run starts it."
    print(complaint, file=sys.stderr)
    return 1


async def run(entry: Entry, memory: Memory, url: str, wanted: Wanted, spoken: Spoken) -> bool:
    """Whether everything was answered. Raises RefusalError, or aiohttp.ClientError when nothing answers."""
    async with account_at(url, memory) as account:
        await entry.enter(account)
        config = await account.read("/v1/calls/config")
        near = urlsplit(url).hostname in NEAR
        screen = entry.console
        async with line(wanted.weather, config["ice_servers"], near=near, report=_report) as on_line:
            turns = await call(account, on_line, wanted, spoken, screen)
            tell(turns, on_line, wanted, screen)
    return len(turns) == len(spoken) and all(turn.settled for turn in turns)


async def call(account: Account, on_line: Line, wanted: Wanted, spoken: Spoken, screen: Console) -> list[Turn]:
    """The whole call, hung up at its end whatever happens in it."""
    signals = Signals(lambda said: screen.print(said, markup=False))

    def message(kept: dict[str, Any]) -> None:
        signals.keep(kept)
        if kept.get("spoken") and kept["role"] == "coach" and kept["state"] != "complete":
            screen.print(f"      ({kept['state']}; heard: {printable(kept['text'])!r})", markup=False)

    async with connected(account, lambda _: None, message) as talk:
        talk.on_signal = signals.take
        conversation = Conversation(talk, on_line, signals, wanted.plan)
        await conversation.call(take_over=wanted.take_over)
        try:
            return await conversation.speak(spoken)
        finally:
            if wanted.heard is not None:
                write_wav(wanted.heard, on_line.ear.heard)
            await conversation.hang_up()


def tell(turns: Sequence[Turn], on_line: Line, wanted: Wanted, screen: Console) -> None:
    for turn in turns:
        for said in turn.lines():
            screen.print(said, markup=False)
    if on_line.shaping.lost:
        screen.print(f"{on_line.shaping.lost} of {on_line.shaping.seen} packets were lost on their way out")
    if wanted.heard is not None:
        screen.print(f"{len(on_line.ear.heard) / (2 * RATE):.1f} s heard, in {wanted.heard}", markup=False)


def _report(event: str, fields: dict[str, Any]) -> None:
    print(event, fields, file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
