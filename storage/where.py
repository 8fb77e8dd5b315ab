"""Where the servers that remember are, as the settings tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from storage.s3.connect import S3Where


class Hidden(Protocol):
    """What no log shows."""

    def get_secret_value(self) -> str: ...


class Wanted(Protocol):
    """What is told by the settings, under the settings' names."""

    @property
    def mongo_url(self) -> Hidden | None: ...

    @property
    def mongo_database(self) -> str: ...

    @property
    def redis_url(self) -> Hidden | None: ...

    @property
    def membership_ttl_seconds(self) -> float: ...

    @property
    def membership_refresh_seconds(self) -> float: ...

    @property
    def s3_url(self) -> str | None: ...

    @property
    def s3_public_url(self) -> str | None: ...

    @property
    def s3_region(self) -> str: ...

    @property
    def s3_prefix(self) -> str: ...

    @property
    def s3_key_id(self) -> str | None: ...

    @property
    def s3_secret(self) -> Hidden | None: ...

    @property
    def allowed_origins(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the servers are (`s3` None: there are no files), the keys that wrap all others (32 bytes each, by version; 1 is
    the master key), and the seconds of this node's membership. `node` None: it names itself.
    """

    mongo_url: str = field(repr=False)
    mongo_database: str
    redis_url: str = field(repr=False)
    keys: Mapping[int, bytes] = field(repr=False)
    ttl: float
    every: float
    s3: S3Where | None
    node: str | None = None


def where(wanted: Wanted, keys: Mapping[int, bytes], node: str | None) -> Where | None:
    """None while one of the servers there must be has no address."""
    if wanted.mongo_url is None or wanted.redis_url is None:
        return None
    return Where(
        mongo_url=wanted.mongo_url.get_secret_value(),
        mongo_database=wanted.mongo_database,
        redis_url=wanted.redis_url.get_secret_value(),
        keys=keys,
        ttl=wanted.membership_ttl_seconds,
        every=wanted.membership_refresh_seconds,
        s3=_s3(wanted),
        node=node,
    )


def _s3(wanted: Wanted) -> S3Where | None:
    """Files are optional: without an address there are none."""
    if wanted.s3_url is None:
        return None
    return S3Where(
        url=wanted.s3_url,
        public_url=wanted.s3_public_url,
        region=wanted.s3_region,
        prefix=wanted.s3_prefix,
        origins=wanted.allowed_origins,
        key_id=wanted.s3_key_id,
        secret=wanted.s3_secret.get_secret_value() if wanted.s3_secret is not None else None,
    )
