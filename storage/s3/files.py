"""Files of people in S3: put, read, removed, and shared by links that are signed for one file and five minutes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

import structlog

from actors.runtime.envelope import Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.s3.buckets import Bucket, prepare
from storage.s3.connect import Clients, S3Where, connected

LINK_SECONDS: Final = 300
TRY_AGAIN_AFTER: Final = 1.0  # seconds; doubled up to the next line
TRY_AGAIN_AT_MOST: Final = 30.0
GONE: Final = frozenset({"NoSuchKey", "404", "NotFound"})
SHOWN_INLINE: Final = ("image/png", "image/jpeg", "image/webp", "image/gif", "audio/ogg", "audio/mpeg", "audio/wav")

log = structlog.get_logger(__name__)


class S3Files:
    """Keys are made by the caller and hold no names of people. Everything raises Unavailable while S3 is not there."""

    def __init__(self, where: S3Where) -> None:
        self._where = where
        self._clients = Clients()

    async def put(self, bucket: Bucket, key: str, body: bytes, media_type: str) -> None:
        """Whole or not at all; what was there before is replaced."""
        with _unavailable():
            await self._clients.own.put_object(
                Bucket=self._name(bucket), Key=key, Body=body, ContentType=media_type, CacheControl="private, no-store"
            )

    async def read(self, bucket: Bucket, key: str, *, most: int) -> bytes | None:
        """None: there is none. Of a file larger than `most` bytes one byte more is read, so that it shows."""
        with _unavailable():
            answer = await self._asked(self._clients.own.get_object, bucket, key)
            if answer is None:
                return None
            async with answer["Body"] as body:
                whole = bytearray()
                while len(whole) <= most and (chunk := await body.read(most + 1 - len(whole))):
                    whole += chunk  # one read gives what has come so far
                return bytes(whole)

    async def size(self, bucket: Bucket, key: str) -> int | None:
        """Bytes; None: there is none."""
        with _unavailable():
            answer = await self._asked(self._clients.own.head_object, bucket, key)
        return None if answer is None else int(answer["ContentLength"])

    async def remove(self, bucket: Bucket, key: str) -> None:
        """Harmless when there is none."""
        with _unavailable():
            await self._clients.own.delete_object(Bucket=self._name(bucket), Key=key)

    async def remove_all(self, bucket: Bucket, prefix: str) -> None:
        """Those whose keys begin so; harmless when there are none."""
        name = self._name(bucket)
        with _unavailable():
            pages = self._clients.own.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
            async for page in pages:
                for one in page.get("Contents", ()):
                    await self._clients.own.delete_object(Bucket=name, Key=one["Key"])

    async def link(self, bucket: Bucket, key: str, *, name: str, media_type: str) -> str:
        """A GET for five minutes. Only known media are shown in place; all else is a download of unknown type."""
        shown = media_type in SHOWN_INLINE
        wanted = {
            "ResponseContentType": media_type if shown else "application/octet-stream",
            "ResponseContentDisposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}",
            "ResponseCacheControl": "private, no-store",
        }
        return await self._signed("get_object", bucket, key, wanted)

    async def upload_link(self, bucket: Bucket, key: str, *, media_type: str, size: int) -> str:
        """A PUT for five minutes, of exactly so many bytes of that type: both are under the signature."""
        return await self._signed("put_object", bucket, key, {"ContentType": media_type, "ContentLength": size})

    async def check(self) -> None:
        """Raises Unavailable until the buckets are there, and whenever S3 does not answer."""
        with _unavailable():
            await self._clients.own.head_bucket(Bucket=self._name("documents"))

    async def come_up(self) -> None:
        """Connects and makes the buckets, trying for as long as it takes; then holds the clients until cancelled."""
        pause = TRY_AGAIN_AFTER
        async with connected(self._where) as clients:
            while not await self._prepared(clients):
                await asyncio.sleep(pause)
                pause = min(2 * pause, TRY_AGAIN_AT_MOST)
            self._clients = clients
            await asyncio.Event().wait()

    async def _prepared(self, clients: Clients) -> bool:
        try:
            with _unavailable():
                missing = await prepare(clients.own, self._where)
        except Unavailable as away:
            log.warning("s3.unavailable", error=type(away.__cause__).__name__)
            return False
        if missing:
            log.info("s3.without", steps=sorted(missing))
        return True

    async def _asked(self, operation: Any, bucket: Bucket, key: str) -> Any:
        refusal = import_module("botocore.exceptions").ClientError
        try:
            return await operation(Bucket=self._name(bucket), Key=key)
        except refusal as refused:
            if refused.response["Error"]["Code"] in GONE:
                return None
            raise

    async def _signed(self, operation: str, bucket: Bucket, key: str, wanted: dict[str, Any]) -> str:
        params = {"Bucket": self._name(bucket), "Key": key} | wanted
        return str(await self._clients.public.generate_presigned_url(operation, Params=params, ExpiresIn=LINK_SECONDS))

    def _name(self, bucket: Bucket) -> str:
        return self._where.prefix + bucket


@contextmanager
def _unavailable() -> Iterator[None]:
    """Whatever botocore and the connection below raise; loaded by then, or there would be no client."""
    errors = import_module("botocore.exceptions")
    try:
        yield
    except (errors.BotoCoreError, errors.ClientError, OSError, TimeoutError) as away:
        raise Unavailable(effect="unknown") from away


@asynccontextmanager
async def files(where: S3Where, report: Report) -> AsyncIterator[S3Files]:
    """At once, though S3 itself may come later."""
    opened = S3Files(where)
    async with owned(opened.come_up(), "s3", report):
        yield opened
