"""When people were last seen: never back, together with whom they show it to, and of nobody who is gone."""

from datetime import timedelta

import msgspec

from actors.domain.profile import Preferences, Privacy
from actors.journal.outside import Head, Row
from actors.ports import PresenceRows, Seen
from storage.mongo.connect import Database
from storage.mongo.presence import MongoPresence
from storage.mongo.projections import MongoProjections
from tests.storage.mongo.conftest import AT


class Person(msgspec.Struct, frozen=True):
    """As much of a row of `users` as matters."""

    preferences: Preferences


async def test_many_are_read_at_once_and_nobody_goes_back(db: Database, projections: MongoProjections) -> None:
    port: PresenceRows = MongoPresence(db)
    people = {"ann": Privacy("public"), "bo": Privacy(), "cy": Privacy("public")}
    for user, privacy in people.items():
        row = Row("users", user, 1, Person(Preferences(privacy=privacy)))
        await projections.write(f"session:{user}", [row], Head(f"session:{user}", 1))
    await projections.write("session:cy", [Row("users", "cy", 2, None)], Head("session:cy", 2))
    await port.keep({"ann": AT, "cy": AT})
    await port.keep({"ann": AT - timedelta(hours=1)})
    await port.keep({})
    assert await port.get(["ann", "bo", "cy", "nobody"]) == {"ann": Seen("everybody", AT), "bo": Seen("nobody", None)}
    assert await port.get([]) == {}
