"""The mailbox: bounded, control first, never silent about what it can't take."""

import asyncio

import pytest

from actors.runtime.envelope import Envelope, Overloaded, Unavailable
from actors.runtime.mailbox import Mailbox
from tests.virtual import run_virtually


def messages(mailbox: Mailbox) -> list[object]:
    taken: list[object] = []
    while (envelope := mailbox.take()) is not None:
        taken.append(envelope.message)
    return taken


def test_work_comes_out_in_the_order_it_went_in() -> None:
    mailbox = Mailbox(10)
    for number in range(5):
        mailbox.put(Envelope(number))
    assert messages(mailbox) == [0, 1, 2, 3, 4]
    assert mailbox.take() is None


def test_control_comes_before_work() -> None:
    mailbox = Mailbox(10)
    mailbox.put(Envelope("work"))
    mailbox.put_control(Envelope("first"))
    mailbox.put_control(Envelope("second"))
    assert messages(mailbox) == ["first", "second", "work"]


def test_a_full_mailbox_refuses_with_a_time_to_come_back_and_keeps_what_it_has() -> None:
    mailbox = Mailbox(2)
    mailbox.put(Envelope(1))
    mailbox.put(Envelope(2))
    with pytest.raises(Overloaded) as refused:
        mailbox.put(Envelope(3))
    assert refused.value.retry_after_ms == 250
    assert refused.value.effect == "none"
    assert messages(mailbox) == [1, 2]


def test_control_is_taken_by_a_full_mailbox_and_leaves_room_for_work() -> None:
    mailbox = Mailbox(1)
    for number in range(20):
        mailbox.put_control(Envelope(number))
    mailbox.put(Envelope("work"))
    mailbox.put_control(Envelope("last"))
    assert len(mailbox) == 22


def test_a_closed_mailbox_gives_back_what_waited_and_takes_nothing_more() -> None:
    mailbox, why = Mailbox(5), Unavailable(retry_after_ms=9)
    mailbox.put(Envelope("work"))
    mailbox.put_control(Envelope("control"))
    assert [envelope.message for envelope in mailbox.close(why)] == ["control", "work"]
    for put in (mailbox.put, mailbox.put_control):
        with pytest.raises(Unavailable) as refused:
            put(Envelope("late"))
        assert refused.value is why
    assert len(mailbox) == 0


@pytest.mark.parametrize("lane", ["put", "put_control"])
def test_who_waits_is_woken_once_by_the_first_of_many(lane: str) -> None:
    async def main() -> list[object]:
        mailbox = Mailbox(5)
        asyncio.get_running_loop().call_later(3, lambda: [getattr(mailbox, lane)(Envelope(n)) for n in "ab"])
        await mailbox.more()
        assert asyncio.get_running_loop().time() == pytest.approx(3)
        return messages(mailbox)

    assert run_virtually(main()) == ["a", "b"]


def test_a_reader_that_was_cancelled_harms_nobody() -> None:
    async def main() -> list[object]:
        mailbox = Mailbox(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await mailbox.more()
        mailbox.put(Envelope("still taken"))
        return messages(mailbox)

    assert run_virtually(main()) == ["still taken"]
