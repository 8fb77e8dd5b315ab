"""The coach's models as they are configured: opened, behind their breakers, in the order in which they are asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from actors.ports import ModelFailed
from transport.providers import speech
from transport.providers.arrival import Arrival
from transport.providers.breaker import Breaker
from transport.providers.guarded import Guarded, nothing_missing
from transport.providers.openai_chat import Deadlines, OpenAIChat
from transport.providers.speech import Secret, Speech

USUAL: Final = "usual"
FALLBACK: Final = "fallback"


class Wanted(speech.Wanted, Protocol):
    """What the settings say of the models, under the settings' names."""

    openai_model: str
    fallback_base_url: str | None
    fallback_model: str | None
    model_first_token_seconds: float
    model_between_tokens_seconds: float
    model_whole_seconds: float
    models_status_url: str | None

    @property
    def fallback_api_key(self) -> Secret | None: ...


class Models:
    """All that are configured, none among them: then the offline coach answers. `by_part` says which is which."""

    def __init__(
        self, opened: Mapping[str, OpenAIChat], speech: Speech, rest: float, arrival: Arrival | None = None
    ) -> None:
        """`arrival`: how far the usual model is, when it is one that is fetched and loaded here."""
        self._opened = opened
        self.speech = speech
        self.arrival = arrival
        self.by_part = {
            part: Guarded(chat, Breaker(rest=rest), self.missing if part == USUAL else nothing_missing)
            for part, chat in opened.items()
        }

    @property
    def chain(self) -> tuple[Guarded, ...]:
        """In the order in which they are asked."""
        return tuple(self.by_part.values())

    def missing(self) -> str | None:
        """The code of why the usual model can't be asked yet; None when it can."""
        return None if self.arrival is None else self.arrival.missing

    async def warm(self) -> None:
        """Import and open what the first answer needs."""
        for chat in self._opened.values():
            await chat.warm()
        await self.speech.warm()

    async def check(self) -> None:
        """Raises the ModelFailed that the newest answer of the usual model ended in, or why it can't be asked yet."""
        missing = self.missing()
        if missing is not None:
            raise ModelFailed(missing)
        await self._opened[USUAL].check()

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """For readiness, of those that are configured."""
        checks: dict[str, Callable[[], Awaitable[None]]] = {}
        if self.by_part:
            checks["models"] = self.check
        if self.speech.by_part:
            checks["speech"] = self.speech.check
        return checks

    @property
    def details(self) -> Mapping[str, Callable[[], Mapping[str, str]]]:
        """How what each check is about stands."""
        return {"models": self.states, "speech": self.speech.states}

    @property
    def levels(self) -> Mapping[str, Callable[[], int]]:
        """Where each breaker stands, as a number."""
        return {part: guarded.guard.level for part, guarded in self.by_part.items()} | {
            part: guard.level for part, guard in self.speech.by_part.items()
        }

    def states(self) -> Mapping[str, str]:
        """Where each breaker stands."""
        return {part: guarded.state for part, guarded in self.by_part.items()}


@asynccontextmanager
async def opened(wanted: Wanted) -> AsyncIterator[Models]:
    """Entering opens no connection."""
    async with AsyncExitStack() as stack:
        chats = {part: await stack.enter_async_context(chat) for part, chat in _configured(wanted).items()}
        arrival = None if wanted.models_status_url is None else Arrival(wanted.models_status_url)
        hearing_and_speaking = await stack.enter_async_context(speech.opened(wanted))
        yield Models(chats, hearing_and_speaking, wanted.model_rest_seconds, arrival)


def _configured(wanted: Wanted) -> dict[str, OpenAIChat]:
    """A model without a key and without a URL is not configured; a fallback alone is the usual one."""
    usual = _chat(wanted, wanted.openai_base_url, wanted.openai_api_key, wanted.openai_model)
    fallback = _chat(
        wanted, wanted.fallback_base_url, wanted.fallback_api_key, wanted.fallback_model or wanted.openai_model
    )
    there = [chat for chat in (usual, fallback) if chat is not None]
    return dict(zip((USUAL, FALLBACK), there, strict=False))


def _chat(wanted: Wanted, url: str | None, key: Secret | None, model: str) -> OpenAIChat | None:
    if url is None and key is None:
        return None
    deadlines = Deadlines(
        wanted.model_first_token_seconds, wanted.model_between_tokens_seconds, wanted.model_whole_seconds
    )
    return OpenAIChat(url, "" if key is None else key.get_secret_value(), model, deadlines=deadlines)
