"""A TURN server takes the credentials that clients are given, where one is installed (Debian: coturn)."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aioice import turn
from aioice.stun import TransactionFailed

from scripts.embedded.ports import held_port
from transport.webrtc.ice_servers import IceServers

COTURN = shutil.which("turnserver")
SECRET = "north"

pytestmark = pytest.mark.skipif(COTURN is None, reason="there is no turnserver on this machine")


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    assert COTURN is not None
    with held_port() as port:
        words = ("--no-cli", "--no-tls", "--no-dtls", "--use-auth-secret", f"--static-auth-secret={SECRET}")
        where = (
            "--realm=lifebuddy.test",
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            f"--listening-port={port}",
        )
        files = (f"--userdb={tmp_path}/db", f"--pidfile={tmp_path}/pid", "--log-file=stdout")
        nowhere = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            COTURN, "-n", *words, *where, *files, stdout=nowhere, stderr=nowhere
        )
        await asyncio.sleep(1)
        yield port
        process.terminate()
        await process.wait()


async def relayed(port: int, secret: str, seconds: float) -> tuple[str, int]:
    """The address that the server relays from, for a client of ours."""
    (server,) = IceServers((), (f"turn:127.0.0.1:{port}",), secret, seconds, time.time).for_user("u1")
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=("127.0.0.1", port),
        username=server["username"],
        password=server["credential"],
    )
    address: tuple[str, int] = transport.get_extra_info("sockname")
    transport.close()
    await asyncio.sleep(0.2)
    return address


async def test_a_client_has_its_relay_by_a_credential_that_is_ours_and_has_not_expired(port: int) -> None:
    assert (await relayed(port, SECRET, 60))[0] == "127.0.0.1"
    for secret, seconds in (("south", 60), (SECRET, -60)):
        with pytest.raises(TransactionFailed, match="401"):
            await relayed(port, secret, seconds)
