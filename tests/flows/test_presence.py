"""Whether somebody is there, seen by another user at another node; and who may see it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import App, signed_up
from tests.flows.fleet import device, fleet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # two nodes start

LEASE = 3.0


async def seen(asker: App, user: App) -> Any:
    """By both doors alike; None for one that the asker may not see."""
    user_id = user.tokens["user_id"]
    status, one = await asker.rest("GET", f"/v1/people/{user_id}/presence")
    ack = await asker.command("presence.show", {"user_ids": [user_id]})
    assert ack["ok"], ack
    assert status == (200 if ack["items"] else 404)
    assert not ack["items"] or one["user_id"] == ack["items"][0]["user_id"] == user_id
    return one if ack["items"] else None


async def becomes(asker: App, user: App, state: str, *, within: float) -> float:
    """Seconds until then."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while (await seen(asker, user))["state"] != state:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def show_to(app: App, profile: str, *, presence: bool = True) -> None:
    privacy = {"profile": profile, "presence": presence}
    status, _ = await app.rest("PATCH", "/v1/me", {"preferences": {"privacy": privacy}})
    assert status == 200


async def test_presence(mongo: ReplicaSet, valkey: Valkey, tmp_path: Path, database: str) -> None:
    settings = {
        "LIFEBUDDY_MONGO_DATABASE": database,
        "LIFEBUDDY_DEVICE_LEASE_SECONDS": str(LEASE),
        "LIFEBUDDY_LAST_SEEN_SECONDS": "1",
    }
    async with (
        fleet(tmp_path, mongo, valkey.url, 2, **settings) as (here, there),
        signed_up(here.url) as ann,
        signed_up(here.url) as bo,
        signed_up(there.url) as cy,
    ):
        laptop = device(ann, there)
        await laptop.connect()
        assert await seen(bo, ann) is None, "nobody is connected with anybody, and nothing was made public"
        assert (await seen(ann, ann))["state"] == "online"
        await show_to(ann, "public")
        await show_to(cy, "public")
        assert await seen(bo, ann) == {"user_id": ann.tokens["user_id"], "state": "online", "last_seen_at": None}
        await _away_by_the_apps(ann, laptop, bo)
        log = await ann.whole_log()
        await ann.disconnect()
        await asyncio.sleep(LEASE / 2)
        assert [(await seen(bo, one))["state"] for one in (ann, cy)] == ["online", "online"], "the laptop is there"
        killed = datetime.now(UTC)
        there.kill()
        assert await becomes(bo, ann, "offline", within=LEASE + 4) > LEASE / 3
        _was_last_seen(await seen(bo, ann), killed)
        await becomes(bo, cy, "offline", within=LEASE + 4)
        _was_last_seen(await seen(bo, cy), killed)
        await show_to(ann, "public", presence=False)
        assert await seen(bo, ann) is None
        await ann.connect()
        assert [one["type"] for one in (await ann.whole_log())[len(log) :]] == ["profile.changed"]


def _was_last_seen(shown: Any, killed: datetime) -> None:
    """In steps of five minutes; its node's last word is at most a lease old."""
    last = datetime.fromisoformat(shown["last_seen_at"])
    assert timedelta() <= killed - last < timedelta(minutes=5, seconds=2 * LEASE)
    assert (last.minute % 5, last.second, last.microsecond) == (0, 0, 0)


async def _away_by_the_apps(phone: App, laptop: App, asker: App) -> None:
    assert await phone.command("presence.set", {"state": "away"}) == {"ok": True}
    assert (await seen(asker, phone))["state"] == "online", "the laptop is looked at"
    assert await laptop.command("presence.set", {"state": "away"}) == {"ok": True}
    await becomes(asker, phone, "away", within=2)
    told = {"type": "presence", "data": {"user_id": phone.tokens["user_id"], "state": "away"}}
    async with asyncio.timeout(2):
        while told not in phone.signals:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
    await asyncio.sleep(LEASE / 2)
    assert (await seen(asker, phone))["state"] == "away", "renewals say so too"
    wrong = await phone.command("presence.set", {"state": "offline"})
    assert (wrong["ok"], wrong["error"]["code"]) == (False, "invalid")
    assert (await laptop.command("presence.set", {"state": "online"}))["ok"]
    await becomes(asker, phone, "online", within=2)
