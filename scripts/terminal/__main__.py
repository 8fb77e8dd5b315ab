"""`scripts/chat`: sign in or register, then talk with the coach; `--once` says one thing and prints the reply."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import aiohttp
import typer
from rich.console import Console

from scripts.terminal.account import Account, FactorError, Memory, RefusalError
from scripts.terminal.conversation import converse, say_once

USER_AGENT = "lifebuddy-terminal"


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


class Given(NamedTuple):
    """What need not be asked for."""

    email: str | None = None
    password: str | None = None
    name: str | None = None
    code: str | None = None


class Entry:
    """How a person gets in: by what is remembered, by what was given, or by what they type."""

    def __init__(self, console: Console, given: Given, *, ask: bool) -> None:
        self.console = console
        self._email, self._password, self._name, self._code = given
        self._ask = ask

    async def enter(self, account: Account) -> None:
        """Raises RefusalError."""
        if self._email is None and await account.resume():
            return
        email = self._email or self._typed("Mail address")
        password = self._password or self._typed("Password", hide=True)
        try:
            await account.sign_in(email, password)
        except FactorError as asked:
            await self._prove(account, asked.challenge)
        except RefusalError as refusal:
            if refusal.code != "auth.credentials" or not (self._name or self._ask):
                raise
            await self._register(account, email, password)

    async def _prove(self, account: Account, challenge: str) -> None:
        """Codes are mistyped: there are three tries."""
        for last in (False, False, True):
            code = self._code or self._typed("Code of your authenticator app, or a recovery code")
            try:
                await account.prove(challenge, code.strip())
            except RefusalError as refusal:
                if last or self._code or refusal.code != "auth.code":
                    raise
                self.console.print(str(refusal))
            else:
                return

    async def _register(self, account: Account, email: str, password: str) -> None:
        if self._name is None:
            self.console.print("There is no account with this mail address and password.")
            typer.confirm("Register a new one?", abort=True)
        await account.register(email, password, self._name or self._typed("Your name"))

    def _typed(self, what: str, *, hide: bool = False) -> str:
        if not self._ask:
            raise RefusalError("sign_in", f"{what} is needed: see --help.")
        return str(typer.prompt(what, hide_input=hide))


@asynccontextmanager
async def account_at(url: str, memory: Memory) -> AsyncIterator[Account]:
    async with aiohttp.ClientSession(headers={"User-Agent": USER_AGENT}) as http:
        yield Account(http, url, memory)


async def run(entry: Entry, memory: Memory, url: str, once: str | None) -> int:
    async with account_at(url, memory) as account:
        await entry.enter(account)
        if once is not None:
            return await say_once(account, once)
        return await converse(account, entry.console)


if __name__ == "__main__":
    typer.run(main)
