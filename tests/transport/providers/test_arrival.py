"""Local models on their way: devices see how far they are, and who waits is told once when chat can begin."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import structlog

from actors.ports import ModelFailed
from actors.runtime.owned import owned
from config.settings import read_settings
from tests.scripted_model import ScriptedModel
from tests.transport.providers.test_breaker import Flaky
from transport.providers import arrival
from transport.providers.arrival import Arrival
from transport.providers.breaker import Breaker
from transport.providers.guarded import Guarded
from transport.providers.openai_chat import OpenAIChat
from transport.providers.opened import USUAL, Models
from transport.providers.speech import opened


class Seen:
    """What devices were sent, and how often it was said that the model has come."""

    def __init__(self) -> None:
        self.signals: list[dict[str, Any]] = []
        self.came = 0
        self.changed = asyncio.Event()

    def tell(self, kind: str, signal: Mapping[str, Any]) -> None:
        assert kind == "progress"
        self.signals.append(dict(signal))
        self.changed.set()

    def model_came(self) -> None:
        self.came += 1

    async def until(self, **wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(5.0):
            while True:
                for one in self.signals:
                    if wanted.items() <= one.items():
                        return one
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def watched(server: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Arrival, Seen]]:
    monkeypatch.setattr(arrival, "WATCHED", 0.02)
    monkeypatch.setattr(arrival, "SETTLED", 0.05)
    coming, seen = Arrival(server.status_url), Seen()
    server.parts = {"chat": {"state": "waiting"}}
    async with owned(coming.watch(seen.tell, seen.model_came), "watch", lambda *_: None):
        yield coming, seen


async def test_every_step_is_told_and_the_end_once(server: ScriptedModel, watched: tuple[Arrival, Seen]) -> None:
    coming, seen = watched
    await seen.until(part="chat", state="waiting", kind="models")
    server.parts = {"chat": {"state": "fetching", "done": 10, "total": 491}, "speech": {"state": "waiting"}}
    await seen.until(part="chat", state="fetching", done=10, total=491)
    await seen.until(part="speech", state="waiting")
    assert (coming.missing, seen.came) == ("model.loading", 0)
    server.parts = {"chat": {"state": "ready", "done": 491, "total": 491}, "speech": {"state": "ready"}}
    await seen.until(part="chat", state="ready")
    await asyncio.sleep(0.2)
    assert (coming.missing, seen.came) == (None, 1)
    assert [one["state"] for one in seen.signals].count("ready") == 2


async def test_what_is_no_status_changes_nothing_and_what_never_comes_is_out_of_reach(
    server: ScriptedModel, watched: tuple[Arrival, Seen]
) -> None:
    coming, seen = watched
    nonsense: list[Any] = [{}, [], {"chat": {"state": "dancing"}}, {"chat": "ready"}]
    for parts in nonsense:
        server.parts = parts
        await asyncio.sleep(0.05)
        assert coming.missing == "model.loading"
    server.parts = {"chat": {"state": "failed", "problem": "The disk is full."}}
    await seen.until(part="chat", state="failed", problem="The disk is full.")
    assert coming.missing == "model.failed"
    async with opened(read_settings()) as speech:
        models = Models({USUAL: OpenAIChat(server.url, "k", "m")}, speech, 1.0, coming)
        with pytest.raises(ModelFailed, match=r"model\.failed"):
            await models.check()


async def test_a_server_that_comes_up_later_is_missed_once_and_not_at_once(
    server: ScriptedModel, watched: tuple[Arrival, Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, seen = watched
    monkeypatch.setattr(arrival, "EXPECTED", 10)
    with structlog.testing.capture_logs() as logs:
        late = Arrival("http://127.0.0.1:1/healthz")
        async with owned(late.watch(seen.tell, seen.model_came), "late", lambda *_: None):
            await asyncio.sleep(0.06)
            assert logs == []
            await asyncio.sleep(0.4)
        assert [one["event"] for one in logs] == ["models.silent"]
        await seen.until(part="chat", state="waiting")
        server.parts = {"chat": {"state": "dancing"}}
        await asyncio.sleep(0.2)
    assert [one["event"] for one in logs] == ["models.silent"] * 2, "what was heard is missed at once"


async def test_while_it_is_on_its_way_the_model_is_not_even_asked() -> None:
    coming, model = Arrival("http://127.0.0.1:1/healthz"), Flaky(None)
    guarded = Guarded(model, Breaker(), lambda: coming.missing)
    with pytest.raises(ModelFailed) as failed:
        await anext(guarded.answer([], []))
    assert (failed.value.code, model.asked, guarded.state) == ("model.loading", 0, "closed")
