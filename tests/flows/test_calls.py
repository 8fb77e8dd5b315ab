"""Calls through the public doors, with real peer connections: said, done, heard, cut, resumed, and never lost."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from scripts.calling.line import Line, line
from scripts.calling.mouth import Utterance
from scripts.calling.shaping import Weather
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests import sounds
from tests.collector import Collector, collector
from tests.flows.app import App, second_device, signed_up
from tests.flows.node import Node, node
from tests.scripted_model import asked, scripted_model
from tests.scripted_speech import ScriptedSpeech, scripted_speech

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60),
    pytest.mark.asyncio(loop_scope="module"),
]  # what is said takes its time

WEATHER = Weather()
RATE = 48_000
CLIENT = 3  # opentelemetry.proto.trace.v1: SPAN_KIND_CLIENT


Running = tuple[Node, ScriptedSpeech, Collector]


class Refused(Exception):
    """The offer of a call was."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.code: str = error["code"]
        self.message: str = error["message"]
        self.after: float = error.get("retry_after_ms", 0) / 1000


class Place:
    """A node with its providers, and somebody who calls it."""

    def __init__(self, server: Node, speech: ScriptedSpeech, app: App, opened: AsyncExitStack) -> None:
        self.server, self.speech, self.app = server, speech, app
        self._opened = opened

    async def call(self, app: App | None = None, **more: Any) -> tuple[str, Line]:
        """A call's id and its line, with sound both ways."""
        device = app or self.app
        on_line = await self._opened.enter_async_context(line(WEATHER, near=True, report=lambda *_: None))
        ack = await device.command("call.offer", {"sdp": await on_line.offer(), **more})
        if not ack["ok"]:
            raise Refused(ack["error"])
        await on_line.accept(ack["sdp"])
        async with asyncio.timeout(5):
            await on_line.connected.wait()
        return ack["call_id"], on_line

    async def say(self, on_line: Line, text: str) -> Utterance:
        self.speech.phrase(text)
        utterance = Utterance(sounds.phrase(text, RATE))
        on_line.mouth.speak(utterance)
        await utterance.ended.wait()
        return utterance

    async def added(self, role: str, number: int = 1) -> dict[str, Any]:
        """The so-manyth message of that role."""

        def so_manyth(event: dict[str, Any]) -> bool:
            added = [one for one in self.app.events if one["type"] == "message.added" and one["data"]["role"] == role]
            return len(added) >= number and event is added[number - 1]

        event = await self.app.until(so_manyth, within=40)
        message: dict[str, Any] = event["data"]
        return message

    async def answer(self, text: str) -> dict[str, Any]:
        """The coach's message to what was heard as that text."""
        said = await self.app.until(lambda event: event["data"].get("text") == text, within=40)
        asked = said["data"]["id"]
        event = await self.app.until(lambda event: event["data"].get("reply_to") == asked, within=40)
        message: dict[str, Any] = event["data"]
        return message

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [signal["data"] for signal in self.app.signals if signal["type"] == kind]

    async def until_state(self, state: str) -> None:
        async with asyncio.timeout(40):
            while not any(told["state"] == state for told in self.told("call.state")):  # noqa: ASYNC110 - kept in a list
                await asyncio.sleep(0.02)


def vanish(on_line: Line) -> None:
    """Nothing leaves it any more, and nobody is told."""

    async def nowhere(_: bytes) -> None: ...

    transport: Any = on_line._sender.transport.transport
    transport._send = nowhere


@asynccontextmanager
async def place(
    directory: Path, mongo: ReplicaSet, valkey: Valkey, **more: str
) -> AsyncIterator[tuple[Node, ScriptedSpeech]]:
    """A node with scripted providers behind it, and `more` settings."""
    async with providers() as (speech, settings), node(directory, mongo.url, valkey.url, **settings, **more) as server:
        yield server, speech


