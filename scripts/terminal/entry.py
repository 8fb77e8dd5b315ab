"""A person's way in: remembered, given on the command line, or typed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import typer
from rich.console import Console

from scripts.terminal.account import Account, FactorError, Memory, RefusalError

USER_AGENT = "lifebuddy-terminal"


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
