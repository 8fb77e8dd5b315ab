"""API keys of programs: make one, list them, revoke one; straight in the database, beside running nodes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from actors.ports import ApiKey
from scripts.at_database import Data, ask_database
from storage.mongo.api_keys import MongoApiKeys
from transport.service_keys import SCOPES, new_key

T = TypeVar("T")
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
    return ask_database(data, lambda database, sealing, _: ask(MongoApiKeys(database, sealing)))


if __name__ == "__main__":
    app()
