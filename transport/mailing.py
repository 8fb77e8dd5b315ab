"""Letters are left here: kept first, then sent by whichever node claims them."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Final

from actors.journal.outside import Timers
from actors.ports import Letter, Mail, Mails
from actors.runtime.ids import uuid7

DAY: Final = timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Mailing:
    """`app_url` is where links in letters lead; without a mail server (`on`) no letter is taken."""

    mails: Mails
    timers: Timers
    app_url: str
    on: bool
    left: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set when a letter was left, for the sender of this node."""

    async def send(self, owner: str, letter: Letter, *, mail_id: str | None = None, good_for: timedelta = DAY) -> None:
        """Have it sent, once for each id, while it is good for something. When this returns, it is kept.

        Raises Unavailable.
        """
        if self.on:
            now = self.timers.now()
            await self.mails.add(Mail(mail_id or uuid7(now), owner, letter, now, now + good_for))
            self.left.set()

    def link(self, page: str, token: str) -> str:
        """The token stands behind `#`: browsers keep that to themselves."""
        return f"{self.app_url}/{page}#token={token}"
