"""A message with its return address and trace; and what the runtime itself refuses."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from actors.runtime.tracing import Trace

Effect = Literal["none", "unknown"]


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of the program
    """A request that was not carried out. Subclasses carry a stable `code` and a sentence for people.

    `effect` says whether anything may have happened: "none", or "unknown" (ask again with the same cid).
    `fields` maps the failing path to what is wrong with it; it never repeats what was sent.
    """

    code: ClassVar[str] = "refused"
    message: ClassVar[str] = "This can't be done."
    retry: ClassVar[bool] = False

    def __init__(
        self, *, effect: Effect = "none", retry_after_ms: int | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(self.code)
        self.effect: Effect = effect
        self.retry_after_ms = retry_after_ms
        self.fields = fields


class Overloaded(Refused):
    code = "overloaded"
    message = "Too much is going on right now. Please try again in a moment."
    retry = True


class Unavailable(Refused):
    code = "unavailable"
    message = "This part is out of reach right now. Please try again shortly."
    retry = True


class NotHere(Unavailable):
    """The address does not live on the asked node but on `node`, if that is known; nothing has happened."""

    def __init__(self, node: str = "") -> None:
        super().__init__(retry_after_ms=250)
        self.node = node


class TimedOut(Refused):
    code = "timeout"
    message = "This took too long. Whether it happened is not known; asking again with the same cid is safe."
    retry = True


class Crashed(Refused):
    code = "failed"
    message = "Something went wrong on our side. Asking again with the same cid is safe."
    retry = True


class CidConflict(Refused):
    code = "conflict.cid"
    message = "This cid was already used for another request."


class Poisoned(Refused):
    code = "failed.repeatedly"
    message = "This request failed every time it was tried and is not tried again."


class Reply(Protocol):
    """Who waits for an answer: a future, or whoever can take one without waiting. It is told once, and never raises."""

    def done(self) -> bool: ...

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, exception: Refused, /) -> None: ...


class Envelope(msgspec.Struct):
    """One message on its way to an actor; no `reply` means nobody waits for the answer.

    `until` is the time of this loop at which the asker waits no more: whoever made the envelope has it `expire` then.
    `begun` is set when the actor starts on it: until then a time-out has had no effect. `hops` is how often it was
    sent on because its address lived elsewhere. `own` is what an activation, its children or the runtime tell it: no
    other activation has anything to do with it.
    """

    message: Any
    reply: Reply | None = None
    trace: Trace | None = None
    until: float = math.inf
    begun: bool = False
    hops: int = 0
    own: bool = False

    def answer(self, answer: Any) -> None:
        """Tell the asker, if there is one who still waits; a future's answer once that is done."""
        if isinstance(answer, asyncio.Future):
            answer.add_done_callback(self._answer_later)
        elif self.reply is not None and not self.reply.done():
            self.reply.set_result(answer)

    def refuse(self, why: Refused) -> None:
        """Tell the asker, if there is one who still waits."""
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(why)

    def _answer_later(self, answer: "asyncio.Future[Any]") -> None:
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled() or error is not None:
            self.refuse(error if isinstance(error, Refused) else Crashed(effect="unknown"))
        else:
            self.answer(answer.result())

    def expire(self) -> None:
        """The asker has waited long enough."""
        self.refuse(TimedOut(effect="unknown" if self.begun else "none"))
