"""How a device asks for a call, by whichever door."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from actors.commands import Id
from actors.domain.refusals import TooLarge
from actors.questions import AddCandidate, OfferCall

MAX_SDP: Final = 32 * 1024


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SDP of a peer connection with sound both ways, and, to be heard exactly, the data channel `lifebuddy`.

    Without `call_id` a new call, or, if this device is in one, that one; `take_over` brings it here from another device.
    """

    sdp: str
    take_over: bool = False
    call_id: Id | None = None

    def question(self, device: str) -> OfferCall:
        """Raises TooLarge."""
        if len(self.sdp) > MAX_SDP:
            raise TooLarge
        return OfferCall(self.sdp, self.take_over, self.call_id, device)


class IceCandidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `RTCIceCandidate` has it; `candidate` null: there are no more."""

    candidate: Annotated[str, Meta(max_length=1024)] | None
    sdp_mid: Annotated[str, Meta(max_length=64)] | None = None
    sdp_mline_index: Annotated[int, Meta(ge=0, le=16)] | None = None

    def question(self, call_id: str) -> AddCandidate:
        return AddCandidate(call_id, self.candidate, self.sdp_mid, self.sdp_mline_index)
