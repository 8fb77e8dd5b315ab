"""What a node itself is asked, for many of its sessions at once; it wakes nobody."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.domain.addresses import session_address
from actors.domain.presence import Presence, may_see, presence
from actors.questions import Attached, PresencesShown, Renew, Renewal, RenewAll, Renewed, ShowPresences
from actors.runtime.envelope import Envelope, Refused, Unavailable
from actors.runtime.system import System
from actors.session.standings import Standings

PATIENCE: Final = 0.8
"""The part of an asker's time that sessions have: who has not answered by then is left out of the answer."""


class Attendance:
    """One question from a gateway becomes one for each session it names, and their answers become one."""

    def __init__(self, system: System, standings: Standings) -> None:
        self._system = system
        self._standings = standings

    def take(self, envelope: Envelope) -> None:
        """Raises Unavailable for what this program does not know."""
        attend = ATTENDED.get(type(envelope.message))
        if attend is None:
            raise Unavailable(retry_after_ms=5000)
        attend(self, envelope)

    def renew(self, envelope: Envelope) -> None:
        batch: RenewAll = envelope.message
        renewing = _Renewing(envelope, len(batch.users))
        for number, one in enumerate(batch.users):
            renewing.ask(self._system, number, session_address(one.user_id), _renew(batch.node, one))
        renewing.all_asked()

    def show(self, envelope: Envelope) -> None:
        """Sessions are looked at, not asked: nothing waits behind what they have in hand."""
        question: ShowPresences = envelope.message
        shown, hidden = list[Presence](), list[str]()
        for user_id in question.users:
            standing = self._standings.of(user_id)
            if standing is None:
                continue
            if may_see(question.asker, user_id, standing.audience):
                shown.append(presence(user_id, standing))
            else:
                hidden.append(user_id)
        envelope.answer(PresencesShown(shown, hidden))


ATTENDED: Final[Mapping[type[Any], Callable[[Attendance, Envelope], None]]] = {
    RenewAll: Attendance.renew,
    ShowPresences: Attendance.show,
}
"""What happens on each."""


class _Renewing:
    """A batch under way: answered once every session has, or when their time is over."""

    def __init__(self, envelope: Envelope, count: int) -> None:
        loop = asyncio.get_running_loop()
        self.until = loop.time() + (envelope.until - loop.time()) * PATIENCE
        self._envelope = envelope
        self._log = ""
        self._heads: list[int | None] = [None] * count
        self._asked = 1  # the asking itself
        self._timer = loop.call_at(self.until, self._answer)

    def ask(self, system: System, number: int, address: str, question: Renew) -> None:
        """One of the sessions, if it is awake."""
        if address not in system:
            return
        self._asked += 1
        envelope = Envelope(question, _Answer(self, number), self._envelope.trace, self.until)
        try:
            system.deliver(address, envelope)
        except Refused as why:
            envelope.refuse(why)

    def all_asked(self) -> None:
        self.told()

    def told(self, number: int = 0, attached: Attached | None = None) -> None:
        """One of them has answered, or never will."""
        if attached is not None:
            self._log, self._heads[number] = attached.log, attached.seq
        self._asked -= 1
        if self._asked == 0:
            self._answer()

    def _answer(self) -> None:
        self._timer.cancel()
        self._envelope.answer(Renewed(self._log, self._heads))


class _Answer:
    """Where one session of a batch answers."""

    __slots__ = ("_done", "_number", "_renewing")

    def __init__(self, renewing: _Renewing, number: int) -> None:
        self._renewing, self._number = renewing, number
        self._done = False

    def done(self) -> bool:
        return self._done or asyncio.get_running_loop().time() >= self._renewing.until

    def set_result(self, result: Any, /) -> None:
        self._done = True
        self._renewing.told(self._number, result)

    def set_exception(self, _why: Refused, /) -> None:
        """The asker looks for this one alone."""
        self._done = True
        self._renewing.told()


def _renew(node: str, one: Renewal) -> Renew:
    return Renew(node, one.connections, one.devices, one.ages, one.seq, one.away)
