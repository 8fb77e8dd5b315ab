"""What a command needs that speaks to the database itself, beside running nodes or without any."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pymongo.errors import PyMongoError

from actors.runtime.envelope import Refused
from config.keys import read_wrapping_keys
from config.settings import SettingsError, read_settings
from scripts.embedded.run_file import read_run
from storage.mongo import schema
from storage.mongo.connect import Database, NotAReplicaSet, connected
from storage.mongo.keys import MongoKeys
from storage.sealing import MASTER, Sealing, Secrets

T = TypeVar("T")
Data = Annotated[Path | None, typer.Option(help="The data directory of `scripts/run`, when that started MongoDB.")]


def ask_database(data: Path | None, ask: Callable[[Database, Sealing, Secrets], Awaitable[T]]) -> T:
    """What `ask` answers; exit code 1, with one line that says why, when the database can't be asked."""

    async def asked() -> T:
        settings = read_settings(**({} if data is None else {"data": data}))
        told = read_run(settings.data.resolve()).get("variables", {})
        url = settings.mongo_url.get_secret_value() if settings.mongo_url else told.get("LIFEBUDDY_MONGO_URL")
        if url is None:
            raise SettingsError("LIFEBUDDY_MONGO_URL: is not set and nothing runs; start scripts/run, then ask again")
        async with connected(url, database=settings.mongo_database) as database:
            await schema.prepare(database)
            keys = read_wrapping_keys(settings)
            return await ask(database, Sealing(MongoKeys(database), keys), Secrets(keys[MASTER]))

    try:
        return asyncio.run(asked())
    except (SettingsError, NotAReplicaSet) as problem:
        print(problem)
    except (PyMongoError, Refused) as problem:  # without its text: it holds addresses and users
        print(f"MongoDB does not answer as it should: {type(problem).__name__}")
    raise typer.Exit(1)
