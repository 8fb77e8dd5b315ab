"""What a node has of the world when it is alone: the time on the wall, and every address there is."""

from datetime import UTC, datetime


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Everywhere:
    """A placement without Redis, and a lie once there are two nodes: each holds every address, always."""

    def valid(self) -> bool:
        return True

    async def claim(self, address: str) -> None: ...

    async def holds(self, address: str) -> bool:
        return True

    async def release(self, address: str) -> None: ...
