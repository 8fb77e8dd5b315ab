"""What is not HTTP, or ends in the middle, is refused; and nobody can fill the log with it."""

import asyncio

import pytest

from tests.transport.conftest import StartNode

POST = b"POST /v1/goals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann/s1\r\nContent-Type: application/json\r\n"
REFUSED = {
    "no HTTP": b"GARBAGE\r\n\r\n",
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "NUL": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "negative length": b"POST /v1/goals HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "long line": b"GET /v1/goals?x=" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    "not deflated": POST + b"Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\nxx",
    "cut short": POST + b"Content-Length: 20\r\n\r\n{}",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
async def test_what_is_garbled_is_refused_and_leaves_no_trace_in_the_log(
    start_node: StartNode, raw: bytes, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    node = await start_node()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rpartition(":")[2]))
    writer.write(raw)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"415"}
    assert b"Traceback" not in answer
    await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.exc_info]
    assert "failed" not in capsys.readouterr().out
    assert node.sessions["ann"].seq == 0
