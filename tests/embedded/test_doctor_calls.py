"""The doctor looks at what calls need, and names what is to mend."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from aioice.turn import make_integrity_key

from config.settings import Settings
from scripts.embedded.doctor_calls import calls, read_ice_url
from scripts.embedded.findings import Finding
from transport.webrtc.ice_servers import credential

Answer = Callable[[stun.Message, tuple[str, int]], stun.Message]
SECRET = "shared with coturn"


class StunServer(asyncio.DatagramProtocol):
    """Answers each request with what `answer` makes of it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(bytes(self._answer(stun.parse_message(data), address)), address)


@asynccontextmanager
async def stun_server(answer: Answer) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: StunServer(answer), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def turn_knowing(secret: str) -> Answer:
    """A TURN server that relays for whoever has credentials made of the secret."""

    def answer(asked: stun.Message, address: tuple[str, int]) -> stun.Message:
        username = asked.attributes.get("USERNAME", "")
        key = make_integrity_key(username, "lifebuddy", credential(secret, username))
        if not (username and asked.check_message_integrity(key)):
            refusal: dict[str, Any] = {"ERROR-CODE": (401, "Unauthorized"), "NONCE": b"nonce", "REALM": "lifebuddy"}
            return stun.Message(asked.message_method, stun.Class.ERROR, asked.transaction_id, refusal)
        told: dict[str, Any] = {
            "XOR-RELAYED-ADDRESS": ("198.51.100.7", 40_000),
            "XOR-MAPPED-ADDRESS": address,
            "LIFETIME": 600,
        }
        given = stun.Message(asked.message_method, stun.Class.RESPONSE, asked.transaction_id, told)
        given.add_message_integrity(key)
        return given

    return answer


async def look(tmp_path: Path, **given: Any) -> dict[str, Finding]:
    settings = Settings(_env_file=None, data=tmp_path, port=0, **given)  # type: ignore[call-arg]  # pydantic-settings' own
    return {finding.part: finding for finding in await calls(settings, {})}


async def test_one_machine_needs_no_more_than_it_has(tmp_path: Path) -> None:
    found = await look(tmp_path)
    assert set(found) == {"libopus", "calls: UDP", "calls: speech detector", "calls: end of turns"}
    assert {finding.why for finding in found.values()} == {""}
    assert "opus" in found["libopus"].version
    assert found["calls: UDP"].version == "127.0.0.1"


async def test_files_that_hear_better_are_named_until_they_are_there(tmp_path: Path) -> None:
    found = await look(tmp_path, models_dir=tmp_path)
    assert [found[part].state for part in ("calls: speech detector", "calls: end of turns")] == ["off", "off"]
    assert "scripts/run" in found["calls: speech detector"].fix
    (tmp_path / "silero_vad.onnx").touch()
    found = await look(tmp_path, models_dir=tmp_path)
    assert [found[part].state for part in ("calls: speech detector", "calls: end of turns")] == ["real", "off"]


async def test_whom_only_turn_would_let_in_is_said_where_there_is_none(tmp_path: Path) -> None:
    found = await look(tmp_path, host="0.0.0.0")  # noqa: S104 - nothing listens
    assert found["calls: TURN"].state == "off"
    assert "LIFEBUDDY_CALLS_TURN" in found["calls: TURN"].fix


@pytest.mark.parametrize(
    ("advertised", "mend"), [("127.0.0.1", ""), ("203.0.113.9", "LIFEBUDDY_CALLS_ADDRESS"), (None, "")]
)
async def test_the_advertised_address_is_the_one_that_stun_sees(
    tmp_path: Path, advertised: str | None, mend: str
) -> None:
    def bind(asked: stun.Message, address: tuple[str, int]) -> stun.Message:
        told = {"XOR-MAPPED-ADDRESS": address}
        return stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id, told)

    async with stun_server(bind) as port:
        url = f"stun:127.0.0.1:{port}"
        found = await look(tmp_path, calls_stun=(url,), calls_address=advertised)
    assert found[f"calls: {url}"].version == "sees 127.0.0.1"
    assert bool(found[f"calls: {url}"].why) == bool(mend)
    assert mend in found[f"calls: {url}"].fix


async def test_a_stun_server_that_is_silent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.embedded.doctor_calls.WITHIN", 0.2)
    found = await look(tmp_path, calls_stun=("stun:127.0.0.1:9",))
    assert found["calls: stun:127.0.0.1:9"].why
    assert "LIFEBUDDY_CALLS_STUN" in found["calls: stun:127.0.0.1:9"].fix


async def test_a_turn_server_that_does_not_know_the_secret_is_told_from_one_that_does(tmp_path: Path) -> None:
    async with stun_server(turn_knowing("another")) as stranger, stun_server(turn_knowing(SECRET)) as ours:
        urls = (f"turn:127.0.0.1:{stranger}", f"turn:127.0.0.1:{ours}?transport=udp")
        found = await look(tmp_path, calls_turn=urls, calls_turn_secret=SECRET)
    assert "401" in found[f"calls: {urls[0]}"].why
    assert "static-auth-secret" in found[f"calls: {urls[0]}"].fix
    assert (found[f"calls: {urls[1]}"].why, found[f"calls: {urls[1]}"].version) == ("", "relays by 198.51.100.7")


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("stun:stun.example", ("stun.example", 3478, "udp")),
        ("turn:turn.example:5000?transport=tcp", ("turn.example", 5000, "tcp")),
        ("turns:[2001:db8::1]", ("2001:db8::1", 5349, "tcp")),
        ("turn:[2001:db8::1]:99", ("2001:db8::1", 99, "udp")),
    ],
)
def test_urls_are_read_as_browsers_read_them(url: str, read: tuple[str, int, str]) -> None:
    assert read_ice_url(url) == read
