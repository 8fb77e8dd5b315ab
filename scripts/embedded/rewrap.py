"""Wraps people's keys under the newest wrapping key, beside running nodes or without any.

The way to another one: lay `2.key` (or the next number) where LIFEBUDDY_WRAPPING_KEYS says, on every machine; restart
every node, so that all of them know it; then come here. Cut short, it goes on where it was.
"""

from collections.abc import Mapping

from rich.console import Console

from actors.runtime.envelope import Unavailable
from storage.mongo.connect import connected
from storage.mongo.keys import MongoKeys
from storage.sealing import MASTER, Sealing, Unsealable


async def rewrap(mongo_url: str, database: str, keys: Mapping[int, bytes], console: Console) -> int:
    """All that are wrapped otherwise; answers the exit code."""
    newest, done = max(keys), 0
    if newest == MASTER:
        console.print("there is no wrapping key but the master key: lay one as 2.key, see LIFEBUDDY_WRAPPING_KEYS")
        return 1
    async with connected(mongo_url, database=database) as opened:
        sealing = Sealing(MongoKeys(opened), keys)
        try:
            while some := await sealing.rewrap():
                done += some
                console.print(f"{done} wrapped anew")
        except (Unavailable, Unsealable) as problem:
            console.print(f"[red]cut short after {done}:[/] {problem or 'MongoDB is out of reach'}; run it again then")
            return 1
    console.print(
        f"all keys are wrapped under {newest}.key, {done} of them since now; older ones but the master key may go"
    )
    return 0
