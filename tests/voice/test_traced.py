"""Each turn of a call is a trace of its own, with what was asked for it, and how long its stages took."""

import asyncio
from collections.abc import Mapping

from actors.runtime.tracing import trace_id
from actors.voice.messages import HangUp
from tests.spans import Noted
from tests.virtual import run_virtually
from tests.voice.stack import ScriptedHost, ScriptedTranscriber, Stage


class Watching(ScriptedHost):
    """Remembers in which trace it was told what."""

    def __init__(self) -> None:
        super().__init__(lambda host, reply_id, text: host.reply(reply_id, f"You said {text}."))
        self.told_in: list[object] = []

    async def say(self, text: str, cid: str) -> str:
        self.told_in.append(trace_id.get())
        return await super().say(text, cid)

    def stages(self) -> list[Mapping[str, int]]:
        return [data["stages"] for _, kind, data in self.signals if kind == "call.turn"]


def test_every_turn_is_a_trace_of_its_own_and_ends_with_its_stages() -> None:
    begun: list[Noted] = []

    def begin(name: str) -> Noted:
        begun.append(Noted(name))
        return begun[-1]

    async def conversation() -> Watching:
        host = Watching()
        stage = Stage(host, ScriptedTranscriber(["one", "two"]), begin_trace=begin)
        running = asyncio.ensure_future(stage.call.run())
        await stage.offer()
        for _ in range(2):
            await stage.speak(silence=8.0)
        stage.call.tell(HangUp("user"))
        await running
        return host

    host = run_virtually(conversation())
    assert host.said == ["one", "two"]
    assert host.told_in == begun, "the session is told in the turn's own trace"
    assert [turn.name for turn in begun] == ["call.turn", "call.turn"]
    for number, (turn, stages) in enumerate(zip(begun, host.stages(), strict=True), 1):
        assert turn.ended
        assert turn.told == {"call_id": "call-1", "turn": number} | {
            f"{name}_ms": took for name, took in stages.items()
        }


def test_a_turn_that_is_cut_off_ends_with_the_call() -> None:
    begun: list[Noted] = []

    def begin(name: str) -> Noted:
        begun.append(Noted(name))
        return begun[-1]

    async def conversation() -> None:
        stage = Stage(Watching(), ScriptedTranscriber(["one"]), begin_trace=begin)
        running = asyncio.ensure_future(stage.call.run())
        await stage.offer()
        await stage.speak(silence=0.3)
        stage.call.tell(HangUp("user"))
        await running

    run_virtually(conversation())
    assert [(turn.ended, turn.told) for turn in begun] == [(True, {"call_id": "call-1", "turn": 1})]
