"""Cuts connections to a real MongoDB on a command, so that nobody knows what became of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient

from scripts.embedded.mongo import ReplicaSet

FAIL_POINT = "failCommand"


@asynccontextmanager
async def cut_off(mongo: ReplicaSet, command: str) -> AsyncIterator[None]:
    """While open, the connection breaks on every such command."""
    async with AsyncMongoClient[dict[str, Any]](mongo.admin_url) as admin:
        broken = {"failCommands": [command], "closeConnection": True}
        await admin.admin.command({"configureFailPoint": FAIL_POINT, "mode": "alwaysOn", "data": broken})
        try:
            yield
        finally:
            await admin.admin.command({"configureFailPoint": FAIL_POINT, "mode": "off"})
