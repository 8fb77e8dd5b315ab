"""Files in a real S3: what apps may do with a signed link, and what nobody may."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio

from actors.runtime.envelope import Unavailable
from scripts.embedded.seaweed import SeaweedFS, seaweed_server
from storage.s3.buckets import BUCKETS
from storage.s3.connect import S3Where, connected
from storage.s3.files import S3Files, files

pytestmark = [pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module")]
ORIGIN = "https://app.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SeaweedFS]:
    async with seaweed_server(tmp_path_factory.mktemp("seaweed")) as running:
        await running.start_again()
        yield running


def where(server: SeaweedFS, **other: Any) -> S3Where:
    told = server.variables
    known = {
        "url": server.url,
        "public_url": None,
        "region": "us-east-1",
        "prefix": "test-",
        "origins": (ORIGIN,),
        "key_id": told["LIFEBUDDY_S3_KEY_ID"],
        "secret": told["LIFEBUDDY_S3_SECRET"],
    }
    return S3Where(**known | other)


def report(event: str, fields: dict[str, Any]) -> None:
    raise AssertionError(event, fields)


async def until_there(kept: S3Files) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await kept.check()
            except Unavailable:
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(server: SeaweedFS) -> AsyncIterator[S3Files]:
    async with files(where(server), report) as opened:
        await until_there(opened)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_what_is_put_is_read_until_it_is_removed(kept: S3Files) -> None:
    await kept.put("documents", "a/1", b"first", "text/plain")
    await kept.put("documents", "a/1", b"second", "text/plain")
    assert await kept.read("documents", "a/1", most=100) == b"second"
    assert await kept.size("documents", "a/1") == 6
    assert len(await kept.read("documents", "a/1", most=3) or b"") == 4
    await kept.remove("documents", "a/1")
    await kept.remove("documents", "a/1")
    assert await kept.read("documents", "a/1", most=100) is None
    assert await kept.size("documents", "a/1") is None


async def test_a_link_gives_one_file_for_five_minutes(kept: S3Files, http: aiohttp.ClientSession) -> None:
    await kept.put("documents", "a/2", b"<script>", "text/html")
    link = await kept.link("documents", "a/2", name='x" žurnal.html', media_type="text/html")
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["300"]
    async with http.get(link) as answer:
        assert (answer.status, await answer.read()) == (200, b"<script>")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''x%22%20%C5%BEurnal.html"
        assert answer.headers["Cache-Control"] == "private, no-store"
    for other in (link.replace("a/2", "a/3"), link.replace("test-documents", "test-avatars"), link.partition("?")[0]):
        async with http.get(other) as answer:
            assert answer.status == 403
    async with http.put(link, data=b"mine") as answer:
        assert answer.status == 403


async def test_known_media_are_shown_in_place(kept: S3Files, http: aiohttp.ClientSession) -> None:
    await kept.put("avatars", "a/3", b"\x89PNG", "image/png")
    async with http.get(await kept.link("avatars", "a/3", name="me.png", media_type="image/png")) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"].startswith("inline")


async def test_an_upload_link_takes_what_was_agreed_and_nothing_else(
    kept: S3Files, http: aiohttp.ClientSession
) -> None:
    link = await kept.upload_link("post-media", "a/4", media_type="image/png", size=5)
    png = {"Content-Type": "image/png"}
    for body, headers in ((b"12345678", png), (b"12345", {"Content-Type": "text/html"})):
        async with http.put(link, data=body, headers=headers) as answer:
            assert answer.status == 403
    assert await kept.size("post-media", "a/4") is None
    async with http.put(link, data=b"12345", headers=png) as answer:
        assert answer.status == 200
    assert await kept.size("post-media", "a/4") == 5


async def test_a_link_that_ran_out_is_refused(
    kept: S3Files, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.s3.files.LINK_SECONDS", 1)
    await kept.put("documents", "a/5", b"x", "text/plain")
    link = await kept.link("documents", "a/5", name="x", media_type="text/plain")
    await asyncio.sleep(2.1)
    async with http.get(link) as answer:
        assert answer.status == 403


async def test_the_buckets_are_there_closed_encrypted_and_swept(kept: S3Files, server: SeaweedFS) -> None:
    async with connected(where(server)) as clients:
        for bucket in BUCKETS:
            name = f"test-{bucket}"
            rules = (await clients.own.get_bucket_encryption(Bucket=name))["ServerSideEncryptionConfiguration"]["Rules"]
            assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
            swept = (await clients.own.get_bucket_lifecycle_configuration(Bucket=name))["Rules"]
            assert swept[0]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1
            shared = (await clients.own.get_bucket_cors(Bucket=name))["CORSRules"]
            assert shared[0]["AllowedOrigins"] == [ORIGIN]
            async with aiohttp.ClientSession() as anybody, anybody.get(f"{server.url}/{name}") as answer:
                assert answer.status == 403


async def test_nobody_gets_in_beside_the_door(server: SeaweedFS, kept: S3Files, http: aiohttp.ClientSession) -> None:
    await kept.put("documents", "a/6", b"private", "text/plain")
    ports = {path.parent.name: int(path.read_text()) for path in server.log.parent.glob("ports/*/port")}  # type: ignore[union-attr]  # it has a log
    async with http.get(f"http://127.0.0.1:{ports['filer']}/buckets/test-documents/a/6") as answer:
        assert answer.status == 401


async def test_killed_and_started_again_it_has_what_it_had(server: SeaweedFS, kept: S3Files) -> None:
    await kept.put("recordings", "a/7", b"x" * 100_000, "audio/ogg")
    server.kill()
    with pytest.raises(Unavailable):
        await kept.check()
    began = time.monotonic()
    await server.start_again()
    await until_there(kept)
    print(f"SeaweedFS was back after {time.monotonic() - began:.1f} s")
    assert await kept.size("recordings", "a/7") == 100_000


async def test_wrong_keys_and_an_absent_server_are_unavailable_not_a_crash(server: SeaweedFS) -> None:
    for other in ({"secret": "guessed"}, {"url": "http://127.0.0.1:9"}):
        async with files(where(server, **other), report) as opened:
            await asyncio.sleep(0.5)
            with pytest.raises(Unavailable):
                await opened.put("documents", "a/8", b"x", "text/plain")
