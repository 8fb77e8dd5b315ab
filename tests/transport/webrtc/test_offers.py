"""Which offers are answered, and what an answer says."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.refusals import BadOffer
from transport.webrtc.offers import LARGEST, answer_of, read_offer

FINGERPRINT = ":".join(["A1"] * 32)
SESSION = "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS s\r\n"
TRANSPORT = (
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:aB+/\r\na=ice-pwd:0123456789abcdefghijklmn\r\na=ice-options:trickle\r\n"
    f"a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\n"
)
AUDIO = (
    f"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 13 126\r\n{TRANSPORT}a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=candidate:1 1 udp 2122260223 192.168.1.5 50000 typ host generation 0 network-id 1\r\n"
    "a=ssrc:314 cname:c\r\na=ssrc:314 msid:s t\r\n"
)
DATA = (
    f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{TRANSPORT}a=mid:1\r\na=sctp-port:5000\r\n"
    "a=max-message-size:262144\r\n"
)
VIDEO = AUDIO.replace("m=audio", "m=video").replace("opus/48000/2", "VP8/90000").replace("a=mid:0", "a=mid:2")
BROWSER = SESSION + AUDIO + DATA


def test_a_browsers_offer_is_read_and_its_candidates_are_put_aside() -> None:
    offer = read_offer(BROWSER)
    assert offer.mids == ["0", "1"]
    assert offer.sound_first
    assert "candidate" not in offer.sdp
    (candidate,) = offer.candidates
    assert candidate.startswith("1 1 udp 2122260223 192.168.1.5")
    assert not offer.complete
    assert read_offer(BROWSER.replace("a=mid:1", "a=mid:1\r\na=end-of-candidates")).complete is False
    assert read_offer(BROWSER.replace("a=mid:0", "a=mid:0\r\na=end-of-candidates")).complete


@pytest.mark.parametrize(
    "accepted",
    [
        BROWSER.replace("BUNDLE 0 1", "BUNDLE 0").replace(DATA, ""),
        SESSION + DATA + AUDIO,
        BROWSER.replace("\r\n", "\n"),
        BROWSER.replace("a=setup:actpass", "a=setup:active"),
        BROWSER.replace("sha-256", "SHA-256").replace("A1", "a1"),
    ],
    ids=["without channel", "channel first", "unix lines", "active", "cases"],
)
def test_what_can_be_answered_is(accepted: str) -> None:
    assert read_offer(accepted).mids


@pytest.mark.parametrize(
    "refused",
    {
        "nothing": "",
        "garbage": "hello",
        "json": '{"type":"offer"}',
        "no media": SESSION,
        "only data": SESSION + DATA,
        "only video": SESSION + VIDEO,
        "video too": BROWSER + VIDEO,
        "two sounds": BROWSER + AUDIO.replace("a=mid:0", "a=mid:2"),
        "two channels": BROWSER + DATA.replace("a=mid:1", "a=mid:2"),
        "too large": BROWSER + "a=x:" + "x" * LARGEST,
        "large in bytes": BROWSER + "a=x:" + "\N{SNOWMAN}" * (LARGEST // 3),
        "too many lines": BROWSER + "a=rtcp-fb:* nack\r\n" * 700,
        "no opus": BROWSER.replace("opus/48000", "speex/16000"),
        "sends only": BROWSER.replace("sendrecv", "sendonly"),
        "listens only": BROWSER.replace("sendrecv", "recvonly"),
        "inactive": BROWSER.replace("sendrecv", "inactive"),
        "rejected": BROWSER.replace("audio 9", "audio 0"),
        "rtcp apart": BROWSER.replace("a=rtcp-mux\r\n", ""),
        "not bundled": BROWSER.replace("a=group:BUNDLE 0 1\r\n", ""),
        "half bundled": BROWSER.replace("BUNDLE 0 1", "BUNDLE 0"),
        "one mid": BROWSER.replace("a=mid:1", "a=mid:0"),
        "no mid": BROWSER.replace("a=mid:0\r\n", ""),
        "no fingerprint": re.sub("a=fingerprint.*\r\n", "", BROWSER),
        "weak fingerprint": BROWSER.replace("sha-256", "sha-1"),
        "half a fingerprint": BROWSER.replace(FINGERPRINT, "A1:A1"),
        "fingerprint of words": BROWSER.replace(FINGERPRINT, ":".join(["XY"] * 32)),
        "no setup": BROWSER.replace("a=setup:actpass\r\n", ""),
        "odd setup": BROWSER.replace("actpass", "sideways"),
        "no ufrag": re.sub("a=ice-ufrag.*\r\n", "", BROWSER),
        "short password": BROWSER.replace("0123456789abcdefghijklmn", "0123"),
        "ufrag with a line's end": BROWSER.replace("aB+/", "a b"),
        "no sctp port": BROWSER.replace("a=sctp-port:5000\r\n", ""),
        "old sctp": BROWSER.replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000"),
        "odd numbers": BROWSER.replace("opus/48000/2", "opus/many"),
        "attribute without value": BROWSER.replace("a=rtpmap:111 opus/48000/2", "a=rtpmap"),
        "unknown format": BROWSER.replace("a=fmtp:63", "a=fmtp:64"),
        "forbidden payload": BROWSER.replace("SAVPF 111", "SAVPF 72"),
    }.values(),
)
def test_what_can_not_be_answered_is_refused(refused: str) -> None:
    with pytest.raises(BadOffer) as why:
        read_offer(refused)
    assert why.value.code == "call.sdp"


@given(st.lists(st.tuples(st.integers(0, len(BROWSER)), st.integers(0, 40), st.text(max_size=8)), max_size=4))
def test_whatever_is_sent_is_read_or_refused(mutations: list[tuple[int, int, str]]) -> None:
    text = BROWSER
    for at, length, other in mutations:
        text = text[:at] + other + text[at + length :]
    with contextlib.suppress(BadOffer):
        assert len(read_offer(text).mids) <= 2


ANSWER = (
    "v=0\r\nm=audio 5000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 10.0.0.5\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n"
    "a=candidate:f 1 udp 21 10.0.0.5 5000 typ host\r\na=candidate:g 1 udp 21 10.0.0.50 5001 typ host\r\n"
    "a=candidate:h 1 udp 21 fd00::2 5002 typ host\r\n"
)


def test_an_answer_asks_for_what_recovers_lost_frames() -> None:
    assert answer_of(ANSWER, None, []).splitlines()[4] == "a=fmtp:111 minptime=10;useinbandfec=1"


def test_an_answer_names_the_public_address_in_the_place_of_its_own() -> None:
    answer = answer_of(ANSWER, "203.0.113.7", ["10.0.0.5", "10.0.0.50"])
    assert "10.0.0." not in answer
    assert "c=IN IP4 203.0.113.7\r\n" in answer
    assert "a=candidate:f 1 udp 21 203.0.113.7 5000 typ host\r\n" in answer
    assert "a=candidate:g 1 udp 21 203.0.113.7 5001 typ host\r\n" in answer
    assert "fd00::2 5002" in answer
