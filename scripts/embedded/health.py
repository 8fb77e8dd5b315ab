"""Asks each part whether it is well: reachable, new enough, of the kind that is needed."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from scripts.embedded.binaries import MONGOD_FLOOR, REDIS_FLOOR
from storage.redis.connect import OtherMode, connected
from storage.redis.shards import UNREACHABLE

WITHIN = 5.0  # seconds


@dataclass(frozen=True)
class Health:
    """`why` is empty when all is well, else one line; `milliseconds` is how long the answer took."""

    version: str = ""
    why: str = ""
    milliseconds: float = 0.0

    @property
    def well(self) -> bool:
        return not self.why


async def check_mongo(url: str) -> Health:
    return await _timed(_ask_mongo(url))


async def check_redis(url: str) -> Health:
    return await _timed(_ask_redis(url))


async def check_smtp(url: str) -> Health:
    """Whether a mail server greets; nobody logs in."""
    return await _timed(_greeted(url))


async def check_http(url: str, key: str = "") -> Health:
    """Whether a GET is answered with 200; with a key it goes along as a bearer token."""
    return await _timed(asyncio.to_thread(_get, url, key))


async def read_parts(url: str) -> dict[str, dict[str, Any]]:
    """How far each local model is, as their process tells it; empty when it does not answer."""
    try:
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=WITHIN) as answer:
            parts: dict[str, dict[str, Any]] = json.loads(answer.read())["parts"]
    except (OSError, ValueError, KeyError):
        return {}
    return parts


async def _greeted(url: str) -> Health:
    where = urlsplit(url)
    secure = where.scheme == "smtps"
    try:
        reader, writer = await asyncio.open_connection(
            where.hostname, where.port or (465 if secure else 25), ssl=secure
        )
        greeting = await reader.readline()
        writer.close()
    except OSError as failure:
        return Health(why=f"does not answer ({type(failure).__name__})")
    return Health(why="" if greeting.startswith(b"220") else "does not greet as a mail server")


async def _ask_mongo(url: str) -> Health:
    try:
        async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=int(WITHIN * 1000)) as client:
            hello = await client.admin.command("hello")
            version = str((await client.server_info())["version"])
    except PyMongoError as failure:
        return Health(why=f"does not answer ({type(failure).__name__})")
    if not hello.get("setName"):
        return Health(version, "is not a replica set")
    return _floored(version, MONGOD_FLOOR)


async def _ask_redis(url: str) -> Health:
    try:
        async with connected(url, _told_by_health, time_limit=WITHIN) as shards:
            infos = [await shard.info("server") for shard in shards.all]
    except OtherMode as failure:
        return Health(why=str(failure))
    except UNREACHABLE as failure:
        return Health(why=f"does not answer ({type(failure).__name__})")
    versions = [str(info.get("valkey_version") or info["redis_version"]) for info in infos]
    return min((_floored(version, REDIS_FLOOR) for version in versions), key=lambda health: health.well)


def _told_by_health(event: str, fields: dict[str, Any]) -> None:
    """What goes wrong with Redis is what is said of its health."""


def _get(url: str, key: str) -> Health:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # the address is configured by the operator
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310  # as above
            answer.read()
    except urllib.error.HTTPError as refusal:
        return Health(why=_refusal(refusal))
    except OSError as failure:
        return Health(why=f"does not answer ({type(getattr(failure, 'reason', failure)).__name__})")
    return Health()


def _refusal(refusal: urllib.error.HTTPError) -> str:
    """A `/readyz` that is not ready names the parts it misses."""
    try:
        said = json.loads(refusal.read())
    except ValueError:
        return f"answers {refusal.code}"
    parts = said.get("parts") if isinstance(said, dict) else None
    states = parts.items() if isinstance(parts, dict) else ()
    missed = [name for name, part in states if isinstance(part, dict) and part.get("state") not in {"ok", "off"}]
    return f"answers {refusal.code}" + (f": {', '.join(missed)}" if missed else "")


def _floored(version: str, floor: int) -> Health:
    old = int(version.partition(".")[0]) < floor
    return Health(version, f"{version} is older than {floor}" if old else "")


async def _timed(asking: Awaitable[Health]) -> Health:
    began = time.monotonic()
    try:
        health = await asyncio.wait_for(asking, WITHIN + 1)
    except TimeoutError:
        health = Health(why=f"did not answer in {WITHIN:.0f} s")
    return replace(health, milliseconds=(time.monotonic() - began) * 1000)
