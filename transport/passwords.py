"""Passwords: argon2id in a bounded pool of its own, and which ones are too easy to guess."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

from actors.domain.refusals import WeakPassword
from actors.runtime.envelope import Overloaded
from transport.guessing import made_of

T = TypeVar("T")

SHORTEST: Final = 10
LONGEST: Final = 256
GUESSABLE: Final = 3
"""A password made of so few words, runs and stray characters is among the first that are tried."""
PRODUCT: Final = ("lifebuddy", "life buddy", "buddy")
_SECONDS_EACH: Final = 0.03
"""About what one hash takes; only the advice when to come back depends on it."""


class Passwords:
    """Hashes and verifies; entered by its owner. `waiting` bounds the queue: beyond it, `overloaded`.

    `words` are those of `config/common_passwords.txt`.

    One thread: argon2id is bound by memory, and a second thread makes none of them faster.
    """

    def __init__(self, *, words: Iterable[str], waiting: int = 64) -> None:
        self._words = frozenset(words)
        # OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")
        self._room = threading.BoundedSemaphore(waiting)
        self._retry_after_ms = round(waiting * _SECONDS_EACH * 1000)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Raises Overloaded."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; None stands for nobody's, and costs as much. Raises Overloaded."""
        known = self._nobody if password_hash is None else password_hash
        return await self._run(lambda: self._matches(known, password)) and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def check(self, password: str, *, context: Iterable[str]) -> None:
        """Raises WeakPassword, saying why. `context`: what others know of the person, such as mail address and name."""
        flaw = self._flaw(password, context)
        if flaw is not None:
            raise WeakPassword(fields={"password": flaw})

    def _flaw(self, password: str, context: Iterable[str]) -> str | None:
        if not SHORTEST <= len(password) <= LONGEST:
            return f"has {SHORTEST} to {LONGEST} characters"
        if made_of(password, self._words, GUESSABLE):
            return "is one of the first that are tried"
        if made_of(password, self._words | known_words((*context, *PRODUCT)), GUESSABLE):
            return "is made of the mail address, the name or the name of this product"
        return None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._room.acquire(blocking=False):
            raise Overloaded(retry_after_ms=self._retry_after_ms)
        future: Future[T] = self._pool.submit(work)
        future.add_done_callback(lambda _: self._room.release())  # also when the one who waited has gone
        return await asyncio.wrap_future(future)


def known_words(texts: Iterable[str]) -> frozenset[str]:
    """The words in texts such as a mail address, and each text as a whole; words under three letters say little."""
    found: set[str] = set()
    for text in texts:
        whole = text.casefold()
        parts = "".join(character if character.isalnum() else " " for character in whole).split()
        found.update((whole, "".join(parts), *parts))
    return frozenset(word for word in found if len(word) > 2)


def read_words(text: str) -> frozenset[str]:
    """The words of `common_passwords.txt`: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip().casefold() for line in text.splitlines())
    return frozenset(line for line in lines if line)
