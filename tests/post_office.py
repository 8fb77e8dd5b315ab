"""A mail server on loopback for tests: keeps what it takes, and refuses, hangs up or goes away on cue."""

import asyncio
import email
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP

from scripts.embedded.ports import held_port


class PostOffice:
    """`answers` are given to the next letters instead of taking them; an empty one hangs up."""

    def __init__(self, port: int) -> None:
        self.url = f"smtp://127.0.0.1:{port}"
        self.taken: list[EmailMessage] = []
        self.answers: list[str] = []
        self._port = port
        self._server: asyncio.Server | None = None
        self._came = asyncio.Condition()

    async def handle_DATA(self, server: Any, _session: object, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        if self.answers:
            answer = self.answers.pop(0)
            if not answer:
                server.transport.abort()
            return answer or "421 gone"
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        assert envelope.rcpt_tos == [str(message["To"])]
        self.taken.append(message)
        async with self._came:
            self._came.notify_all()
        return "250 taken"

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True), "127.0.0.1", self._port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def letter(self, to: str, subject: str, *, within: float = 8.0) -> str:
        """The text of the newest letter to somebody whose subject has these words, when it has come."""
        async with asyncio.timeout(within), self._came:
            while True:
                for message in reversed(self.taken):
                    if message["To"] == to and subject in message["Subject"]:
                        body = message.get_body(("plain",))
                        assert body is not None
                        return str(body.get_content()).replace("\r\n", "\n")
                await self._came.wait()

    async def token(self, to: str, subject: str) -> str:
        """The token in it, which stands in the link and alone."""
        text = await self.letter(to, subject)
        link, alone = re.findall(r"(?:#token=|^)([\w-]{43})$", text, re.MULTILINE)
        assert link == alone
        return str(link)

    def to(self, address: str) -> list[str]:
        """The subjects of all letters to somebody, in order."""
        return [str(message["Subject"]) for message in self.taken if message["To"] == address]


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    with held_port() as port:
        office = PostOffice(port)
        await office.open()
        try:
            yield office
        finally:
            await office.close()
