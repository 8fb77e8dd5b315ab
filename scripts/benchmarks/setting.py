"""What every bench is given: where it may write, how long it may take, and the servers all share."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from config.settings import read_settings, variable
from scripts.embedded.stack import Stack, embedded_stack


@dataclass
class Setting:
    directory: Path
    """Empty at first, gone afterwards."""
    keep: Path
    """For what is worth keeping between runs."""
    rounds: int
    opened: AsyncExitStack
    _stack: Stack | None = field(default=None)

    async def stack(self) -> Stack:
        """MongoDB and Valkey, started when the first bench needs them, ended when the last is done."""
        if self._stack is None:
            settings = read_settings(data=self.directory / "stack", profile="test")
            self._stack = await self.opened.enter_async_context(
                embedded_stack(settings, lambda _: None, models=False),
            )
        return self._stack

    async def node_variables(self, name: str) -> dict[str, str]:
        """Settings of a node with a database and secrets of its own: what one bench leaves owed disturbs no other.

        Files are not among them: no bench needs any, and looking for a store that is not there costs time.
        """
        own = {"LIFEBUDDY_DATA": str(self.directory / name), "LIFEBUDDY_MONGO_DATABASE": name}
        own |= {variable("shed_lag_seconds"): "60"}  # a bench wants to see how long it takes, not to be refused
        files = variable("s3_")
        return {
            name: value for name, value in (await self.stack()).variables.items() if not name.startswith(files)
        } | own
