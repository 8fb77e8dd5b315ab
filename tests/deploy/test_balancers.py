"""nginx and HAProxy with the files of deploy/balancer in front of real nodes: who is sent where, and what is kept out."""

import asyncio
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import socketio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.deploy.balancers import CONFIGURATIONS, Balancer, balancer, program
from tests.flows.app import PASSWORD
from tests.flows.browser import JS, browser
from tests.flows.fleet import fleet
from tests.flows.node import Node
from transport.sockets.limits import Limits

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]  # two nodes start, and drain


@dataclass
class Front:
    """A balancer, and the nodes behind it."""

    name: str
    program: Path
    directory: Path
    balancer: Balancer
    nodes: Sequence[Node]

    @property
    def url(self) -> str:
        return self.balancer.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sequence[Node]]:
    """Only what the balancer connects from is believed: people of these tests come from other loopback addresses."""
    settings = {
        "LIFEBUDDY_TRUSTED_PROXIES": "127.0.0.1/32",
        "LIFEBUDDY_MONGO_DATABASE": f"flow_{uuid.uuid4().hex[:12]}",
        "LIFEBUDDY_LIMITS_SCALE": "1",
        "LIFEBUDDY_LIMIT_REGISTER": "1000/h",
        "LIFEBUDDY_LIMIT_CONNECT": "1000/min",
    }
    async with fleet(tmp_path_factory.mktemp("nodes"), mongo, valkey_session.url, 2, **settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nginx", "haproxy"])
async def front(
    request: pytest.FixtureRequest, nodes: Sequence[Node], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    name = request.param
    found = await asyncio.to_thread(program, name)
    if found is None:
        pytest.skip(f"{name} is not installed, and Debian's package can't be had")
    directory = tmp_path_factory.mktemp(name)
    write_certificate(directory)
    for node in nodes:
        if not node.alive:
            await node.start_ready()
    async with balancer(name, found, directory, [address(node) for node in nodes]) as running:
        yield Front(name, found, directory, running, nodes)


def address(node: Node) -> str:
    return node.url.removeprefix("http://")


def write_certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "chain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "key.pem").write_bytes(private)


def person(host: str) -> aiohttp.ClientSession:
    """Somebody with that loopback address."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(host, 0)))


async def register(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[dict[str, Any], int]:
    """Their tokens, and how many more may register from there."""
    body = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD, "name": "Ann"}
    async with http.post(f"{url}/v1/auth/register", json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        (left,) = re.findall(r'"register";r=(\d+)', answer.headers["RateLimit"])
        return await answer.json(), int(left)


# ── who is sent where ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_polling_clients_stay_at_their_node_and_change_over_to_websockets(front: Front) -> None:
    """Whatever their addresses, and both nodes have some."""
    at = await asyncio.gather(*(upgraded(front.url, f"127.0.0.{number}") for number in range(10, 26)))
    assert len(set(at)) == 2


async def upgraded(url: str, host: str) -> str:
    """The node whose session.ready a device in its default configuration had, over a WebSocket in the end."""
    async with person(host) as http:
        entered, _ = await register(http, url)
        ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        line = socketio.AsyncClient(reconnection=False, http_session=http)
        line.on("session.ready", ready.set_result)
        await line.connect(url, auth={"token": entered["access_token"], "device_id": "phone"})
        try:
            node = (await asyncio.wait_for(ready, 10))["node"]
            assert line.eio.current_transport == "websocket"
            ack = await line.call("goal.create", {"cid": str(uuid.uuid4()), "title": "run"}, timeout=10)
        finally:
            await line.disconnect()
        assert ack["ok"], ack
        return str(node)


@pytest.mark.skipif(not (JS / "node_modules").exists(), reason="scripts/test installs the JavaScript clients")
async def test_stock_clients_of_both_kinds_work_and_come_back_when_their_node_ends(front: Front) -> None:
    """The first polls and changes over, the second takes a WebSocket at once."""
    email = f"{uuid.uuid4().hex}@example.org"
    async with (
        browser("first_device.mjs", front.url, email, PASSWORD) as first,
    ):
        here = await first.first("session.ready")
        await first.first("upgrade")
        async with browser("second_device.mjs", front.url, email, PASSWORD) as second:
            await second.first("session.ready")
            made = await first.send("goal.create", {"cid": str(uuid.uuid4()), "title": "run"})
            assert made["ok"], made
            await second.until(lambda one: one["saw"] == "event" and one["data"]["seq"] == made["seq"])
            leaving = await whose(front, here["node"])
            front.balancer.take_out(address(leaving))
            assert await leaving.stop(30.0)
            there = (await first.until(lambda one: one["saw"] == "session.ready" and one["data"] != here))["data"]
            assert there["node"] != here["node"]
            later = await second.send("goal.create", {"cid": str(uuid.uuid4()), "title": "swim"})
            assert later["ok"], later
            await first.until(lambda one: one["saw"] == "event" and one["data"]["seq"] == later["seq"])


async def whose(front: Front, name: str) -> Node:
    """The process of that node: the one that says so to who asks it alone."""
    for node in front.nodes:
        async with aiohttp.ClientSession() as http:
            entered, _ = await register(http, node.url)
        ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        line = socketio.AsyncClient(reconnection=False)
        line.on("session.ready", ready.set_result)
        token = {"token": entered["access_token"], "device_id": "phone"}
        await line.connect(node.url, auth=token, transports=["websocket"])
        found = (await asyncio.wait_for(ready, 10))["node"]
        await line.disconnect()
        await line.shutdown()
        if found == name:
            return node
    raise AssertionError(name)


async def test_with_one_node_left_everybody_is_served(front: Front) -> None:
    """The one that ended in the test before is not asked, or not waited for."""
    assert sum(node.alive for node in front.nodes) == 1
    at = await asyncio.gather(*(upgraded(front.url, f"127.0.0.{number}") for number in range(10, 18)))
    assert len(set(at)) == 1


# ── what is kept out ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_asks_is_told_to_the_node_and_nobody_can_make_it_up(front: Front) -> None:
    host = "127.0.1.1" if front.name == "nginx" else "127.0.1.2"
    async with person(host) as ann, person("127.0.1.3") as bo:
        _, first = await register(ann, front.url)
        _, second = await register(ann, front.url, **{"X-Forwarded-For": "203.0.113.7"})
        _, third = await register(ann, front.url, **{"X-Forwarded-For": "127.0.0.1, 127.0.0.1"})
        _, other = await register(bo, front.url)
    assert (second, third) == (first - 1, first - 2), "counted for the same address"
    assert other > third


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6Detrics", "/METRICS", "/metrics/", "/x/../metrics"])
async def test_nobody_outside_reads_counters(front: Front, path: str) -> None:
    answer = await answered(front, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"socket_connections" not in answer


async def test_a_large_body_goes_no_further(front: Front) -> None:
    """It is refused before it is sent, and no node has seen it."""
    told = f"POST /v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Length: {2**20 + 1}\r\n\r\n"
    answer = await answered(front, told)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"X-Trace-Id" not in answer


async def answered(front: Front, request: str) -> bytes:
    """As it was written: clients tidy paths up."""
    host, port = front.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_tls_ends_here_and_the_node_knows(front: Front) -> None:
    trusting = ssl.create_default_context(cafile=str(front.directory / "chain.pem"))
    older = ssl.create_default_context(cafile=str(front.directory / "chain.pem"))
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    living = [address(node) for node in front.nodes]
    async with (
        balancer(front.name, front.program, front.directory, living, secure=True) as secure,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(f"{secure.secure_url}/v1/openapi.json", ssl=trusting) as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"]
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{secure.secure_url}/v1/openapi.json", ssl=older)


async def test_an_idle_socket_is_kept_longer_than_a_ping_and_its_answer() -> None:
    bounds = Limits()
    longest = bounds.ping_interval + bounds.ping_timeout
    nginx, haproxy = ((CONFIGURATIONS / name).read_text() for name in ("nginx.conf", "haproxy.cfg"))
    kept = re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", nginx)
    kept += re.findall(r"^    timeout (?:client|server|tunnel) (\d+)s$", haproxy, re.MULTILINE)
    assert len(kept) == 5
    assert all(int(seconds) > longest + 10 for seconds in kept)
