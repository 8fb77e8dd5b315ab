"""What the sessions of a node share beside the runtime's own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from actors.domain import rate_limit
from actors.domain.actions import WAITS
from actors.domain.exports import EVERY
from actors.ports import Jobs, LanguageModel, Outbox
from actors.session.budget import Budget
from actors.session.devices import LEASE
from actors.session.standings import Standings
from actors.voice.messages import Around as Calls


@dataclass(frozen=True, slots=True)
class Prompts:
    """What never changes in what models read, and the tokens there are for the rest."""

    coach: str
    summary: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Given once by the composition root. `log_id` changes only by a restore.

    `models` in the order in which they are asked: the usual one first. None, and the offline coach answers.
    """

    outbox: Outbox
    models: tuple[LanguageModel, ...]
    prompts: Prompts
    log_id: str
    chat_limit: rate_limit.Limit = rate_limit.CHAT_SEND
    reply_limit: rate_limit.Limit = rate_limit.REPLIES
    daily_tokens: int | None = None
    actions_wait: timedelta = WAITS
    quiet_seconds: float = 20.0
    """How long nobody may have waited for a reply before what can wait begins."""
    model_missing: Callable[[], str | None] = lambda: None
    """Why the usual model can't be asked yet, as a code; None when it can."""
    summaries: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """So many summaries are made at once in a node."""
    calls: Callable[[], Calls] | None = None
    """What a call that begins now has around it. None where nobody hears and speaks: an offer is refused."""
    offer_limit: rate_limit.Limit = rate_limit.OFFERS
    reads_ahead: bool = False
    """Whether the usual model keeps what it has read: when a call begins, it reads what is known before anything is said."""
    jobs: Jobs | None = None
    """None where there is nobody to do them: what needs one is refused."""
    jobs_again: float = 15.0
    """Seconds until a job that has not ended is offered again; twice as long each time, up to five minutes."""
    exports_every: timedelta = EVERY
    standings: Standings = field(default_factory=Standings)
    device_lease: float = LEASE
