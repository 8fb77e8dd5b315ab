"""The tasks in which aiortc connects, which nobody holds: closed meanwhile, they start what nothing ends."""

import asyncio
from inspect import iscoroutinefunction
from typing import Final

from aiortc import RTCPeerConnection
from aiortc.exceptions import InvalidStateError

from transport.webrtc.seams.unfit import unfit

_PLACE: Final = "_RTCPeerConnection__connect"


class Connecting:
    """Of one peer connection, from before it has any description."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stock = getattr(pc, _PLACE, None)
        if iscoroutinefunction(self._stock):
            setattr(pc, _PLACE, self._connect)
        else:
            unfit("connecting")

    async def give_up(self) -> None:
        """Before it is closed: whatever is not connected by now will not be."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _connect(self) -> None:
        task = asyncio.current_task()
        if task is None or self._stock is None:
            return
        task.set_name("peer.connect")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._stock()
        except (InvalidStateError, ConnectionError):
            """The other end hung up first."""
