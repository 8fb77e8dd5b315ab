"""Mail over SMTP: a letter's template becomes text and HTML, and a mail server takes it or says why not."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from actors.ports import Mail

LANGUAGES: Final = ("en", "de")
"""Those there are templates in; whoever has another one gets the first."""
SECONDS: Final = 20.0
"""For each answer of the mail server."""
_NO_SUCH_LETTERS: Final = 553
_LINK: Final = re.compile(r"https?://\S+")


class MailServerAway(Exception):  # noqa: N818 - a state, not a bug
    """No mail server took part: nothing is said about any letter."""


class LetterRefused(Exception):  # noqa: N818 - an answer of the mail server
    """The mail server does not take this letter: for good, or not now. `code` is its answer's (RFC 5321, 4.2)."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code
        self.for_good = 500 <= code < 600


class Templates:
    """`LANGUAGE/NAME.txt`: the subject, an empty line, paragraphs. The HTML is made of the same paragraphs."""

    def __init__(self, directory: Path) -> None:
        loader = FileSystemLoader(directory)
        self._texts = Environment(loader=loader, undefined=StrictUndefined)  # noqa: S701 - plain text, not HTML
        self._page = Environment(loader=loader, undefined=StrictUndefined, autoescape=True).get_template("page.html")

    def message(self, mail: Mail, sender: str) -> EmailMessage:
        """The same message, with the same id, however often it is made."""
        letter = mail.letter
        language = letter.language[:2] if letter.language[:2] in LANGUAGES else LANGUAGES[0]
        text = self._texts.get_template(f"{language}/{letter.template}.txt").render(letter.fields)
        subject, _, body = text.partition("\n\n")
        message = EmailMessage()
        message["Subject"] = subject.strip()
        message["From"] = sender
        message["To"] = letter.to
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id.replace('/', '.')}@{parseaddr(sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        # No List-Unsubscribe: each letter follows from what somebody did with an account, so there is no list to leave.
        message.set_content(body)
        paragraphs = [(part.strip(), bool(_LINK.fullmatch(part.strip()))) for part in body.split("\n\n")]
        page = self._page.render(language=language, subject=subject.strip(), paragraphs=paragraphs)
        message.add_alternative(page, subtype="html")
        return message


class Line:
    """A connection to the mail server."""

    def __init__(self, smtp: aiosmtplib.SMTP) -> None:
        self._smtp = smtp

    async def send(self, message: EmailMessage) -> None:
        """Raises LetterRefused, and MailServerAway when it can't be said whether the letter was taken."""
        try:
            await self._smtp.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise LetterRefused(refused.recipients[0].code) from None
        except aiosmtplib.SMTPNotSupported:  # an address it has no letters for (RFC 6531)
            raise LetterRefused(_NO_SUCH_LETTERS) from None
        except aiosmtplib.SMTPResponseException as answer:
            if answer.code == 421:
                raise MailServerAway(str(answer.code)) from None
            raise LetterRefused(answer.code) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailServerAway(type(error).__name__) from None


class Smtp:
    """A mail server by its URL: `smtp://user:password@host:587` (STARTTLS where it is offered) or `smtps://…:465`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "smtps"
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("is no URL such as smtp://user:password@host:587")
        self._host = parts.hostname
        self._port = parts.port or (465 if self._secure else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Line]:
        """Raises MailServerAway, also when it does not accept who this is."""
        smtp = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._secure,
            timeout=SECONDS,
        )
        try:
            await smtp.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise MailServerAway(type(error).__name__) from None
        try:
            yield Line(smtp)
        finally:
            smtp.close()
