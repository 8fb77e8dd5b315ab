"""The origin of RTP time, which aiortc's sender draws for itself and tells nobody."""

from typing import Any, Final

from transport.webrtc.seams.unfit import unfit

_PLACE: Final = "_RTCRtpSender__rtp_timestamp"


def rtp_time(sender: Any) -> int | None:
    """The RTP time of the last packet sent; None where it can't be read: what was heard is estimated then."""
    time = getattr(sender, _PLACE, None)
    if not isinstance(time, int):
        unfit("rtp_time")
        return None
    return time
