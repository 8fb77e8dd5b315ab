"""What `scripts/run` becomes once the packages are there."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from config.settings import Settings, SettingsError, read_settings
from scripts.embedded.binaries import ProgramMissingError
from scripts.embedded.child import StartError
from scripts.embedded.machine import run_machine
from scripts.embedded.ports import PortError
from scripts.embedded.run_file import AlreadyRunningError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    rest: typer.Context,
    *,
    port: Annotated[int | None, typer.Option(help="Port of the server.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of everything that is kept.")] = None,
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Fetch and serve local models when there is no key.")
    ] = True,
) -> None:
    """LifeBuddy on one machine. What is not known here goes to the server. Ctrl-C drains."""
    given: dict[str, Any] = {"port": port, "data": data}
    try:
        settings = read_settings(**{name: value for name, value in given.items() if value is not None})
        code = asyncio.run(_until_stopped(settings, rest.args, models=models))
    except AlreadyRunningError as running:
        print(running)
        code = 0
    except (SettingsError, StartError, PortError, ProgramMissingError) as problem:
        print(problem, file=sys.stderr)
        code = 1
    raise typer.Exit(code)


async def _until_stopped(settings: Settings, arguments: list[str], *, models: bool) -> int:
    """Each Ctrl-C or SIGTERM cancels what is waited for: the first the work, a second the patience with its end."""
    work = asyncio.create_task(run_machine(settings, arguments, models=models), name="machine")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        return 0


if __name__ == "__main__":
    app()
