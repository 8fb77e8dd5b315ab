"""A reference to an actor: tell and ask, the same near and far."""

import asyncio
from collections.abc import Callable
from typing import Any

from actors.runtime.deadlines import waited
from actors.runtime.envelope import Envelope, Reply
from actors.runtime.tracing import Trace, trace_id


class Ref:
    """Where messages for one address go. Asking without a time limit does not exist."""

    __slots__ = ("_deliver", "address")

    def __init__(self, address: str, deliver: Callable[[Envelope], None]) -> None:
        self.address = address
        self._deliver = deliver

    def tell(self, message: Any) -> None:
        """Send and forget. Raises Overloaded when the mailbox is full, Unavailable when the node drains."""
        self._deliver(Envelope(message, None, trace_id.get()))

    async def ask(self, message: Any, *, timeout: float, trace: Trace | None = None) -> Any:  # noqa: ASYNC109 - the limit travels with the message
        """Send and wait for the answer. Raises what the actor refused with, or TimedOut.

        TimedOut says `effect: none` when the message had not been begun; it is then dropped unread.
        """
        loop = asyncio.get_running_loop()
        reply = loop.create_future()
        envelope = self.request(message, reply, timeout=timeout, trace=trace)
        deadlines = waited(loop, timeout)
        deadlines.add(reply, envelope)
        try:
            return await reply
        finally:
            deadlines.remove(reply)
            del envelope, reply  # a refusal's traceback holds this frame: without them there is no cycle

    def request(self, message: Any, reply: Reply, *, timeout: float, trace: Trace | None = None) -> Envelope:
        """Ask without waiting: `reply` is told what `ask` would answer or raise. The caller has it expire in time."""
        until = asyncio.get_running_loop().time() + timeout
        envelope = Envelope(message, reply, trace or trace_id.get(), until)
        self._deliver(envelope)
        return envelope
