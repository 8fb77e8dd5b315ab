"""Catches what the server mails: an SMTP server on loopback that keeps each message as a file and delivers none."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP

from scripts.embedded.ports import kept_port

LARGEST = 10 * 2**20  # bytes of a message
KEPT = 500  # messages; of more the oldest goes


class Envelope(Protocol):
    """What aiosmtpd hands over once a message is complete."""

    rcpt_tos: list[str]
    content: bytes


class Catcher:
    """Files are named by time, so that names sort as they came, and readable by their owner: links in them let people in."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        try:
            await asyncio.to_thread(self._keep, envelope)
        except OSError:
            return "452 4.3.1 no room to keep it"
        return "250 kept"

    def _keep(self, envelope: Envelope) -> None:
        recipients = ", ".join(envelope.rcpt_tos).encode("ascii", "backslashreplace")
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:6]}.eml"
        draft = self._directory / f".{name}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(b"X-Envelope-To: " + recipients + b"\r\n" + envelope.content)
        draft.rename(self._directory / name)
        for old in sorted(self._directory.glob("*.eml"))[:-KEPT]:
            old.unlink(missing_ok=True)


@asynccontextmanager
async def mail_catcher(directory: Path) -> AsyncIterator[str]:
    """The URL of an SMTP server that keeps each message as `DIRECTORY/*.eml`; on the port it had there before."""
    catcher = Catcher(directory)

    def connection() -> Any:
        return SMTP(catcher, data_size_limit=LARGEST, enable_SMTPUTF8=True, ident="LifeBuddy mail catcher")

    with kept_port(directory) as port:
        server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", port)
        async with server:
            yield f"smtp://127.0.0.1:{port}"
