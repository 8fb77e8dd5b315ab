"""One client of S3 or whatever speaks its protocol; it comes up by itself, and until then says that it is not there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from actors.runtime.envelope import Unavailable

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Where:
    """Without a key the machine's role is asked. `public_url` is how apps reach it, if otherwise."""

    url: str
    public_url: str | None
    region: str
    prefix: str
    origins: tuple[str, ...]
    key_id: str | None = field(repr=False)
    secret: str | None = field(repr=False)


class Clients:
    """`own` asks, `public` only signs links with the address that apps use."""

    def __init__(self) -> None:
        self._own: Any = None
        self._public: Any = None

    @property
    def own(self) -> Any:
        if self._own is None:
            raise Unavailable
        return self._own

    @property
    def public(self) -> Any:
        if self._public is None:
            raise Unavailable
        return self._public

    def come(self, own: Any, public: Any) -> None:
        self._own, self._public = own, public


@asynccontextmanager
async def connected(where: S3Where) -> AsyncIterator[Clients]:
    """Both clients; nothing is asked yet. The library is loaded in a thread: it takes the better part of a second."""
    session = await asyncio.to_thread(_session)
    async with AsyncExitStack() as stack:
        clients = Clients()
        own = await stack.enter_async_context(session.create_client(**_options(where, where.url)))
        public = own
        if where.public_url is not None and where.public_url != where.url:
            public = await stack.enter_async_context(session.create_client(**_options(where, where.public_url)))
        clients.come(own, public)
        yield clients


def _session() -> Any:
    """With its description of S3 read already: a megabyte of JSON that would hold up everybody else."""
    session = import_module("aiobotocore.session").get_session()
    loader = session.get_component("data_loader")
    for what in ("service-2", "endpoint-rule-set-1", "paginators-1"):
        loader.load_service_model("s3", what)
    loader.load_data("endpoints")
    return session


def _options(where: S3Where, url: str) -> Mapping[str, Any]:
    config = import_module("aiobotocore.config").AioConfig(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": 2},
        s3={"addressing_style": "auto" if where.url.endswith(".amazonaws.com") else "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return {
        "service_name": "s3",
        "endpoint_url": url,
        "region_name": where.region,
        "aws_access_key_id": where.key_id,
        "aws_secret_access_key": where.secret,
        "config": config,
    }
