"""The line to the user: the peer of the moment, the one that is on its way, and whether anybody is there."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import structlog

from actors.domain.refusals import Conflict
from actors.media import Peer, Peers, PeerState, Voice
from actors.runtime.actor import Children
from actors.runtime.envelope import Refused, Reply, TimedOut, Unavailable
from actors.voice import moves
from actors.voice.messages import Candidate, Offered

CANDIDATES: Final = 64
"""That wait for a peer; one more is refused."""

log = structlog.get_logger()


class Answered(msgspec.Struct, frozen=True):
    """The offer of that epoch has its peer, or none."""

    epoch: int
    peer: Peer | None


class Moved(msgspec.Struct, frozen=True):
    """The peer of that epoch is in another state."""

    epoch: int
    state: PeerState


class Line:
    """Lives in its call's task. Each offer begins an epoch; what peers of earlier ones tell is past."""

    def __init__(self, peers: Peers, voice: Voice, children: Children, tell: Callable[[Any], None]) -> None:
        self.peer: Peer | None = None
        self.epoch = 0
        """That of `peer`."""
        self._peers = peers
        self._voice = voice
        self._children = children
        self._tell = tell
        self._newest = 0
        self._offer: Offered | None = None
        self._there: set[int] = set()
        self._candidates: deque[Candidate] = deque()

    def offered(self, offer: Offered, patience: float) -> None:
        """The newest offer counts: one that has no answer yet is refused."""
        if self._offer is not None:
            self._children.cancel("answer")
            settle(self._offer.reply, Conflict())
        self._drop_candidates()
        self._offer = offer
        self._newest += 1
        self._children.spawn("answer", self._answer(offer, self._newest, patience))

    def candidate(self, candidate: Candidate) -> None:
        """They are added in order; those of a peer that is on its way wait for it."""
        if len(self._candidates) >= CANDIDATES or (self.peer is None and self._offer is None):
            settle(candidate.reply, Conflict())
            return
        self._candidates.append(candidate)
        self.add_candidates()

    def add_candidates(self) -> None:
        """The next one, if none is being added."""
        if self.peer is not None and self._offer is None and self._candidates and "candidate" not in self._children:
            self._children.spawn("candidate", add(self.peer, self._candidates.popleft()))

    def answered(self, answered: Answered) -> Iterator[moves.Event]:
        """The new peer takes the place of the one so far."""
        self._offer = None
        if answered.peer is None:
            self._drop_candidates()
            return
        if self.epoch in self._there:
            yield moves.Lost(self.epoch)
        if self.peer is not None:
            self._children.spawn(f"close/{self.epoch}", close(self.peer))
        self.peer, self.epoch = answered.peer, answered.epoch
        self._there &= {self.epoch}
        self.add_candidates()
        if self.epoch in self._there:
            yield moves.Attached(self.epoch)

    def moved(self, moved: Moved) -> Iterator[moves.Event]:
        if moved.epoch < self.epoch:
            return
        before = moved.epoch in self._there
        if moved.state in {"connected", "heard"}:
            self._there.add(moved.epoch)
        else:
            self._there.discard(moved.epoch)
        if moved.epoch == self.epoch and before != (moved.epoch in self._there):
            yield moves.Lost(self.epoch) if before else moves.Attached(self.epoch)
        if moved.epoch == self.epoch and moved.state == "closed":
            self.peer = None

    async def close(self) -> None:
        if self._offer is not None:
            self._children.cancel("answer")
            settle(self._offer.reply, Unavailable())
        self._drop_candidates()
        if self.peer is not None:
            await close(self.peer)

    async def _answer(self, offer: Offered, epoch: int, patience: float) -> Answered:
        try:
            async with asyncio.timeout(patience):
                peer = await self._peers.answer(offer.sdp, self._voice, lambda state: self._tell(Moved(epoch, state)))
        except Refused as refused:
            settle(offer.reply, refused)
        except TimeoutError:
            settle(offer.reply, TimedOut())
        except Exception:
            log.exception("call.answer_failed")
            settle(offer.reply, Unavailable())
        else:
            if not offer.reply.done():
                offer.reply.set_result(peer.sdp)
                return Answered(epoch, peer)
            await close(peer)  # whoever asked has gone: nobody would connect
        return Answered(epoch, None)

    def _drop_candidates(self) -> None:
        while self._candidates:
            settle(self._candidates.popleft().reply, Conflict())


def settle(reply: Reply | None, refused: Refused) -> None:
    if reply is not None and not reply.done():
        reply.set_exception(refused)


async def add(peer: Peer, candidate: Candidate) -> None:
    reply = candidate.reply
    try:
        await peer.add_candidate(candidate.candidate, candidate.sdp_mid, candidate.sdp_mline_index)
    except Refused as refused:
        settle(reply, refused)
    except Exception:
        log.exception("call.candidate_failed")
        settle(reply, Unavailable())
    else:
        if reply is not None and not reply.done():
            reply.set_result(None)


async def close(peer: Peer) -> None:
    try:
        await peer.close()
    except Exception:
        log.exception("call.close_failed")
