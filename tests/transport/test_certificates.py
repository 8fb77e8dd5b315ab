"""TLS at our own port: 1.3 only, over HTTPS and WSS, and a certificate that changes while people are connected."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.runtime.owned import owned
from scripts.embedded.ports import held_port
from tests.storage.redis.conftest import Reports
from tests.transport.conftest import StartNode
from transport.certificates import Certificate
from transport.rest.app import listening


def write(directory: Path, name: str) -> None:
    """A self-made certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(private)
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest_asyncio.fixture
async def port(start_node: StartNode, tmp_path: Path, stack: AsyncExitStack) -> AsyncIterator[int]:
    """A node's doors behind TLS."""
    write(tmp_path, "first")
    node = await start_node()
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    await stack.enter_async_context(owned(certificate.follow(every=0.05), "certificate", Reports()))
    free = stack.enter_context(held_port())
    await stack.enter_async_context(listening(node.app, "127.0.0.1", free, tls=certificate.context))
    yield free


async def name_of(port: int) -> str:
    """Whom a new connection meets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    (name,) = x509.load_der_x509_certificate(found).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


async def test_https_and_wss_with_a_certificate_that_is_checked(port: int, tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http:
        async with http.get(f"https://127.0.0.1:{port}/healthz") as answer:
            assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
        async with http.ws_connect(f"wss://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket") as socket:
            assert (await socket.receive_str()).startswith("0{")
            await socket.send_str('40{"token":"ann/s1","device_id":"d"}')
            assert (await socket.receive_str()).startswith("40")


async def test_nothing_older_than_tls_1_3(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context)
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()


async def test_a_changed_certificate_is_served_and_an_unusable_one_is_not(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await name_of(port) == "first"
    (tmp_path / "cert.pem").write_text("nonsense")
    await asyncio.sleep(0.2)
    assert await name_of(port) == "first"
    assert "certificate.unusable" in capsys.readouterr().out
    (tmp_path / "key.pem").unlink()
    write(tmp_path, "second")
    async with asyncio.timeout(5):
        while await name_of(port) != "second":  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.05)


def test_files_that_can_not_be_used_are_said_at_the_start(tmp_path: Path) -> None:
    write(tmp_path, "one")
    with pytest.raises(OSError, match="No such file"):
        Certificate(tmp_path / "none.pem", tmp_path / "key.pem")
    with pytest.raises(ssl.SSLError):
        Certificate(tmp_path / "key.pem", tmp_path / "key.pem")
