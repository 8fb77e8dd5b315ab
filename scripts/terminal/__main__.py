"""`scripts/chat`: sign in or register, then talk with the coach; `--once` says one thing and prints the reply."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from rich.console import Console

from scripts.terminal.account import Memory, RefusalError
from scripts.terminal.conversation import converse, say_once
from scripts.terminal.entry import Entry, Given, account_at


def main(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[
        str, typer.Option(help="Where the server is.", envvar="LIFEBUDDY_CHAT_URL")
    ] = "http://127.0.0.1:8787",
    email: Annotated[str | None, typer.Option(help="Else asked.", envvar="LIFEBUDDY_CHAT_EMAIL")] = None,
    password: Annotated[str | None, typer.Option(help="Else asked.", envvar="LIFEBUDDY_CHAT_PASSWORD")] = None,
    name: Annotated[str | None, typer.Option(help="Register under this name if there is no such account.")] = None,
    code: Annotated[str | None, typer.Option(help="Of the second factor, for who has one. Else asked.")] = None,
    once: Annotated[str | None, typer.Option(help="Say this, print the reply, exit.")] = None,
    memory: Annotated[Path, typer.Option(help="Where being signed in is remembered.")] = Path("data/chat.json"),
) -> None:
    """Talk with your LifeBuddy coach in the terminal."""
    console = Console(highlight=False)
    entry = Entry(console, Given(email, password, name, code), ask=once is None and sys.stdin.isatty())
    try:
        status = asyncio.run(run(entry, Memory(memory, url.rstrip("/")), url.rstrip("/"), once))
    except RefusalError as refusal:
        print(refusal, file=sys.stderr)
        status = 1
    except aiohttp.ClientError:
        print(f"Nothing answers at {url}. Is LifeBuddy running? scripts/run starts it.", file=sys.stderr)
        status = 1
    raise typer.Exit(status)


async def run(entry: Entry, memory: Memory, url: str, once: str | None) -> int:
    async with account_at(url, memory) as account:
        await entry.enter(account)
        if once is not None:
            return await say_once(account, once)
        return await converse(account, entry.console)


if __name__ == "__main__":
    typer.run(main)
