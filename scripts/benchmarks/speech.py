"""Rows `speech`: how well the local models hear, and how soon they answer in a call, beside what they take of it themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from config.settings import read_settings
from scripts.benchmarks.between import Clock, clocked
from scripts.benchmarks.callers import percentile
from scripts.benchmarks.measure import median
from scripts.benchmarks.programs import node
from scripts.benchmarks.recordings import Clip, clips, error_rate, noisy
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.voice import asked_at, providers
from scripts.calling.conversation import Conversation, Plan
from scripts.calling.line import line
from scripts.calling.mouth import Utterance
from scripts.calling.shaping import Weather
from scripts.calling.signals import Signals
from scripts.calling.sound import read_sound
from scripts.calling.timeline import UNTIL_SENT
from scripts.embedded.ai.catalogue import of_size
from scripts.embedded.ai.consent import missing, plan
from scripts.embedded.local_ai import LocalAI, local_ai
from scripts.terminal.account import Memory
from scripts.terminal.conversation import connected
from scripts.terminal.entry import account_at
from transport.providers.openai_speech import OpenAISpeaker, OpenAITranscriber

NOISE: Final = 10.0
"""Decibels that white noise is below the voice."""
LOSSES: Final = (0.0, 0.02, 0.05)
LOADED_WITHIN: Final = 180.0
PATIENCE: Final = 60.0
PAUSE: Final = 1.0
"""Seconds in which who was answered says nothing."""
ASKED: Final = (
    "How do I stay motivated when I am tired?",
    "What helps people to sleep better?",
    "Tell me why walking is good for me.",
    "I had a long day at work and I feel worn out.",
    "What should I do when I am nervous before a talk?",
    "I would like to eat less sugar, but it is hard.",
    "Do you think that reading before bed is a good idea?",
    "My sister called me today, that was nice.",
    "I am not sure what I want from next year.",
    "Why is it so hard to get up in the morning?",
)
WELL: Final = Budget(8, "absolute")
WORSE: Final = Budget(5, "absolute")
"""Points more than with nothing lost."""


@dataclass(frozen=True)
class Answered:
    """Milliseconds. `stages` as the server tells them; `overhead` is what no model took of them."""

    stages: Mapping[str, float]
    overhead: float

    @property
    def total(self) -> float:
        return sum(self.stages[name] for name in UNTIL_SENT)


async def speech(setting: Setting) -> Sequence[Row]:
    settings = read_settings(profile="test")
    directory = settings.models_directory.resolve()
    size = plan(directory, settings.models).size
    if size is None or missing(of_size(size), directory):
        print(
            "speech: skipped, the local models are not here (scripts/run fetches them; LIFEBUDDY_MODELS_DIR says where)"
        )
        return []
    told = {"AI_SIZE": size, "AI_MODELS": str(directory)}
    async with local_ai(setting.keep / "ai", told) as models:
        await models.start_again()
        await _loaded(models)
        rows = await _hearing(setting, models)
        return [*rows, *await _answering(setting, models)]


async def _loaded(models: LocalAI) -> None:
    async with asyncio.timeout(LOADED_WITHIN):
        while any(part["state"] != "ready" for part in (await models.parts()).values()):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.5)


# ── how well it hears ────────────────────────────────────────────────────────────────────────────────────────────


async def _hearing(setting: Setting, models: LocalAI) -> Sequence[Row]:
    recordings = clips()
    if not recordings:
        print("speech: no recordings of people here (Debian's pocketsphinx-testdata), so no words are counted")
        return []
    sounds = {clip.name: sound_of(clip) for clip in recordings}
    of = f"{len(recordings)} recordings"
    rows = []
    for what, budget, made in (
        ("clean", WELL, sounds),
        (f"noise at {NOISE:g} dB", Budget(20, "absolute"), {name: noisy(pcm, NOISE) for name, pcm in sounds.items()}),
    ):
        heard, took = await _asked_directly(models, recordings, made)
        note = f"{of}, {1e3 * median(took):.0f} ms each, {1e3 * max(took):.0f} at most"
        rows.append(Row("speech", f"words wrong, {what}", "%", budget, [error_rate(heard)], note=note))
    lost = []
    for loss in LOSSES:
        print(f"speech: {len(recordings)} recordings through a call that loses {loss:.0%}", flush=True)
        lost.append(error_rate(await _through_a_call(setting, models, recordings, sounds, loss)))
    rows.append(Row("speech", "words wrong through a call", "%", WELL, lost[:1], note=of))
    for loss, rate in zip(LOSSES[1:], lost[1:], strict=True):
        what = f"words more that are wrong when {loss:.0%} of the packets are lost"
        rows.append(Row("speech", what, "points", WORSE, [rate - lost[0]], note=f"{rate:.1f} % of the words"))
    return rows


async def _asked_directly(
    models: LocalAI, recordings: Sequence[Clip], sounds: Mapping[str, bytes]
) -> tuple[list[tuple[str, str]], list[float]]:
    heard, took = [], []
    asked = models.variables
    url, key, model = (asked[f"LIFEBUDDY_TRANSCRIBER_{what}"] for what in ("BASE_URL", "API_KEY", "MODEL"))
    async with OpenAITranscriber(url, key, model, seconds=PATIENCE) as transcriber:
        for clip in recordings:
            at_16 = np.frombuffer(sounds[clip.name], "<i2")[::3].tobytes()
            began = time.monotonic()
            heard.append((clip.said, (await transcriber.transcribe(at_16, language="en", interim=False)).text))
            took.append(time.monotonic() - began)
    return heard, took


async def _through_a_call(
    setting: Setting, models: LocalAI, recordings: Sequence[Clip], sounds: Mapping[str, bytes], loss: float
) -> list[tuple[str, str]]:
    """Only who hears is a local model: the answers of the others are short and soon there."""
    hears = {name: value for name, value in models.variables.items() if "_TRANSCRIBER_" in name}
    name = f"heard-{100 * loss:g}"
    async with providers(setting.directory / f"{name}-providers.log") as scripted:
        variables = {**await setting.node_variables(name), **asked_at(scripted), **hears}
        async with _called(setting, name, variables, Weather(loss)) as (conversation, signals):
            heard = []
            for clip in recordings:
                said = Utterance(sounds[clip.name])
                await conversation.speak([(clip.name, said)])
                found = [told.words for told in signals.since(said.voice_began) if told.words]
                heard.append((clip.said, " ".join(found)))
            return heard


def sound_of(clip: Clip) -> bytes:
    """At 48 kHz, with silence around it as before and after everybody who speaks."""
    if clip.is_raw:
        samples = np.repeat(np.frombuffer(clip.path.read_bytes(), "<i2"), 3).astype("<i2").tobytes()
    else:
        samples = read_sound(clip.path)
    silence = bytes(2 * 48_000 // 5)
    return silence + samples + silence


# ── how soon it answers ──────────────────────────────────────────────────────────────────────────────────────────


async def _answering(setting: Setting, models: LocalAI) -> Sequence[Row]:
    turns = 20 if setting.rounds >= 5 else 6
    print(f"speech: {turns} turns", flush=True)
    spoken = await _spoken(models)
    async with clocked(models.url) as (url, clock):
        variables = {name: value.replace(models.url, url) for name, value in models.variables.items()}
        variables |= await setting.node_variables("answering") | {"LIFEBUDDY_LIMITS_SCALE": "1000000"}
        async with _called(setting, "answering", variables, Weather()) as (conversation, _):
            answered = [await _answer(conversation, clock, spoken[turn % len(spoken)]) for turn in range(turns + 1)]
    whole = [one for one in answered[1:] if one is not None]  # the first waits for what is read before it
    if len(whole) < turns:
        raise ConnectionError(f"{turns - len(whole)} of {turns} turns were not answered in speech")
    took = [one.total for one in whole]
    stages = " + ".join(
        f"{name.replace('_', ' ')} {median([one.stages[name] for one in whole]):.0f}" for name in UNTIL_SENT
    )
    note = f"p95 {percentile(took, 0.95):.0f} ms; medians: {stages}"
    bare = [one.total - one.overhead for one in whole]
    what = "from the last word to the first packet of the answer"
    return [
        Row("speech", what, "ms", Budget(2500, "absolute"), took, bare, "what the models took, and the endpoint", note),
        Row("speech", "of that, what no model takes", "ms", Budget(150, "absolute"), [one.overhead for one in whole]),
    ]


async def _spoken(models: LocalAI) -> Sequence[bytes]:
    """The questions in the coach's own voice, at 48 kHz."""
    asked = models.variables
    url, key, model = (asked[f"LIFEBUDDY_SPEAKER_{what}"] for what in ("BASE_URL", "API_KEY", "MODEL"))
    made = []
    async with OpenAISpeaker(url, key, model, voice="coral") as speaker:
        for text in ASKED:
            pieces = [piece.pcm async for piece in speaker.speak(text, language="en")]
            made.append(np.repeat(np.frombuffer(b"".join(pieces), "<i2"), 2).astype("<i2").tobytes())
    return made


