"""Sends the letters that wait, again until the mail server has taken them or they are of no use any more."""

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from email.message import EmailMessage
from typing import Final, Protocol

import structlog

from actors.ports import Mail
from actors.runtime.envelope import Unavailable
from transport.mailing import Mailing
from transport.providers.mail import LetterRefused, Line, MailServerAway, Templates

LEASE: Final = timedelta(minutes=2)
"""How long a claimed letter is one sender's; longer than any attempt takes."""
ATTEMPTS: Final = 8
FIRST_RETRY, LAST_RETRY = 15.0, 3_600.0
"""Seconds before the second attempt, and the longest between two; four times longer each time."""
POLL: Final = 2.0
"""Seconds between two looks for letters that other nodes left, or whose time has come."""
FIRST_CALL, LAST_CALL = 1.0, 60.0
"""Seconds between two calls to a mail server that is away; twice as long each time."""

log = structlog.get_logger(__name__)


class MailServer(Protocol):
    def connected(self) -> AbstractAsyncContextManager[Line]:
        """Entering raises MailServerAway."""


class Sender:
    """One letter after the other. While the mail server is away nothing is lost, and no letter's attempts are used up."""

    def __init__(self, mailing: Mailing, server: MailServer, templates: Templates, sender: str) -> None:
        self._mailing = mailing
        self._mails = mailing.mails
        self._now = mailing.timers.now
        self._server = server
        self._templates = templates
        self._from = sender
        self._away: str | None = None
        self._pause = FIRST_CALL

    async def check(self) -> None:
        """Raises MailServerAway when that is what was last seen."""
        if self._away is not None:
            raise MailServerAway(self._away)

    async def run(self) -> None:
        """For ever; owned by whoever opens the doors."""
        await self._call(None)
        while True:
            try:
                await self._next()
            except Unavailable:
                log.warning("mails.unavailable")
                await asyncio.sleep(POLL)

    async def _next(self) -> None:
        if self._away is not None:
            await asyncio.sleep(self._pause * _jitter())
            self._pause = min(self._pause * 2, LAST_CALL)
            await self._call(None)
            return
        mail = await self._claim()
        if mail is not None:
            await self._call(mail)
        else:
            await self._wait()

    async def _claim(self) -> Mail | None:
        now = self._now()
        return await self._mails.claim(now, now + LEASE)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL * _jitter()):
                await self._mailing.left.wait()
        except TimeoutError:
            return
        self._mailing.left.clear()

    async def _call(self, mail: Mail | None) -> None:
        """Over one connection this letter, then all that are due; without one, only whether the server is there."""
        try:
            async with self._server.connected() as line:
                self._reached()
                while mail is not None:
                    letter, mail = mail, None
                    await self._deliver(letter, line)
                    mail = await self._claim()
        except MailServerAway as away:
            if mail is not None:  # nobody has tried it
                await self._mails.postpone(mail.id, self._now(), counted=False)
            self._lost(str(away))

    def _reached(self) -> None:
        if self._away is not None:
            log.info("mail_server.reached")
        self._away, self._pause = None, FIRST_CALL

    def _lost(self, why: str) -> None:
        if self._away is None:
            log.warning("mail_server.away", error=why)
        self._away = why

    async def _deliver(self, mail: Mail, line: Line) -> None:
        if self._now() >= mail.until:
            await self._bury(mail, "expired")
            return
        message = self._message(mail)
        if message is None:
            await self._bury(mail, "unwritable")
            return
        try:
            await line.send(message)
        except LetterRefused as refused:
            await self._again(mail, f"refused {refused.code}", for_good=refused.for_good)
        except MailServerAway:  # in the midst of this letter: should it be the reason, the others must not wait for it
            await self._again(mail, "cut off")
            raise
        else:
            await self._mails.sent(mail.id, self._now())
            log.info("mail.sent", mail_id=mail.id, template=mail.letter.template, attempts=mail.attempts)

    def _message(self, mail: Mail) -> EmailMessage | None:
        try:
            return self._templates.message(mail, self._from)
        except Exception as error:  # noqa: BLE001 - a template's bug, whatever it is; the letters behind it must go out
            log.error("mail.unwritable", template=mail.letter.template, error=type(error).__name__)  # noqa: TRY400 - its text may show the letter
            return None

    async def _again(self, mail: Mail, why: str, *, for_good: bool = False) -> None:
        if for_good or mail.attempts >= ATTEMPTS:
            await self._bury(mail, why)
            return
        wait = min(FIRST_RETRY * 4 ** (mail.attempts - 1), LAST_RETRY) * _jitter()
        await self._mails.postpone(mail.id, self._now() + timedelta(seconds=wait))
        log.warning("mail.not_now", mail_id=mail.id, why=why, attempts=mail.attempts)

    async def _bury(self, mail: Mail, why: str) -> None:
        await self._mails.bury(mail.id, why, self._now())
        log.error("mail.dead", mail_id=mail.id, template=mail.letter.template, why=why, attempts=mail.attempts)


def _jitter() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing
