"""People in the storage before a node starts, without thousands of password hashes: prints their access tokens.

Reads the settings of the server from its environment; arguments: how many, and how many messages and goals each has.
"""

import asyncio
import json
import secrets
import sys
import uuid
from datetime import UTC, datetime

import uvloop

from actors.commands import OpenAccount
from actors.journal.journaled import Order
from actors.ports import LoginSession
from actors.runtime.ids import uuid7
from config.keys import read_signing_keys
from config.settings import Settings, read_settings
from scripts.benchmarks.contenders.wakes import goals, lengthen, turns
from server import Inside, WallClock, open_storage, run_inside
from storage.opened import Storage
from transport.tokens import Tokens

AT_ONCE = 200


async def arrive(inside: Inside, storage: Storage, tokens: Tokens) -> tuple[str, str]:
    """One account and one login session; the user's id and an access token."""
    user_id, now = str(uuid.uuid4()), datetime.now(UTC)
    opened = Order(user_id, uuid7(now), OpenAccount(user_id, f"{user_id}@bench.example", "Pat"))
    await inside.directory.session(user_id).ask(opened, timeout=60)
    session = LoginSession(uuid7(now), user_id, "bench", secrets.token_bytes(32), 1, 0, now, now)
    await storage.logins.add(session)
    return user_id, tokens.issue(user_id, session.id, 1)


async def main(settings: Settings, count: int, said: int, wanted: int) -> None:
    tokens = Tokens(read_signing_keys(settings), issuer=settings.token_issuer, timers=WallClock())
    people: list[tuple[str, str]] = []
    async with open_storage(settings) as storage:
        async with run_inside(settings, storage) as inside:
            for start in range(0, count, AT_ONCE):
                together = range(start, min(count, start + AT_ONCE))
                people += await asyncio.gather(*(arrive(inside, storage, tokens) for _ in together))
        now = datetime.now(UTC)
        if said or wanted:
            for user_id, _ in people:
                await lengthen(storage, user_id, 1, [*goals(now)[:wanted], *turns(user_id, now, said // 2)])
    print(json.dumps({"tokens": [token for _, token in people]}))


if __name__ == "__main__":
    uvloop.run(main(read_settings(), *(int(one) for one in sys.argv[1:4])))
