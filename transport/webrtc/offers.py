"""What an offer must be before a peer connection is made for it, and how its answer is written."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from aiortc.sdp import MediaDescription, SessionDescription

from actors.domain.refusals import BadOffer

LARGEST: Final = 32 * 1024
"""Bytes."""
LINES: Final = 600
"""A browser's offer of everything it has comes to some 250."""
DIGESTS: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Bytes of the fingerprints that are understood."""
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/\-_=#]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/\-_=#]{22,256}")
_CANDIDATE: Final = re.compile(r"a=(candidate:|end-of-candidates)")
_GARBAGE: Final = (ValueError, LookupError, AttributeError, TypeError, AssertionError, StopIteration)
"""What the parser stumbles with over text that is none."""


class Offer:
    """An offer that can be answered; `sdp` is without its candidates: they go the way of all candidates."""

    def __init__(self, sdp: str, lines: Sequence[MediaDescription], candidates: Sequence[str]) -> None:
        self.sdp = sdp
        self.mids = [line.rtp.muxId for line in lines]
        self.sound_first = lines[0].kind == "audio"
        self.candidates = candidates
        self.complete = lines[0].ice_candidates_complete


def read_offer(sdp: str) -> Offer:
    """Raises BadOffer: too large, malformed, not exactly one sound line both ways with Opus, not bundled, unprotected."""
    if len(sdp) > LARGEST or len(sdp.encode(errors="replace")) > LARGEST or sdp.count("\n") > LINES:
        raise BadOffer
    lines = sdp.splitlines()
    try:
        parsed = SessionDescription.parse("".join(f"{line}\r\n" for line in lines if "a=candidate:" not in line))
    except _GARBAGE as garbage:
        raise BadOffer from garbage
    sound = [media for media in parsed.media if media.kind == "audio"]
    channels = [media for media in parsed.media if media.kind == "application"]
    if len(sound) != 1 or len(channels) > 1 or len(sound) + len(channels) != len(parsed.media):
        raise BadOffer
    if not (_speaks(sound[0]) and all(map(_carries, channels)) and all(map(_protected, parsed.media))):
        raise BadOffer
    if not _bundled(parsed):
        raise BadOffer
    candidates = [line.partition("a=candidate:")[2] for line in lines if line.startswith("a=candidate:")]
    without = "".join(f"{line}\r\n" for line in lines if not _CANDIDATE.match(line))
    return Offer(without, parsed.media, candidates)


def answer_of(sdp: str, advertised: str | None, private: Iterable[str]) -> str:
    """The answer as the client gets it: it asks for Opus with forward error correction, and names a reachable address.

    `advertised`: the public address in front of this machine (1:1 NAT keeps ports), in the place of its `private` ones.
    """
    opus = re.search(r"^a=rtpmap:(\d+) opus/48000", sdp, re.MULTILINE | re.IGNORECASE)
    if opus is not None:
        line = f"a=fmtp:{opus[1]} minptime=10;useinbandfec=1\r\n"
        at = sdp.index("\n", opus.start()) + 1
        sdp = sdp[:at] + line + sdp[at:]
    for address in private if advertised else ():
        sdp = re.sub(
            rf"^(a=candidate:(?:\S+ ){{4}}){re.escape(address)} ", rf"\g<1>{advertised} ", sdp, flags=re.MULTILINE
        )
        sdp = re.sub(rf"^c=IN IP4 {re.escape(address)}\b", f"c=IN IP4 {advertised}", sdp, flags=re.MULTILINE)
    return sdp


def _speaks(media: MediaDescription) -> bool:
    opus = any(codec.mimeType.lower() == "audio/opus" and codec.clockRate == 48000 for codec in media.rtp.codecs)
    return opus and media.port > 0 and media.rtcp_mux and media.direction in {None, "sendrecv"}


def _carries(media: MediaDescription) -> bool:
    """SCTP over DTLS (RFC 8841)."""
    return (
        media.profile == "UDP/DTLS/SCTP"
        and media.fmt == ["webrtc-datachannel"]
        and media.sctp_port is not None
        and 0 < media.sctp_port < 1 << 16
    )


def _protected(media: MediaDescription) -> bool:
    ice, dtls = media.ice, media.dtls
    if ice is None or dtls is None or not media.rtp.muxId:
        return False
    known = [one for one in dtls.fingerprints if one.algorithm.lower() in DIGESTS]
    hexadecimal = all(
        re.fullmatch(rf"([0-9A-Fa-f]{{2}}:){{{DIGESTS[one.algorithm.lower()] - 1}}}[0-9A-Fa-f]{{2}}", one.value)
        for one in known
    )
    named = _UFRAG.fullmatch(ice.usernameFragment or "") and _PASSWORD.fullmatch(ice.password or "")
    return bool(known) and hexadecimal and named is not None


def _bundled(parsed: SessionDescription) -> bool:
    mids = [media.rtp.muxId for media in parsed.media]
    bundles = [set(map(str, group.items)) for group in parsed.group if group.semantic == "BUNDLE"]
    return len(set(mids)) == len(mids) and (len(mids) == 1 or any(bundle >= set(mids) for bundle in bundles))
