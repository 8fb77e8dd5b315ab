"""Whatever a client sends becomes a connect, a disconnect, a command or "unreadable": never another name, never a crash."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet

from transport.sockets.driver import UNREADABLE as UNREADABLE_ENGINE
from transport.sockets.driver import readable
from transport.sockets.packets import COMMAND, UNREADABLE, JsonPacket, MsgpackPacket


def settled(made: Any) -> str:
    if made.packet_type in {packet.CONNECT, packet.DISCONNECT}:
        return "connection"
    assert made.packet_type == packet.EVENT
    assert made.data[0] in {COMMAND, UNREADABLE}
    return str(made.data[0])


@pytest.mark.parametrize(
    "text",
    [
        '2["connect",{},{}]',
        '2["disconnect"]',
        '27["connect_error",1]',
        '2["__disconnect_final"]',
        '2["newListener"]',
        "2",
        "2[]",
        "2{}",
        "2[5]",
        '2["a",1,2]',
        "2[",
        '2["a",NaN]',
        "2" + "[" * 50_000,
        "2" + "9" * 300,
        '2-1["a"]',
        '3["x"]',
        '30["x"]',
        '4"x"',
        '51-["a",{"_placeholder":true,"num":0}]',
        "51-[",
        "61-1[]",
        "7",
        "x",
        "",
        "²[]",
        "2/other,99999999999999999999999999[]",
        b"binary",
        {"a": 1},
    ],
)
def test_json_that_is_no_command_is_unreadable(text: Any) -> None:
    assert settled(JsonPacket(encoded_packet=text)) == UNREADABLE


def test_a_json_command_is_wrapped() -> None:
    made = JsonPacket(encoded_packet='27["chat.send",{"text":"ä"}]')
    assert made.data == [COMMAND, "chat.send", {"text": "ä"}, 29, True]
    assert made.id == 7
    assert JsonPacket(encoded_packet='2["sync"]').data == [COMMAND, "sync", {}, 9, False]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": 2, "nsp": "/", "data": ["connect", {}]},
        {"type": 2, "nsp": "/", "data": {"0": "a"}},
        {"type": 2, "nsp": "/", "data": [["a"]]},
        {"type": 2, "nsp": "/"},
        {"type": 2, "data": ["a"]},
        {"type": "2", "nsp": "/", "data": ["a"]},
        {"type": True, "nsp": "/", "data": ["a"]},
        {"type": [2], "nsp": "/", "data": ["a"]},
        {"type": 2, "nsp": {}, "data": ["a"]},
        {"type": 2, "nsp": "/", "data": ["a"], "id": []},
        {"type": 2, "nsp": "/", "data": ["a"], "id": -1},
        {"type": 3, "nsp": "/", "data": [], "id": {}},
        {"type": 5, "nsp": "/", "data": ["a"]},
        {"type": 99, "nsp": "/"},
        [],
        5,
        None,
    ],
)
def test_msgpack_that_is_no_command_is_unreadable(fields: Any) -> None:
    assert settled(MsgpackPacket(encoded_packet=msgspec.msgpack.encode(fields))) == UNREADABLE


@pytest.mark.parametrize("raw", ["text", b"", b"\xc1", b"\x91" * 50_000, b"\x82\xa4type", b"\xdf\xff\xff\xff\xff"])
def test_broken_msgpack_is_unreadable(raw: Any) -> None:
    assert settled(MsgpackPacket(encoded_packet=raw)) == UNREADABLE


@given(st.text(max_size=40))
def test_any_text_settles(text: str) -> None:
    settled(JsonPacket(encoded_packet=text))
    settled(JsonPacket(encoded_packet="2" + text))


@given(st.binary(max_size=40))
def test_any_bytes_settle(raw: bytes) -> None:
    settled(MsgpackPacket(encoded_packet=raw))


def test_msgpack_leaves_out_what_is_absent() -> None:
    assert msgspec.msgpack.decode(MsgpackPacket(packet.DISCONNECT, namespace="/").encode()) == {"type": 1, "nsp": "/"}


@pytest.mark.parametrize("text", ["1", "3", '42["a"]', "40", "bAAAA"])
def test_engine_packets_go_through(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize("text", ["", "0", "2", "5", "6", "9", "x", "4", "4[", "4²", "b!", "bA", "12", "\x1e"])
def test_engine_packets_that_make_no_sense_become_unreadable_messages(text: str) -> None:
    assert readable(text) == UNREADABLE_ENGINE
