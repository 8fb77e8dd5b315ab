"""Roles of people: give one, see who gave which; straight in the database, beside running nodes."""

from datetime import UTC, datetime
from typing import Final

import typer

from actors.domain.roles import Role
from scripts.at_database import Data, ask_database
from storage.mongo.accounts import MongoAccounts, MongoLoginSessions
from storage.mongo.connect import Database
from storage.mongo.factors import MongoFactors
from storage.mongo.roles import GRANTED, MongoRoles
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


@app.command("forget-factor")
def forget_factor(email: str, data: Data = None) -> None:
    """Remove the second factor of who has lost app and recovery codes; they are signed out everywhere."""

    async def forgotten(database: Database, sealing: Sealing, secrets: Secrets) -> bool:
        now = datetime.now(UTC)
        known = await MongoAccounts(database, sealing, secrets).by_mail(email)
        if known is None:
            return False
        await MongoLoginSessions(database, sealing).revoke_all(known.user_id, now)
        return await MongoFactors(database, sealing).remove(known.user_id, BY, now)

    if not ask_database(data, forgotten):
        raise typer.BadParameter("nobody with a second factor is registered at this mail address")
    print("removed")


@app.command("list")
def list_(data: Data = None) -> None:
    """Who was given which role by whom, and who got or lost a second factor, newest first."""
    for one in ask_database(data, lambda database, _, __: MongoRoles(database).granted(SHOWN, None)):
        what = f"{one.before} → {one.role}" if one.did == GRANTED else one.did
        print(f"{one.at:%Y-%m-%d %H:%M}  {one.whom}  {what}  by {one.by}")


if __name__ == "__main__":
    app()
