"""Calls of a person at two nodes: the peer lives where the session does, and goes where it goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from scripts.calling.line import Line
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import Lost, signed_up
from tests.flows.fleet import device, fleet
from tests.flows.node import Node
from tests.flows.test_calls import Place, Refused, providers
from tests.scripted_speech import ScriptedSpeech

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]

STORY = "long: tell me a story"
GAP = 2.0
"""Seconds after which the call stands again at the latest."""

Two = tuple[Sequence[Node], ScriptedSpeech]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Two]:
    directory = tmp_path_factory.mktemp("calls-fleet")
    async with (
        providers() as (speech, settings),
        fleet(directory, mongo, valkey_session.url, 2, **settings) as nodes,
    ):
        yield nodes, speech


@pytest_asyncio.fixture(loop_scope="module")
async def here(two: Two) -> AsyncIterator[Place]:
    """Somebody at the first of two nodes."""
    nodes, speech = two
    async with AsyncExitStack() as opened:
        yield Place(nodes[0], speech, await opened.enter_async_context(signed_up(nodes[0].url)), opened)


async def _call_again(here: Place, elsewhere: Node) -> Line:
    """As an app does that was told to: it asks until it may."""
    while True:
        try:
            return (await here.call())[1]
        except Lost:
            here.app.url = elsewhere.url
            await here.app.connect()
        except Refused as refused:
            if refused.code != "unavailable":
                raise
            await asyncio.sleep(refused.after)


async def test_another_device_at_another_node_takes_the_call_over(here: Place, two: Two) -> None:
    (first, second), _ = two
    call_id, on_phone = await here.call()
    tablet = device(here.app, second)
    await tablet.connect()
    assert tablet.ready["node"] != here.app.ready["node"]
    busy = await tablet.command("call.offer", {"sdp": await on_phone.offer()})
    assert busy["error"]["code"] == "call.busy"
    taken, on_tablet = await here.call(tablet, take_over=True)
    assert taken == call_id
    spoken = await here.say(on_tablet, "and now I am on the sofa")
    assert (await here.answer("and now I am on the sofa"))["spoken"]
    assert await on_tablet.ear.voice_after(spoken.voice_ended)
    assert not [one for one in on_phone.ear.stretches if one.began > spoken.voice_ended], "one device at a time"
    assert "Traceback" not in first.output + second.output
    await tablet.disconnect()


async def test_a_node_that_ends_lets_the_coach_finish_the_sentence_and_the_call_goes_on_elsewhere(
    here: Place, two: Two
) -> None:
    (first, second), _ = two
    _, on_line = await here.call()
    await here.say(on_line, STORY)
    await here.until_state("speaking")
    await asyncio.sleep(1.0)
    told = time.monotonic()
    ends = asyncio.ensure_future(first.stop(30))
    await here.until_state("ended")
    ended = time.monotonic()
    assert here.told("call.state")[-1]["reason"] == "draining"
    silent = max(one.ended for one in on_line.ear.stretches)
    assert silent > told + 0.2, "it was no cut"
    again = await _call_again(here, second)
    assert time.monotonic() - ended < GAP
    story = await here.answer(STORY)
    assert (story["state"], story["text"].count("then another")) == ("complete", 100), "what was not said can be read"
    await here.say(again, "good to hear you again")
    assert (await here.answer("good to hear you again"))["spoken"]
    assert await ends
