"""Roles of people: give one, see who gave which; straight in the database, beside running nodes."""

from datetime import UTC, datetime
from typing import Final

import typer

from actors.domain.roles import Role
from scripts.at_database import Data, ask_database
from storage.mongo.accounts import MongoAccounts, MongoLoginSessions
from storage.mongo.connect import Database
from storage.mongo.roles import MongoRoles
from storage.sealing import Sealing, Secrets

BY: Final = "command line"
SHOWN: Final = 100
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def grant(email: str, role: Role, data: Data = None) -> None:
    """Give whoever registered at a mail address a role; they are signed out everywhere, and sign in with it."""

    async def granted(database: Database, sealing: Sealing, secrets: Secrets) -> Role | None:
        now = datetime.now(UTC)
        known = await MongoAccounts(database, sealing, secrets).by_mail(email)
        before = None if known is None else await MongoRoles(database).grant(known.user_id, role, BY, now)
        if known is not None:
            await MongoLoginSessions(database, sealing).revoke_all(known.user_id, now)
        return before

    before = ask_database(data, granted)
    if before is None:
        raise typer.BadParameter("nobody is registered at this mail address")
    print(f"was {before}, is {role}")


@app.command("list")
def list_(data: Data = None) -> None:
    """Who was given which role by whom, newest first."""
    for one in ask_database(data, lambda database, _, __: MongoRoles(database).granted(SHOWN, None)):
        print(f"{one.at:%Y-%m-%d %H:%M}  {one.whom}  {one.before} → {one.role}  by {one.by}")


if __name__ == "__main__":
    app()
