"""Calls by whoever is not ours inside: `scripts/say` as a process, and Chromium with a sound file as its microphone."""

import asyncio
import base64
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio

from scripts.calling.sound import LOUD, level, read_sound
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests import sounds
from tests.chromium import PROGRAM, Tab, tab
from tests.flows.app import PASSWORD, App
from tests.flows.test_calls import place
from tests.scripted_speech import ScriptedSpeech, write_wav

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]
RATE = 48_000
MEANT = "I like the sea"
SAID = "Tell me of the sea and of ships"
ANSWER = f"You said: {SAID}"
BEFORE = 2.0  # seconds of silence before it, while the call is made
FLAGS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
STORY = "long: tell me a story"
SOUNDS = "call.peer.connectionState === 'connected' && level(call.sound.theirs) > 50"
RECORDED = """
document.querySelector('#recorded a').recording.arrayBuffer()
  .then((bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')))
"""


@dataclass
class Caller:
    """Somebody at a terminal, with files to speak."""

    url: str
    speech: ScriptedSpeech
    directory: Path

    def wav(self, text: str) -> str:
        self.speech.phrase(text)
        path = self.directory / f"{text.partition(' ')[0]}.wav"
        write_wav(path, sounds.phrase(text, RATE), RATE)
        return str(path)

    async def say(self, *arguments: str) -> tuple[int | None, str, str]:
        """Exit code, standard output, standard error; each time another person."""
        pipe, name = asyncio.subprocess.PIPE, uuid.uuid4().hex[:12]
        who = ("--email", f"{name}@example.org", "--password", PASSWORD, "--name", "Ann")
        where = ("--url", self.url, "--memory", str(self.directory / f"{name}.json"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.calling", *arguments, *who, *where), stdout=pipe, stderr=pipe
        )
        out, wrong = await process.communicate()
        return process.returncode, out.decode(), wrong.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Caller]:
    directory = tmp_path_factory.mktemp("say")
    async with place(directory, mongo, valkey_session, LIFEBUDDY_PROFILE="development") as (server, speech):
        yield Caller(server.url, speech, directory)


async def test_a_file_is_answered_over_a_bad_network_and_the_stages_add_up(caller: Caller) -> None:
    heard = caller.directory / "heard.wav"
    shape = ("--loss", "5", "--burst", "2", "--jitter", "20")
    code, said, wrong = await caller.say(caller.wav(MEANT), "--heard", str(heard), *shape)
    assert (code, wrong) == (0, "")
    assert f"you > {MEANT}" in said
    assert f"coach > You said: {MEANT}" in said
    assert "connected anew" not in said, "lost packets end no connection"
    told, measured = (int(found) for found in re.findall(r"(?:= |answered )(\d+) ms", said))
    assert 0 <= measured - told < 150, "beside the server's stages there is only the way there and back"
    assert int(re.findall(r"endpoint (\d+)", said)[0]) > 0
    assert re.search(r"[1-9]\d* of \d+ packets were lost", said)
    pcm = read_sound(heard)
    assert level(pcm) > LOUD
    assert sounds.mark_of(f"You said: {MEANT}") in sounds.marks(pcm, RATE), "what is heard is what was answered"


async def test_the_second_file_interrupts_the_answer_to_the_first_and_silence_is_a_failure(caller: Caller) -> None:
    write_wav(caller.directory / "silence.wav", sounds.silence(0.5, RATE), RATE)
    (code, said, wrong), unheard = await asyncio.gather(
        caller.say(caller.wav(SAID), caller.wav("stop"), "--interrupt-after", "1"),
        caller.say(str(caller.directory / "silence.wav"), "--patience", "2"),
    )
    assert (code, wrong) == (0, "")
    (silenced,) = re.findall(r"stop\.wav: the coach fell silent (\d+) ms after", said)
    assert int(silenced) < 400
    (kept,) = re.findall(r"\(interrupted; heard: '(.*)'\)", said)
    assert kept
    assert f"You said: {SAID}".startswith(kept.removesuffix("…").rstrip())
    assert kept != f"You said: {SAID}"
    assert unheard == (1, "silence.wav: no answer within 2 s\n", "")


async def test_the_next_file_waits_until_the_answer_is_over_however_long_its_goal_takes(caller: Caller) -> None:
    files = [caller.wav(text) for text in ("late-goal: swim", "begun-goal: sing", "thanks for all of it")]
    code, said, wrong = await caller.say(*files)
    assert (code, wrong) == (0, "")
    assert "interrupted" not in said
    coach = re.findall(r"coach > (.*(?:\n\n.*)?)", said)
    assert coach == ["That is kept for you.", "Gladly.\n\nNow it is kept.", "You said: thanks for all of it"]
    ((filler,), (answered, *_)) = (re.findall(f"{word} (\\d+) ms after", said) for word in ("said first,", "answered"))
    assert 4000 < int(filler) < 5500, "a coach that thinks says so"
    assert int(answered) > 6500, "which is no answer"


@pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")
async def test_a_browser_calls_is_answered_interrupts_and_only_what_it_heard_is_kept(
    caller: Caller, tmp_path: Path
) -> None:
    speech, person = caller.speech, App(caller.url)
    await person.register()
    microphone, stop = tmp_path / "microphone.wav", tmp_path / "stop.wav"
    spoken = sounds.silence(BEFORE, RATE) + speech.phrase(SAID, RATE) + sounds.silence(30.0, RATE)
    write_wav(microphone, spoken, RATE)
    write_wav(stop, speech.phrase("stop", RATE), RATE)
    async with tab(*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop") as page:
        await _call(page, f"{caller.url}/dev/call", person)
        await page.until("at('theirs').value > 50", 15)
        await asyncio.sleep(0.5)
        await _choose(page, "#file", stop)
        await page.until("at('captions').textContent.includes('you: stop') && at('state').value === 'listening'")
        await page.until("at('models').value")  # what was heard is kept when it was cut, a moment later
        shown = await page.run("[at('captions').innerText, at('turns').innerText, at('player').value]")
        await page.run("at('end').click()")
        await page.until("document.querySelector('#recorded a')")
        recording = tmp_path / "call.webm"
        recording.write_bytes(base64.b64decode(await page.run(RECORDED)))
        problems = await page.run("at('problem').textContent")
    assert (page.told, problems) == ([], "")
    captions, turns, player = shown
    assert f"you: {SAID}" in captions
    assert len(turns.split()) == len(["endpoint", "transcript", "token", "sentence", "audio", "packet", "sum"])
    assert "ms buffered" in player
    mine, theirs = (_voiced(side) for side in _sides(recording))
    (answered,), (asked, interrupted) = theirs, mine
    assert asked[1] < answered[0] < interrupted[0] < answered[1], "the answer was interrupted while it was heard"
    assert answered[1] - interrupted[0] < 0.4
    await _keeps_what_was_heard(person, answered[1] - answered[0])


@pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")
async def test_a_browser_that_is_cut_off_hears_the_story_go_on_within_two_seconds(
    caller: Caller, tmp_path: Path
) -> None:
    person = App(caller.url)
    await person.register()
    microphone = tmp_path / "microphone.wav"
    spoken = sounds.silence(BEFORE, RATE) + caller.speech.phrase(STORY, RATE) + sounds.silence(40.0, RATE)
    write_wav(microphone, spoken, RATE)
    async with tab(*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop") as page:
        await _call(page, f"{caller.url}/dev/call", person)
        await page.until(SOUNDS, 15)
        call_id = await page.run("call.id")
        await page.run("window.cut = call.peer; cut.close()")
        assert await _until_it_sounds(page) < 1.3, "the connection itself says so"
        began = time.monotonic()
        await page.run("window.cut = call.peer; call.channel.onmessage = null")
        await page.until("call.peer !== cut", 4)
        assert time.monotonic() - began > 1.0, "a ping may be late"
        assert await _until_it_sounds(page) < 2.0, "no ping came any more"
        await page.run("window.last = call.socket.socket; window.cut = null; last.close()")
        await page.until("call.socket.socket !== last && call.socket.socket.readyState === 1")
        assert await _until_it_sounds(page) < 0.5, "the socket alone is no reason"
        assert await page.run("call.id") == call_id, "it is the same call"
        problems = await page.run("at('problem').textContent")
    assert (page.told, problems) == ([], "")


async def _until_it_sounds(page: Tab) -> float:
    """Seconds until the coach is heard over another connection than the one that was cut."""
    began = time.monotonic()
    await page.until(f"call.peer !== cut && {SOUNDS}")
    return time.monotonic() - began


async def _call(page: Tab, url: str, person: App) -> None:
    await page.open(url)
    fields = {"email": person.email, "password": PASSWORD}
    await page.run("; ".join(f"form.elements.{name}.value = '{value}'" for name, value in fields.items()))
    await page.run("form.elements.raw.checked = true; form.requestSubmit()")


async def _choose(page: Tab, field: str, file: Path) -> None:
    """As a person picks a file."""
    root = (await page.ask("DOM.getDocument"))["root"]["nodeId"]
    found = await page.ask("DOM.querySelector", nodeId=root, selector=field)
    await page.ask("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(file)])


def _sides(recording: Path) -> Sequence[Any]:
    """What was said and what was heard, each 20 ms of it in dBFS."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    with av.open(str(recording)) as container:
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    packed = b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in frames)
    both = np.frombuffer(packed, np.int16).reshape(-1, 2).astype(float) / 32768
    step = RATE // 50
    power = (both[: len(both) // step * step].reshape(-1, step, 2) ** 2).mean(axis=1)
    levels: Sequence[Any] = (10 * np.log10(power + 1e-12)).T
    return levels


def _voiced(levels: Any) -> list[tuple[float, float]]:
    """Stretches of sound without 300 ms of silence in them, in seconds."""
    found: list[tuple[float, float]] = []
    for place_ in np.flatnonzero(levels > LOUD):
        at = float(place_) / 50
        if found and at - found[-1][1] < 0.3:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


async def _keeps_what_was_heard(person: App, seconds: float) -> None:
    """Of a voice that says all its characters in the same time, as many as there was time for, to a word more or less."""
    _, page = await person.rest("GET", "/v1/chat/messages")
    said, kept = sorted(page["items"], key=lambda message: str(message["role"]), reverse=True)[:2]
    assert (said["text"], said["spoken"]) == (SAID, True)
    assert (kept["state"], kept["spoken"]) == ("interrupted", True)
    assert ANSWER.startswith(kept["text"])
    played = len(ANSWER) * seconds / sounds.seconds_of(ANSWER)
    assert abs(len(kept["text"]) - played) < 12
