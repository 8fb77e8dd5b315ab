"""What a call asks of models and of its session, each until it has an answer the turns know."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from actors.media import Speaker, SpeechFailed, Transcriber, TurnJudge
from actors.runtime.envelope import Refused
from actors.voice import moves
from actors.voice.endpointing import Segment
from actors.voice.messages import Host

AGAIN: Final = 3
"""How often the session is told that a reply has been played, should it refuse."""
PAUSE: Final = 0.3
"""Seconds in between."""
BROKEN: Final = "speech.error"

log = structlog.get_logger()


class Judged(msgspec.Struct, frozen=True):
    """How likely the turn is over that pauses after this segment; None: the judge can't say."""

    segment: Segment
    finished: float | None


async def judge(judge: TurnJudge, pcm: bytes, segment: Segment) -> Judged:
    try:
        return Judged(segment, await judge.finished(pcm))
    except Exception:
        log.exception("call.judge_failed")
        return Judged(segment, None)


async def transcribe(
    transcriber: Transcriber, pcm: bytes, asked: moves.Transcribe, language: str
) -> moves.Transcribed | moves.NotTranscribed:
    try:
        transcript = await transcriber.transcribe(pcm, language=language, interim=asked.interim)
    except SpeechFailed as failed:
        return moves.NotTranscribed(asked.turn, asked.segment, failed.code, asked.interim)
    except Exception:
        log.exception("call.transcriber_failed")
        return moves.NotTranscribed(asked.turn, asked.segment, BROKEN, asked.interim)
    return moves.Transcribed(asked.turn, asked.segment, transcript.text, asked.interim)


async def speak(
    speaker: Speaker, asked: moves.Speak, language: str, tell: Callable[[moves.Sounded], None]
) -> moves.Made | moves.NotMade:
    try:
        async with aclosing(speaker.speak(asked.text, language=language)) as sounds:
            async for sound in sounds:
                tell(moves.Sounded(asked.generation, asked.line, sound.pcm, sound.words))
    except SpeechFailed as failed:
        return moves.NotMade(asked.generation, asked.line, failed.code)
    except Exception:
        log.exception("call.speaker_failed")
        return moves.NotMade(asked.generation, asked.line, BROKEN)
    return moves.Made(asked.generation, asked.line)


async def say(host: Host, asked: moves.Say, cid: str) -> moves.Taken | moves.NotTaken:
    """Asked again once with the same cid, if it may help: it has one effect."""
    for _ in range(2):
        try:
            return moves.Taken(asked.turn, await host.say(asked.text, cid))
        except Refused as refused:
            code = refused.code
            if not refused.retry and refused.effect == "none":
                break
        except Exception:
            log.exception("call.say_failed")
            code = "failed"
        await asyncio.sleep(PAUSE)
    return moves.NotTaken(asked.turn, code)


async def finish(host: Host, asked: moves.Finish) -> None:
    for _ in range(AGAIN):
        try:
            await host.finish(asked.reply_id, asked.heard)
        except Refused as refused:
            log.warning("call.finish_refused", code=refused.code)
            if not refused.retry and refused.effect == "none":
                return
            await asyncio.sleep(PAUSE)
        else:
            return
