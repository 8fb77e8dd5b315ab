"""Pings and pongs: what is believed, and what liars and floods get."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.webrtc.heartbeat import BACKLOG, OUTSTANDING, PATIENCE, Heartbeat


class Channel:
    """The near end of a data channel."""

    def __init__(self, label: str = "lifebuddy") -> None:
        self.label = label
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent: list[dict[str, Any]] = []

    def on(self, event: str, handler: Any) -> None:
        assert event == "message"

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))

    def close(self) -> None:
        self.readyState = "closed"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def beating() -> tuple[Heartbeat, Channel, list[tuple[int, float]], Counter[str], Clock]:
    said: list[tuple[int, float]] = []
    counts: Counter[str] = Counter()
    clock, channel = Clock(), Channel()

    def says(rtp: int, out: float) -> bool:
        said.append((rtp, out))
        return rtp < 1000

    heartbeat = Heartbeat(says, counts, clock)
    heartbeat.opened(channel)
    return heartbeat, channel, said, counts, clock


def pong(n: int, **more: Any) -> str:
    return json.dumps({"t": "pong", "n": n} | more)


def test_a_ping_goes_out_at_once_and_its_pong_is_a_sign_of_life() -> None:
    heartbeat, channel, said, counts, clock = beating()
    assert channel.sent == [{"t": "ping", "n": 1}]
    clock.now += 0.05
    heartbeat.message(pong(1, rtp=500, out_ms=23.5, concealed=480, lost=-1))
    assert said == [(500, 0.0235)]
    assert heartbeat.alive_at == clock.now
    assert heartbeat.round_trip == pytest.approx(0.05)
    assert heartbeat.last is not None
    assert (heartbeat.last.concealed, heartbeat.last.lost) == (480, -1)
    assert (counts["player_concealed_ms"], counts["player_lost"]) == (10, 0)
    for concealed, lost in ((1e18, 4), (0, 1e300)):
        heartbeat.ping()
        heartbeat.message(pong(len(channel.sent), concealed=concealed, lost=lost))
    assert (counts["player_concealed_ms"], counts["player_lost"]) == (1010, 48_005)


def test_a_player_may_say_nothing_of_itself() -> None:
    heartbeat, _, said, counts, _ = beating()
    heartbeat.message(pong(1, rtp=None, out_ms=None))
    assert heartbeat.alive_at
    assert (said, +counts) == ([], {})


def test_a_lie_is_counted() -> None:
    heartbeat, _, _, counts, _ = beating()
    heartbeat.message(pong(1, rtp=5000))
    assert +counts == {"pong_lies": 1}


@pytest.mark.parametrize(
    "message",
    [
        *("", "[]", "nonsense", '{"t":"ping","n":1}', '{"t":"pong"}', '{"t":"pong","n":"1"}', '{"t":"pong","n":2}'),
        *(pong(1, rtp=-1), pong(1, rtp=1 << 32), pong(1, rtp=1.5), pong(1, out_ms=-1), pong(1, out_ms=1e9)),
        *(pong(1, more="x" * 1024), pong(1, rtp=True), "\ud800", b"\xff\xfe", pong(1).replace("1", "1e999")),
        "[" * 1000,
    ],
)
def test_what_is_no_answer_to_a_ping_is_dropped(message: str | bytes) -> None:
    heartbeat, _, said, counts, _ = beating()
    heartbeat.message(message)
    assert (heartbeat.alive_at, said) == (0.0, [])
    assert counts == {"channel_dropped": 1}


def test_an_answer_counts_once_and_not_for_ever() -> None:
    heartbeat, _, said, counts, _ = beating()
    for _ in range(OUTSTANDING):
        heartbeat.ping()
    heartbeat.message(pong(1, rtp=1))
    heartbeat.message(pong(2, rtp=2))
    heartbeat.message(pong(2, rtp=3))
    assert said == [(2, 0.0)]
    assert +counts == {"channel_dropped": 2}


def test_a_flood_ends_with_nobody_listening() -> None:
    heartbeat, _, said, counts, _ = beating()
    for _ in range(PATIENCE):
        heartbeat.message("spam")
    heartbeat.message(pong(1, rtp=1))
    assert (said, heartbeat.alive_at) == ([], 0.0)
    assert counts == {"channel_dropped": PATIENCE, "channel_ignored": 1}


def test_other_channels_and_a_second_one_are_closed() -> None:
    heartbeat, channel, _, counts, _ = beating()
    others = [Channel("chat"), Channel()]
    for other in others:
        heartbeat.opened(other)
    assert [other.readyState for other in others] == ["closed", "closed"]
    assert channel.readyState == "open"
    assert counts == {"channel_refused": 2}


def test_pings_do_not_pile_up_for_who_takes_none() -> None:
    heartbeat, channel, _, _, _ = beating()
    channel.bufferedAmount = BACKLOG + 1
    heartbeat.ping()
    channel.bufferedAmount, channel.readyState = 0, "closed"
    heartbeat.ping()
    assert len(channel.sent) == 1


@given(st.one_of(st.text(), st.binary()))
def test_anything_may_come(message: str | bytes) -> None:
    heartbeat, _, _, counts, _ = beating()
    heartbeat.message(message)
    assert counts.total() <= 1
