"""What the sessions of a node share beside the runtime's own."""

from dataclasses import dataclass
from datetime import timedelta

from actors.domain import rate_limit
from actors.domain.actions import WAITS
from actors.ports import LanguageModel, Outbox


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Given once by the composition root. `log_id` changes only by a restore.

    `models` in the order in which they are asked: the usual one first. None, and the offline coach answers.
    """

    outbox: Outbox
    models: tuple[LanguageModel, ...]
    system_prompt: str
    log_id: str
    chat_limit: rate_limit.Limit = rate_limit.CHAT_SEND
    actions_wait: timedelta = WAITS
