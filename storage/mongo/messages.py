"""Messages as people scroll back through them, read from their rows."""

from collections.abc import Sequence

from actors.domain.addresses import owner, session_address
from actors.domain.conversation import Message
from storage.mongo import queries
from storage.mongo.connect import Database, kept, reachable
from storage.mongo.projections import unplace
from storage.sealing import Sealing, unseal_struct

MESSAGES = "chat_messages"


class MongoMessages:
    """`actors.ports.MessageRows`. Whoever is not the owner sees nothing; reads raise Unavailable, Unsealable."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._messages = kept(database, MESSAGES)
        self._sealing = sealing

    async def list(self, user_id: str, *, thread: str, before: int | None, limit: int) -> Sequence[Message]:
        """Messages of a thread with seq < before, newest first."""
        address = session_address(user_id)
        with reachable():
            found = await queries.messages_of(address, thread, before).find(self._messages, limit).to_list()
        box = await self._sealing.box(owner(address))
        return [unseal_struct(box, MESSAGES, row["_id"], unplace(row), Message) for row in found]
