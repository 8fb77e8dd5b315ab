"""What calls need, looked at from this machine: libopus, UDP, and the STUN and TURN servers that are configured."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from aioice import stun
from aioice.ice import get_host_addresses
from aioice.turn import create_turn_endpoint

from config.settings import Settings
from scripts.embedded.findings import Finding
from transport.providers import silero, smart_turn
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.opus import OpusMissingError, library

WITHIN: Final = 2.0
"""Seconds for an answer from a server of these; a datagram on this machine takes none."""
HERE: Final = "127.0.0.1"
_FILES: Final = (
    ("speech detector", silero.FILE, "what is loud is taken for speech"),
    ("end of turns", smart_turn.FILE, "a turn ends with 0.8 s of silence, whatever was said"),
)
_UDP_FIX: Final = "let programs of this machine send and receive UDP on any port; calls need it"
_STUN_FIX: Final = "check LIFEBUDDY_CALLS_STUN, and that UDP to it is let out"
_TURN_FIX: Final = (
    "check LIFEBUDDY_CALLS_TURN, that UDP to it is let out, and that it knows LIFEBUDDY_CALLS_TURN_SECRET "
    "(coturn: use-auth-secret, static-auth-secret)"
)
_ADDRESS_FIX: Final = "set LIFEBUDDY_CALLS_ADDRESS to the address that STUN sees, or mend the NAT in front"


async def calls(settings: Settings, _: dict[str, Any]) -> list[Finding]:
    asked = [_udp(settings), *(_stun(settings, url) for url in settings.calls_stun)]
    turns = await _turns(settings)
    return [_opus(), *_models(settings), *await asyncio.gather(*asked), *turns]


def _opus() -> Finding:
    try:
        opus = library()
    except OpusMissingError as problem:
        return Finding("libopus", "off", why="is not found", fix=str(problem))
    return Finding("libopus", "real", opus._name.rsplit("/", 1)[-1])  # noqa: SLF001 - ctypes tells it nowhere else


def _models(settings: Settings) -> Sequence[Finding]:
    """Calls go on without these files, and hear worse."""
    return [
        Finding(f"calls: {part}", "real", file)
        if (settings.models_directory / file).exists()
        else Finding(f"calls: {part}", "off", fix=f"{instead} until scripts/run has fetched {file}")
        for part, file, instead in _FILES
    ]


async def _udp(settings: Settings) -> Finding:
    """A datagram to each address that calls would be told of must come back to this machine."""
    addresses = [HERE] if settings.calls_stay_here else get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        return Finding("calls: UDP", "real", why="this machine has no address clients could reach", fix=_UDP_FIX)
    lost = [address for address in addresses if not await asyncio.to_thread(_comes_back, address)]
    why = f"what is sent to {', '.join(lost)} does not come back" if lost else ""
    reached = "this machine alone can call" if settings.calls_stay_here else ""
    return Finding("calls: UDP", "real", ", ".join(addresses), why, _UDP_FIX if lost else reached)


def _comes_back(address: str) -> bool:
    with contextlib.suppress(OSError), _bound(address) as to, _bound(address) as by:
        to.settimeout(0.5)
        by.sendto(b"lifebuddy", to.getsockname())
        return to.recvfrom(64) == (b"lifebuddy", by.getsockname())
    return False


def _bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


async def _stun(settings: Settings, url: str) -> Finding:
    host, port, _ = read_ice_url(url)
    try:
        seen = await seen_from(host, port)
    except (OSError, TimeoutError) as problem:
        why = str(problem) or "does not answer"
        return Finding(f"calls: {url}", "real", why=why, fix=_STUN_FIX)
    advertised = str(settings.calls_address or seen)
    why = "" if advertised == seen else f"sees this machine as {seen}, and clients are told {advertised}"
    return Finding(f"calls: {url}", "real", f"sees {seen}", why, _ADDRESS_FIX if why else "")


async def seen_from(host: str, port: int) -> str:
    """The address a STUN server sees us at (RFC 8489). Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    asked = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as through:
        through.setblocking(False)
        await loop.sock_connect(through, (await loop.getaddrinfo(host, port, family=socket.AF_INET))[0][4])
        async with asyncio.timeout(WITHIN):
            while True:
                await loop.sock_sendall(through, bytes(asked))
                with contextlib.suppress(TimeoutError, ValueError):  # lost, or not STUN: ask again
                    told = stun.parse_message(await asyncio.wait_for(loop.sock_recv(through, 2048), 0.5))
                    return str(told.attributes["XOR-MAPPED-ADDRESS"][0])


async def _turns(settings: Settings) -> Sequence[Finding]:
    if not settings.calls_turn:
        if settings.calls_stay_here:
            return []
        fix = "who is behind a strict NAT or a firewall can't call: set LIFEBUDDY_CALLS_TURN to a TURN server"
        return [Finding("calls: TURN", "off", fix=fix)]
    secret = settings.calls_turn_secret.get_secret_value() if settings.calls_turn_secret else ""
    servers = IceServers((), settings.calls_turn, secret, settings.calls_turn_seconds, time.time)
    (given,) = servers.for_user("doctor")
    return await asyncio.gather(*(_turn(url, given["username"], given["credential"]) for url in settings.calls_turn))


async def _turn(url: str, username: str, password: str) -> Finding:
    """An allocation with credentials like those that clients are given."""
    host, port, transport = read_ice_url(url)
    over_tls = ssl.create_default_context() if url.startswith("turns:") else None
    try:
        async with asyncio.timeout(WITHIN):
            relay, _ = await create_turn_endpoint(
                asyncio.DatagramProtocol, (host, port), username, password, ssl=over_tls, transport=transport
            )
    except (OSError, TimeoutError, stun.TransactionError) as problem:
        return Finding(f"calls: {url}", "real", why=str(problem) or "does not answer", fix=_TURN_FIX)
    relayed = relay.get_extra_info("sockname")
    relay.close()
    return Finding(f"calls: {url}", "real", f"relays by {relayed[0]}")


def read_ice_url(url: str) -> tuple[str, int, str]:
    """Host, port and transport of a `stun:` or `turn:` URL (RFC 7064, RFC 7065)."""
    scheme, _, rest = url.partition(":")
    where, _, query = rest.partition("?")
    host, found, port = where.rpartition(":") if not where.endswith("]") else (where, "", "")
    transport = parse_qs(query).get("transport", ["tcp" if scheme == "turns" else "udp"])[0]
    default = 5349 if scheme in {"turns", "stuns"} else 3478
    return (host if found else where).strip("[]"), int(port or default) if found else default, transport
