"""What one machine's Valkey keeps over kills and restarts."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from scripts.embedded.valkey import valkey_server
from tests.conftest import StartValkey


async def test_what_was_written_a_second_ago_survives_kill_nine(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with Redis.from_url(server.url) as client:
        await client.set("kept", "yes")
        await asyncio.sleep(1.5)  # its promise is a flush every second
    server.kill()
    await server.start_again()
    async with Redis.from_url(server.url) as client:
        assert await client.get("kept") == b"yes"


async def test_started_again_it_has_its_port_password_and_keys(tmp_path: Path) -> None:
    async with valkey_server(tmp_path) as first, Redis.from_url(first.url) as client:
        await client.set("kept", "yes")
    async with valkey_server(tmp_path) as second, Redis.from_url(second.url) as client:
        assert second.url == first.url
        assert await client.get("kept") == b"yes"


async def test_nobody_gets_in_without_the_password(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as nobody:
        with pytest.raises(AuthenticationError):
            await nobody.get("kept")


async def test_a_frozen_server_answers_again_when_thawed(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    server.freeze()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_ping(server.url), timeout=0.5)
    server.thaw()
    assert await _ping(server.url)


async def _ping(url: str) -> bool:
    async with Redis.from_url(url) as client:
        return bool(await client.ping())