async def _answer(conversation: Conversation, clock: Clock, sound: bytes) -> Answered | None:
    """None when it was not answered, or not aloud."""
    await asyncio.sleep(PAUSE)
    (turn,) = await conversation.speak([("asked", Utterance(sound))])
    spans = clock.last()
    if spans is None or not all(name in turn.stages for name in UNTIL_SENT):
        return None
    words, text, sounded = spans
    until_sentence = sum(turn.stages[name] for name in ("transcript", "first_token", "first_sentence"))
    beside_text = max(0.0, until_sentence - 1e3 * text.took)  # nothing is left of it but the wait for the words
    asking = min(1e3 * (text.asked - (words.done or text.asked)), beside_text)
    sounding = turn.stages["first_audio"] + turn.stages["first_packet"] - 1e3 * sounded.took
    return Answered(turn.stages, asking + sounding)


@asynccontextmanager
async def _called(
    setting: Setting, name: str, variables: Mapping[str, str], weather: Weather
) -> AsyncIterator[tuple[Conversation, Signals]]:
    """A call by somebody new at a node with these settings."""
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        models = {"LIFEBUDDY_MODELS_DIR": str(read_settings(profile="test").models_directory.resolve())}
        _, url = await enter(node(setting.directory / f"{name}.log", {**variables, **models}))
        account = await enter(account_at(url, Memory(setting.directory / f"{name}.json", url)))
        await account.register("caller@bench.example", "long enough to be kept", "Pat")
        on_line = await enter(line(weather, near=True, report=_report))
        signals = Signals(lambda _: None)
        talk = await enter(connected(account, lambda _: None, signals.keep))
        talk.on_signal = signals.take
        conversation = Conversation(talk, on_line, signals, Plan(PATIENCE))
        await conversation.call()
        yield conversation, signals
        await conversation.hang_up()


def _report(event: str, fields: dict[str, Any]) -> None:
    print(event, fields)