@asynccontextmanager
async def providers() -> AsyncIterator[tuple[ScriptedSpeech, dict[str, str]]]:
    """Scripted ones, and the settings of who is to use them: with a database of their own."""
    async with scripted_model(otherwise=asked()) as model, scripted_speech() as speech:
        yield (
            speech,
            {
                "LIFEBUDDY_MONGO_DATABASE": f"calls_{uuid.uuid4().hex[:12]}",
                "OPENAI_BASE_URL": model.url,
                "OPENAI_API_KEY": "scripted",
                "LIFEBUDDY_TRANSCRIBER_BASE_URL": speech.url,
                "LIFEBUDDY_TRANSCRIBER_API_KEY": "scripted",
                "LIFEBUDDY_SPEAKER_BASE_URL": speech.url,
                "LIFEBUDDY_SPEAKER_API_KEY": "scripted",
            },
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with collector() as collected:
        watched = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "LIFEBUDDY_TRACE_SHARE": "1"}
        async with place(tmp_path_factory.mktemp("calls"), mongo, valkey_session, **watched) as made:
            yield *made, collected


@pytest_asyncio.fixture(loop_scope="module")
async def here(running: Running) -> AsyncIterator[Place]:
    """With a user of its own."""
    server, speech, _ = running
    async with AsyncExitStack() as opened:
        yield Place(server, speech, await opened.enter_async_context(signed_up(server.url)), opened)


async def test_a_goal_is_made_by_voice_and_the_answer_is_heard(here: Place, running: Running) -> None:
    status, config = await here.app.rest("GET", "/v1/calls/config")
    assert (status, config["ice_servers"], config["max_seconds"]) == (200, [], 3600)
    async with second_device(here.app) as other:
        await other.connect()
        call_id, on_line = await here.call()
        spoken = await here.say(on_line, "one-goal: walk every day please")
        said, reply = await here.added("user"), await here.added("coach")
        heard_at = await on_line.ear.voice_after(spoken.voice_ended)
        assert (said["text"], said["spoken"]) == ("one-goal: walk every day please", True)
        assert (reply["spoken"], reply["state"], reply["reply_to"]) == (True, "complete", said["id"])
        goal = await other.until(lambda event: event["type"] == "goal.created", within=10)
        assert goal["data"]["goal"]["title"] == "Walk every day"
        status, _ = await here.app.rest("DELETE", f"/v1/calls/{call_id}")
        assert status == 204
        await here.until_state("ended")
        assert {signal["type"] for signal in other.signals} >= {"caption", "call.state", "call.turn"}
    finals = {(caption["side"], caption["text"]) for caption in here.told("caption") if caption["final"]}
    assert ("user", "one-goal: walk every day please") in finals
    stages = here.told("call.turn")[0]["stages"]
    await _is_watched(running[2], call_id, stages)
    stages.pop("confirmed", None)
    assert sum(stages.values()) / 1000 == pytest.approx(heard_at - spoken.voice_ended, abs=0.25)
    messages = (await here.app.rest("GET", "/v1/chat/messages"))[1]["items"]
    assert [one["spoken"] for one in messages] == [True, True]
    async with aiohttp.ClientSession() as http, http.get(f"{here.server.url}/metrics") as answer:
        told = await answer.text()
    assert re.search(r'call_media_total\{kind="sound_released"\} [1-9]', told)
    assert "call_seams_unfit_total{" not in told
    assert re.search(r'calls_ended_total\{reason="user"\} [1-9]', told)
    assert re.search(r'call_stage_seconds_count\{stage="first_packet"\} [1-9]', told)


async def _is_watched(collected: Collector, call_id: str, stages: dict[str, int]) -> None:
    """The turn is one trace: heard, decided and kept, thought about, spoken."""
    turn = await collected.until(lambda span: span.name == "call.turn" and span.told.get("call_id") == call_id)
    assert {name: turn.told[f"{name}_ms"] for name in stages} == stages
    parts = collected.of(turn.trace)
    assert not turn.parent
    assert {"Said", "UseTool", "FinishReply"} <= {one.name for one in parts}
    assert any(one.name.startswith("event_log") for one in parts)
    providers = {one.name.partition(" ")[2] for one in parts if one.kind == CLIENT}
    assert {"gpt-4.1-mini", "gpt-4o-mini-transcribe", "gpt-4o-mini-tts"} <= providers
    assert not [one for one in parts if "walk" in f"{one.name} {one.told}".lower()], "what was said is nobody else's"


