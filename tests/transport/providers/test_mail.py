"""Letters go out once each, wait while nobody takes them, and are given up only when the mail server says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from actors.ports import Letter
from actors.runtime.owned import owned
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.mongo.mails import MAILS, MongoMails
from storage.mongo.schema import prepare
from storage.sealing import Sealing
from tests.post_office import PostOffice, post_office
from tests.storage.redis.conftest import Reports
from tests.transport.signing import Clock
from transport.mailing import Mailing
from transport.providers import sender as module
from transport.providers.mail import MailServerAway, Smtp, Templates
from transport.providers.sender import Sender

TEMPLATES = Templates(Path(__file__).parents[3] / "config" / "mails")
ANN = "ann@example.org"
TAKEN = Letter("taken", ANN, "en", {})
StartSender = Callable[[], Awaitable[Sender]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "FIRST_CALL", 0.02)


@pytest_asyncio.fixture
async def store(mongo: ReplicaSet, database: str, stack: AsyncExitStack) -> Database:
    opened = await stack.enter_async_context(connected(mongo.url, database=database))
    await prepare(opened)
    return opened


@pytest_asyncio.fixture
async def office(stack: AsyncExitStack) -> PostOffice:
    return await stack.enter_async_context(post_office())


@pytest.fixture
def clock() -> Clock:
    """In a time to come: MongoDB removes letters that are long over by its own clock, once a minute."""
    return Clock(datetime(2126, 3, 20, 14, 30, tzinfo=UTC))


@pytest.fixture
def mailing(store: Database, clock: Clock) -> Mailing:
    return Mailing(MongoMails(store, Sealing(MongoKeys(store), {1: bytes(32)})), clock, "https://app.example", on=True)


@pytest_asyncio.fixture
async def start(office: PostOffice, mailing: Mailing, stack: AsyncExitStack) -> AsyncIterator[StartSender]:
    async def started() -> Sender:
        sender = Sender(mailing, Smtp(office.url), TEMPLATES, "LifeBuddy <buddy@example.org>")
        await stack.enter_async_context(owned(sender.run(), "sender", Reports()))
        return sender

    yield started


async def states(store: Database) -> list[str]:
    return sorted([mail["state"] async for mail in store[MAILS].find()])


async def until(store: Database, *expected: str) -> list[Any]:
    """The letters, when they are so."""
    async with asyncio.timeout(8):
        while await states(store) != sorted(expected):  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.02)
    return await store[MAILS].find().to_list()


async def tried(store: Database, clock: Clock) -> None:
    """A letter has been tried and waits for later."""
    late = {"attempts": 1, "not_before": {"$gt": clock.at, "$ne": clock.at + module.LEASE}}
    async with asyncio.timeout(8):
        while not await store[MAILS].count_documents(late):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def test_a_letter_goes_out_once_in_the_language_of_its_reader(
    start: StartSender, office: PostOffice, mailing: Mailing, store: Database
) -> None:
    for _ in range(2):
        await start()
    fields = {"link": "https://app.example/verify#t", "token": "t", "minutes": "30", "left": "9"}
    for n in range(10):
        await mailing.send(
            "ann", Letter("confirm", f"p{n}@example.org", "de-AT" if n else "fr", fields), mail_id=f"{n}"
        )
        await mailing.send("ann", TAKEN, mail_id=f"{n}")
    kept = await until(store, *["sent"] * 10)
    assert sorted(str(message["To"]) for message in office.taken) == [f"p{n}@example.org" for n in range(10)]
    assert office.to("p0@example.org") == ["Please confirm your mail address"]
    assert office.to("p3@example.org") == ["Bitte bestätige deine Mailadresse"]
    message = office.taken[0]
    assert (message["Auto-Submitted"], message["Message-ID"].endswith("@example.org>")) == ("auto-generated", True)
    page = message.get_body(("html",))
    assert page is not None
    assert '<a href="https://app.example/verify#t">' in page.get_content()
    assert all("letter" not in mail and "done_at" in mail for mail in kept)


@pytest.mark.parametrize("name", sorted(path.stem for path in Path("config/mails/en").iterdir()))
async def test_every_letter_can_be_written_in_every_language(
    name: str, start: StartSender, office: PostOffice, mailing: Mailing, store: Database
) -> None:
    await start()
    fields = {"link": "https://app.example/x#t", "token": "t", "minutes": "30", "left": "9"}
    for language in ("en", "de"):
        await mailing.send("ann", Letter(name, f"{language}@example.org", language, fields))
    await until(store, "sent", "sent")
    english, german = (office.to(f"{language}@example.org")[0] for language in ("en", "de"))
    assert english != german


async def test_while_the_mail_server_is_away_letters_wait_and_it_is_said(
    start: StartSender,
    office: PostOffice,
    mailing: Mailing,
    store: Database,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await office.close()
    sender = await start()
    for n in range(3):
        await mailing.send("ann", TAKEN, mail_id=f"{n}")
    await asyncio.sleep(0.3)
    with pytest.raises(MailServerAway):
        await sender.check()
    assert [(mail["state"], mail["attempts"]) for mail in await store[MAILS].find().to_list()] == [("waiting", 0)] * 3
    await office.open()
    await until(store, "sent", "sent", "sent")
    await sender.check()
    assert len(office.taken) == 3
    told = capsys.readouterr().out
    assert told.count("mail_server.away") == told.count("mail_server.reached") == 1
    assert ANN not in told
    del clock


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "452 4.2.2 full", ""])
async def test_what_is_refused_for_now_comes_again_later_and_the_others_do_not_wait(
    answer: str, start: StartSender, office: PostOffice, mailing: Mailing, store: Database, clock: Clock
) -> None:
    office.answers = [answer]
    await start()
    await mailing.send("ann", TAKEN, mail_id="unlucky")
    await tried(store, clock)
    await mailing.send("ann", TAKEN, mail_id="lucky")
    await until(store, "sent", "waiting")
    clock.at += timedelta(seconds=30)
    kept = await until(store, "sent", "sent")
    assert {mail["_id"]: mail["attempts"] for mail in kept} == {"unlucky": 2, "lucky": 1}
    assert len({str(message["Message-ID"]) for message in office.taken}) == 2


async def test_a_letter_refused_for_good_is_dead_at_once_and_one_refused_for_now_after_eight_attempts(
    start: StartSender, office: PostOffice, mailing: Mailing, store: Database, clock: Clock
) -> None:
    office.answers = ["550 5.1.1 nobody"]
    await start()
    await mailing.send("ann", TAKEN, good_for=timedelta(days=9))
    (dead,) = await until(store, "dead")
    assert (dead["why"], "letter" in dead) == ("refused 550", False)
    office.answers = ["451 later"] * 20
    await mailing.send("ann", TAKEN, good_for=timedelta(days=9))
    async with asyncio.timeout(8):
        while await states(store) != ["dead", "dead"]:
            clock.at += timedelta(hours=2)
            await asyncio.sleep(0.05)
    assert len(office.answers) == 12
    assert office.taken == []


async def test_a_letter_nobody_can_use_any_more_is_not_sent(
    start: StartSender, office: PostOffice, mailing: Mailing, store: Database, clock: Clock
) -> None:
    await mailing.send("ann", TAKEN, good_for=timedelta(minutes=30))
    clock.at += timedelta(minutes=30)
    await start()
    (dead,) = await until(store, "dead")
    assert dead["why"] == "expired"
    assert office.taken == []


async def test_a_letter_whose_sender_died_is_sent_by_another(
    start: StartSender, office: PostOffice, mailing: Mailing, store: Database, clock: Clock
) -> None:
    await mailing.send("ann", TAKEN)
    assert await mailing.mails.claim(clock.at, clock.at + module.LEASE) is not None
    await start()
    await asyncio.sleep(0.1)
    assert office.taken == []
    clock.at += module.LEASE
    await until(store, "sent")
    assert office.to(ANN) == ["You already have an account"]


async def test_a_letter_that_can_not_be_written_does_not_hold_up_the_others(
    start: StartSender, office: PostOffice, mailing: Mailing, store: Database
) -> None:
    await mailing.send("ann", Letter("no-such", ANN, "en", {}))
    await mailing.send("ann", Letter("reset", ANN, "en", {}))
    await mailing.send("ann", TAKEN)
    await start()
    await until(store, "dead", "dead", "sent")


async def test_letters_at_rest_are_sealed(mailing: Mailing, store: Database) -> None:
    await mailing.send("ann", Letter("reset", ANN, "en", {"token": "CANARY"}))
    (kept,) = await store[MAILS].find().to_list()
    assert not [word for word in (b"CANARY", b"ann@") if word in kept["letter"]]
    assert "CANARY" not in repr(kept)


async def test_without_a_mail_server_no_letter_is_taken(mailing: Mailing, store: Database, clock: Clock) -> None:
    await Mailing(mailing.mails, clock, "https://app.example", on=False).send("ann", TAKEN)
    assert await states(store) == []


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        Smtp(url)
