"""API keys of programs: make one, list them, revoke one; straight in the database, beside running nodes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pymongo.errors import PyMongoError

from actors.ports import ApiKey
from config.keys import read_master_key
from config.settings import SettingsError, read_settings
from scripts.embedded.run_file import read_run
from storage.mongo import schema
from storage.mongo.api_keys import MongoApiKeys
from storage.mongo.connect import NotAReplicaSet, connected
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing
from transport.service_keys import SCOPES, new_key

T = TypeVar("T")
Data = Annotated[Path | None, typer.Option(help="The data directory of `scripts/run`, when that started MongoDB.")]
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def create(
    name: str,
    scope: Annotated[list[str], typer.Option(help="; ".join(f"{name}: {what}" for name, what in SCOPES.items()))],
    days: Annotated[int, typer.Option(min=1, max=3_650)] = 90,
    data: Data = None,
) -> None:
    """Make a key. It is shown now and never again."""
    try:
        key, text = new_key(name, scope, datetime.now(UTC), timedelta(days=days))
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None
    _with_keys(data, lambda keys: keys.add(key))
    print(text)


@app.command("list")
def list_(data: Data = None) -> None:
    """All keys, newest first."""
    for key in _with_keys(data, lambda keys: keys.list()):
        used = f"used {key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never used"
        print(f"{key.id}  {_state(key):<18}  {used:<21}  {','.join(key.scopes)}  {key.name}")


@app.command()
def revoke(key_id: str, data: Data = None) -> None:
    """It is refused from now on, on every node."""
    if not _with_keys(data, lambda keys: keys.revoke(key_id, datetime.now(UTC))):
        raise typer.BadParameter("there is no such key, or it was revoked before")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at <= datetime.now(UTC) else f"until {key.expires_at:%Y-%m-%d}"


def _with_keys(data: Path | None, ask: Callable[[MongoApiKeys], Awaitable[T]]) -> T:
    async def asked() -> T:
        settings = read_settings(**({} if data is None else {"data": data}))
        told = read_run(settings.data.resolve()).get("variables", {})
        url = settings.mongo_url.get_secret_value() if settings.mongo_url else told.get("LIFEBUDDY_MONGO_URL")
        if url is None:
            raise SettingsError("LIFEBUDDY_MONGO_URL: is not set and nothing runs; start scripts/run, then ask again")
        async with connected(url, database=settings.mongo_database) as database:
            await schema.prepare(database)
            sealing = Sealing(MongoKeys(database), {1: read_master_key(settings)})
            return await ask(MongoApiKeys(database, sealing))

    try:
        return asyncio.run(asked())
    except (SettingsError, NotAReplicaSet) as problem:
        print(problem)
    except PyMongoError as problem:  # without its text: it holds addresses and users
        print(f"MongoDB does not answer as it should: {type(problem).__name__}")
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