async def test_a_second_sound_interrupts_and_the_history_holds_what_was_heard(here: Place) -> None:
    _, on_line = await here.call()
    await here.say(on_line, "long: tell me a story")
    await here.until_state("speaking")
    await asyncio.sleep(2.5)
    stop = await here.say(on_line, "that is quite enough for me")
    cut = await here.answer("long: tell me a story")
    assert (cut["state"], cut["spoken"]) == ("interrupted", True)
    assert 0 < len(cut["text"]) < 200
    assert ("One step, then another. " * 100).replace(" ", "").startswith(cut["text"].replace(" ", ""))
    silent_from, until = stop.voice_began + 0.6, stop.voice_ended
    assert not [one for one in on_line.ear.stretches if one.began < until and one.ended > silent_from]
    await here.added("coach", 2)


async def test_who_vanishes_comes_back_and_hears_the_rest(here: Place) -> None:
    call_id, lost = await here.call()
    await here.say(lost, "long: tell me a story")
    await here.until_state("speaking")
    await asyncio.sleep(1.0)
    vanish(lost)
    await here.until_state("away")
    ack = await here.app.command("chat.history", {})
    assert ack["ok"]
    again, back = await here.call()
    assert again == call_id
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        await back.ear.voice_after(0.0)
    assert asyncio.get_running_loop().time() - began < 2.0
    assert (await here.app.command("call.end", {"call_id": call_id}))["ok"]
    cut = await here.added("coach")
    assert cut["state"] == "interrupted"


async def test_a_node_killed_in_a_call_answers_in_writing(here: Place) -> None:
    call_id, on_line = await here.call()
    await here.say(on_line, "slow: are you still there")
    await here.until_state("speaking")
    here.server.kill()
    await here.server.start_ready()
    reply = await here.added("coach")
    assert (reply["state"], reply["spoken"]) == ("complete", False)
    assert "are you still there" in reply["text"]
    anew, on_line = await here.call()
    assert anew != call_id
    await here.say(on_line, "good to hear you again")
    assert (await here.added("coach", 2))["spoken"]


async def test_one_call_of_a_person_and_what_is_no_offer(here: Place) -> None:
    _, on_line = await here.call()
    async with second_device(here.app) as other:
        await other.connect()
        sdp = await on_line.offer()
        busy = await other.command("call.offer", {"sdp": sdp})
        assert busy["error"]["code"] == "call.busy"
        for sdp, code in (("", "call.sdp"), ("v=0\r\nhello", "call.sdp"), ("x" * 40_000, "too_large")):
            refused = await here.app.command("call.offer", {"sdp": sdp})
            assert refused["error"]["code"] == code, sdp[:20]
        nobody = "01980000-0000-7000-8000-000000000001"
        for name, body in (("call.end", {}), ("call.candidate", {"candidate": None})):
            refused = await other.command(name, {"call_id": nobody, **body})
            assert refused["error"]["code"] == "call.not_found"
        status, problem = await other.rest("DELETE", f"/v1/calls/{nobody}")
        assert (status, problem["code"]) == (404, "call.not_found")
        taken, _ = await here.call(other, take_over=True)
        assert taken
        assert (await other.command("chat.send", {"cid": nobody, "text": "still here"}))["ok"]


async def test_floods_of_offers_and_candidates_end_no_call_and_disturb_no_chat(here: Place) -> None:
    call_id, on_line = await here.call()
    address = {"candidate": "candidate:1 1 udp 2130706431 192.0.2.7 4444 typ host", "sdp_mid": "0"}
    told = {"call_id": call_id, **address}
    async with second_device(here.app) as other:
        await other.connect()
        flood = [here.app.command("call.candidate", told) for _ in range(300)]
        flood += [here.app.command("call.offer", {"sdp": "v=0\r\nhello"}) for _ in range(12)]
        *acks, written = await asyncio.gather(
            *flood, other.command("chat.send", {"cid": str(uuid.uuid4()), "text": "Hi"})
        )
        refused = {ack["error"]["code"] for ack in acks[300:]}
        assert "call.sdp" in refused
        assert refused <= {"call.sdp", "rate_limited", "overloaded"}
        assert written["ok"], written
        await here.added("coach")
    await here.say(on_line, "and can you still hear me")
    assert (await here.added("coach", 2))["spoken"]
    assert "ended" not in {told["state"] for told in here.told("call.state")}
