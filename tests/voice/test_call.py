"""A call from its first offer to its end, in virtual time: what the user hears and sees, and what the session is told."""

import asyncio

from actors.voice.messages import HangUp
from tests.virtual import run_virtually
from tests.voice.stack import SILENT, ScriptedHost, ScriptedTranscriber, Stage


async def echo(host: ScriptedHost, reply_id: str, text: str) -> None:
    await host.reply(reply_id, f"You said {text}. I heard it well.")


def test_what_is_said_is_answered() -> None:
    async def conversation() -> None:
        stage = Stage(ScriptedHost(echo), ScriptedTranscriber(["hello coach"]))
        running = asyncio.ensure_future(stage.call.run())
        assert await stage.offer() == "answer"
        await stage.speak()
        await stage.peer.sound(SILENT, 6)
        stage.call.tell(HangUp("user"))
        ended = await running
        assert ended.reason == "user"
        assert stage.host.said == ["hello coach"]
        assert stage.speaker.asked == ["You said hello coach.", "I heard it well."]
        assert stage.host.finished == [("reply-1", None)]
        assert stage.host.states() == ["listening", "thinking", "speaking", "listening", "ended"]
        assert stage.peer.closed

    run_virtually(conversation())
