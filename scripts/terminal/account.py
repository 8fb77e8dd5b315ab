"""A person's way in over REST: sign in, register, come back with what was remembered, read lists."""

import json
import os
import time
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

EARLY = 30.0  # seconds before its end at which an access token is replaced
WITHIN = aiohttp.ClientTimeout(total=20)


class RefusalError(Exception):
    """The server said no; its text is one line for people, `code` is stable. `after`: seconds until it may say yes."""

    def __init__(self, code: str, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.after = after


class FactorError(RefusalError):
    """Signing in goes on with a code for this challenge."""

    def __init__(self, challenge: str) -> None:
        super().__init__("auth.factor", "The code of your authenticator app is needed.")
        self.challenge = challenge


class Memory:
    """What this terminal remembers between runs, for each server: a device id and the newest refresh token."""

    def __init__(self, file: Path, url: str) -> None:
        self._file = file
        self._url = url
        self._all: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}
        self._mine = self._all.setdefault(url, {})

    @property
    def device_id(self) -> str:
        return self._mine.setdefault("device_id", str(uuid.uuid4()))

    @property
    def refresh_token(self) -> str | None:
        return self._mine.get("refresh_token")

    def keep(self, refresh_token: str | None) -> None:
        """None forgets it. The file is its owner's alone."""
        self._mine.pop("refresh_token", None)
        if refresh_token is not None:
            self._mine["refresh_token"] = refresh_token
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._all, file)
        fresh.replace(self._file)


class Account:
    """Who is signed in. Every call raises RefusalError, or aiohttp.ClientError when nothing answers.

    For who has a second factor `sign_in` raises FactorError, and `prove` gets in.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, memory: Memory) -> None:
        self.url = url
        self.memory = memory
        self._http = http
        self._access = ""
        self._ends = 0.0

    async def sign_in(self, email: str, password: str) -> None:
        await self._enter("login", {"email": email, "password": password})

    async def prove(self, challenge: str, code: str) -> None:
        """`code` is one the app shows, or a recovery code."""
        await self._enter("mfa/challenge", {"challenge": challenge, "code": code})

    async def register(self, email: str, password: str, name: str) -> None:
        await self._enter("register", {"email": email, "password": password, "name": name})

    async def resume(self) -> bool:
        """Whether what was remembered still opens the door."""
        if self.memory.refresh_token is None:
            return False
        try:
            await self._enter("refresh", {"refresh_token": self.memory.refresh_token})
        except RefusalError:
            self.memory.keep(None)
            return False
        return True

    async def token(self) -> str:
        """An access token good for a while."""
        if time.monotonic() > self._ends - EARLY:
            await self._enter("refresh", {"refresh_token": self.memory.refresh_token})
        return self._access

    async def read(self, path: str, **query: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {await self.token()}"}
        async with self._http.get(self.url + path, params=query, headers=headers, timeout=WITHIN) as response:
            return await _answer(response)

    async def _enter(self, way: str, body: dict[str, str | None]) -> None:
        asked = time.monotonic()
        async with self._http.post(f"{self.url}/v1/auth/{way}", json=body, timeout=WITHIN) as response:
            entered = await _answer(response)
        if "challenge" in entered:
            raise FactorError(entered["challenge"])
        if response.status == HTTPStatus.ACCEPTED:
            raise RefusalError("mail", "Please follow the link in the mail you were sent, then sign in.")
        self._access, self._ends = entered["access_token"], asked + entered["expires_in"]
        self.memory.keep(entered["refresh_token"])


async def _answer(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if "json" not in response.content_type:
        raise RefusalError("foreign", f"What answers at {response.url.origin()} is not LifeBuddy.")
    answer: dict[str, Any] = await response.json(content_type=None)
    if response.ok:
        return answer
    fields = "".join(f" ({path}: {what})" for path, what in (answer.get("fields") or {}).items())
    raise RefusalError(answer.get("code", "failed"), str(answer.get("detail", response.reason)) + fields)
