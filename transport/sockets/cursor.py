"""Where one device stands in its log: what makes "in order, none twice". Pure."""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """Anything with a place in the log."""

    @property
    def seq(self) -> int: ...


F = TypeVar("F", bound=Placed)


class Cursor(Generic[F]):
    """`seq` is the last event given to the device, `head` the last one known to exist.

    Events that come too early are held, at most `bound` of them: what is dropped beyond is in the log.
    """

    __slots__ = ("_bound", "_held", "head", "seq")

    def __init__(self, bound: int) -> None:
        self.seq = 0
        self.head = 0
        self._bound = bound
        self._held: dict[int, F] = {}

    @property
    def behind(self) -> bool:
        """Whether events exist that the device has not been given and that did not come by themselves."""
        return self.seq < self.head

    def start(self, seq: int, head: int) -> None:
        """The device has everything up to `seq`; the log reaches to `head`."""
        self.seq = seq
        self.head = max(head, *self._held, seq)
        self._forget_past()

    def see(self, head: int) -> None:
        """The log is known to reach to `head`."""
        self.head = max(self.head, head)

    def hold(self, placed: Iterable[F]) -> None:
        """Keep events for later."""
        for one in placed:
            self.see(one.seq)
            if one.seq > self.seq and len(self._held) < self._bound:
                self._held[one.seq] = one

    def step(self, one: F) -> bool:
        """Whether it is the one that comes next, with nothing held or missing: then it counts as given."""
        if self._held or self.seq < self.head or one.seq != self.seq + 1:
            return False
        self.seq = self.head = one.seq
        return True

    def take(self, placed: Iterable[F]) -> list[F]:
        """What the device is to be given now, in order: of these and of those held. The rest is held or dropped."""
        given: list[F] = []
        for one in placed:
            if one.seq == self.seq + 1:
                given.append(one)
                self.seq += 1
            else:
                self.hold((one,))
        while self.seq + 1 in self._held:
            self.seq += 1
            given.append(self._held.pop(self.seq))
        self.see(self.seq)
        self._forget_past()
        return given

    def _forget_past(self) -> None:
        if self._held:
            self._held = {seq: one for seq, one in self._held.items() if seq > self.seq}
