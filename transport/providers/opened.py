"""The coach's models as they are configured: opened, behind their breakers, in the order in which they are asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from actors.ports import ModelFailed
from transport.providers.arrival import Arrival
from transport.providers.breaker import Breaker, State
from transport.providers.guarded import Guarded
from transport.providers.openai_chat import Deadlines, OpenAIChat

USUAL: Final = "usual"
FALLBACK: Final = "fallback"
LEVELS: Final[Mapping[State, int]] = {"closed": 0, "half_open": 1, "open": 2}


class Secret(Protocol):
    def get_secret_value(self) -> str: ...


class Wanted(Protocol):
    """What the settings say of the models, under the settings' names."""

    openai_base_url: str | None
    openai_model: str
    fallback_base_url: str | None
    fallback_model: str | None
    model_first_token_seconds: float
    model_between_tokens_seconds: float
    model_whole_seconds: float
    model_rest_seconds: float
    models_status_url: str | None

    @property
    def openai_api_key(self) -> Secret | None: ...

    @property
    def fallback_api_key(self) -> Secret | None: ...


class Models:
    """All that are configured, none among them: then the offline coach answers. `by_part` says which is which."""

    def __init__(self, opened: Mapping[str, OpenAIChat], rest: float, arrival: Arrival | None = None) -> None:
        """`arrival`: how far the usual model is, when it is one that is fetched and loaded here."""
        self._opened = opened
        self.arrival = arrival
        self.by_part = {
            part: Guarded(chat, Breaker(rest=rest), self.missing if part == USUAL else _never)
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

    async def check(self) -> None:
        """Raises the ModelFailed that the newest answer of the usual model ended in, or why it can't be asked yet."""
        missing = self.missing()
        if missing is not None:
            raise ModelFailed(missing)
        await self._opened[USUAL].check()

    def states(self) -> Mapping[str, State]:
        """Where each breaker stands."""
        return {part: guarded.state for part, guarded in self.by_part.items()}

    def level(self, part: str) -> int:
        """The state of a part's breaker as a number: 0 closed, 1 half open, 2 open."""
        return LEVELS[self.by_part[part].state]


@asynccontextmanager
async def opened(wanted: Wanted) -> AsyncIterator[Models]:
    """Entering opens no connection."""
    async with AsyncExitStack() as stack:
        chats = {part: await stack.enter_async_context(chat) for part, chat in _configured(wanted).items()}
        arrival = None if wanted.models_status_url is None else Arrival(wanted.models_status_url)
        yield Models(chats, wanted.model_rest_seconds, arrival)


def _never() -> None:
    """Nothing keeps it from being asked."""


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
