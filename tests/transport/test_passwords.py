"""Passwords: hashed as OWASP says, in a queue with an end, and weak ones are refused with a reason."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from actors.domain.refusals import WeakPassword
from actors.runtime.envelope import Overloaded
from transport.passwords import Passwords, read_words

WORDS = read_words((Path(__file__).parents[2] / "config/common_passwords.txt").read_text())
GOOD = "ein Pferd frisst Gurkensalat"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(words=WORDS, waiting=4)
    yield made
    made._pool.shutdown()


async def test_the_right_password_and_no_other_is_accepted(passwords: Passwords) -> None:
    known = await passwords.hash(GOOD)
    assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(known, GOOD)
    assert not await passwords.verify(known, GOOD + " ")
    assert not await passwords.verify(known, GOOD.upper())


async def test_composed_and_decomposed_characters_are_different_bytes(passwords: Passwords) -> None:
    known = await passwords.hash("caf\u00e9 in the rain")
    assert not await passwords.verify(known, "cafe\u0301 in the rain")


async def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, GOOD)


async def test_nobody_costs_as_much_as_somebody(passwords: Passwords) -> None:
    known = await passwords.hash(GOOD)

    async def spent(password_hash: str | None) -> float:
        began = time.process_time()
        await passwords.verify(password_hash, "wrong password")
        return time.process_time() - began

    pairs = [(await spent(known), await spent(None)) for _ in range(12)]
    somebody, nobody = (min(times) for times in zip(*pairs, strict=True))
    assert max(somebody, nobody) < 2 * min(somebody, nobody)


async def test_beyond_the_bound_is_overloaded_at_once_and_the_loop_stays_free(passwords: Passwords) -> None:
    results = await asyncio.gather(*(passwords.hash(GOOD) for _ in range(30)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert len(refused) == 26
    assert all(refusal.retry_after_ms for refusal in refused)
    assert await passwords.hash(GOOD)  # there is room again


async def test_who_goes_away_leaves_no_room_taken(passwords: Passwords) -> None:
    waiting = [asyncio.create_task(passwords.hash(GOOD), name=f"hash-{number}") for number in range(4)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.to_thread(passwords._pool.submit(lambda: None).result)  # the one that ran has ended
    assert len(await asyncio.gather(*(passwords.hash(GOOD) for _ in range(4)))) == 4


def test_old_parameters_are_noticed(passwords: Passwords) -> None:
    assert passwords.outdated(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("x"))
    assert not passwords.outdated(passwords._hasher.hash("x"))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("ninechars", "10 to 256"),
        ("", "10 to 256"),
        ("äöüß" * 65, "10 to 256"),
        ("Password123!", "first that are tried"),
        ("zoe.miller@example.org", "mail address"),
        ("zoemiller1999", "mail address"),
        ("MillerZoe!!", "mail address"),
        ("LifeBuddy2026", "first that are tried"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(passwords: Passwords, password: str, reason: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        passwords.check(password, context=("zoe.miller@example.org", "Zoe Miller"))
    assert refused.value.fields is not None
    assert reason in refused.value.fields["password"]
    assert password not in repr(refused.value.fields) or not password


@pytest.mark.parametrize("password", [GOOD, "x7$kLq-92m", "🐘🦒 im Zoo 7🦓🐊", "k" * 3 + "z9 pq" * 50])
def test_other_passwords_of_any_characters_are_accepted(passwords: Passwords, password: str) -> None:
    passwords.check(password, context=("zoe.miller@example.org", "Zoe Miller"))
