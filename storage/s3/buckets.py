"""The buckets: made at start, closed to the public, encrypted, with what was never finished swept away."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Final, Literal

from storage.s3.connect import S3Where

Bucket = Literal["avatars", "post-media", "recordings", "documents"]
BUCKETS: Final[tuple[Bucket, ...]] = ("avatars", "post-media", "recordings", "documents")
UNFINISHED_DAYS: Final = 1

# What a server that speaks the protocol may answer to a question it has no word for.
UNSUPPORTED: Final = frozenset({"NotImplemented", "MethodNotAllowed", "UnsupportedOperation", "XNotImplemented"})
OURS_ALREADY: Final = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})

Step = Callable[[Any, str, S3Where], Awaitable[object]]


async def prepare(client: Any, where: S3Where) -> frozenset[str]:
    """All four as they should be; harmless when they are. Answers which steps this server has no word for."""
    missing = set()
    for bucket in BUCKETS:
        for step in STEPS:
            if not await _done(step, client, where.prefix + bucket, where):
                missing.add(step.__name__.strip("_"))
    return frozenset(missing)


async def _done(step: Step, client: Any, bucket: str, where: S3Where) -> bool:
    refusal = import_module("botocore.exceptions").ClientError
    try:
        await step(client, bucket, where)
    except refusal as refused:
        if refused.response["Error"]["Code"] not in UNSUPPORTED:
            raise
        return False
    return True


async def _exists(client: Any, bucket: str, where: S3Where) -> None:
    refusal = import_module("botocore.exceptions").ClientError
    place = {} if where.region == "us-east-1" else {"LocationConstraint": where.region}
    try:
        await client.head_bucket(Bucket=bucket)
    except refusal:
        try:
            await client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        except refusal as refused:  # another node was faster
            if refused.response["Error"]["Code"] not in OURS_ALREADY:
                raise


async def _closed(client: Any, bucket: str, _where: S3Where) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    await client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(names, True))


async def _encrypted(client: Any, bucket: str, _where: S3Where) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    await client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


async def _swept(client: Any, bucket: str, _where: S3Where) -> None:
    rule = {
        "ID": "unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    }
    await client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


async def _shared_with_our_pages(client: Any, bucket: str, where: S3Where) -> None:
    """Browsers upload and show files by signed links from the web app's own origins alone."""
    if not where.origins:
        return
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": list(where.origins), "AllowedHeaders": ["content-type"]}
    await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


STEPS: Final[tuple[Step, ...]] = (_exists, _closed, _encrypted, _swept, _shared_with_our_pages)
