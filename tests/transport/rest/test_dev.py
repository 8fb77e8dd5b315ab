"""The page of caught mail: for whoever sits at the machine, and harmless whatever a mail holds."""

from pathlib import Path

import pytest

from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import call, call_text

LETTER = """\
From: LifeBuddy <buddy@example.org>\r
To: ann@example.org\r
Subject: =?utf-8?q?Potvrdi_adresu_=3Cscript=3Ealert=281=29=3C/script=3E?=\r
Content-Type: text/plain; charset="utf-8"\r
\r
Open https://app.example/confirm?token=abc <img src=x onerror=alert(1)>\r
"""
GARBLED = "Subject: odd\r\nContent-Type: text/plain; charset=no-such\r\n\r\nx"


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    (tmp_path / "00000000000000000001-aaaaaa.eml").write_text(GARBLED)
    (tmp_path / "00000000000000000002-bbbbbb.eml").write_text(LETTER)
    (tmp_path / "port").write_text("25000")
    return tmp_path


async def test_the_newest_mail_comes_first_and_can_be_read(start_node: StartNode, mail: Path) -> None:
    node = await start_node(rest={"caught_mail": mail})
    status, page, headers = await call_text(node, "/dev/mail", {"Authorization": ""})
    assert status == 200
    assert page.index("ann@example.org") < page.index("odd")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    _, page, _ = await call_text(node, "/dev/mail/00000000000000000002-bbbbbb.eml")
    assert "https://app.example/confirm?token=abc" in page
    assert "<script" not in page
    assert "<img" not in page
    status, page, _ = await call_text(node, "/dev/mail/00000000000000000001-aaaaaa.eml")
    assert (status, "cannot be shown" in page) == (200, True)


@pytest.mark.parametrize("host", ["localhost", "localhost:8787", "127.0.0.1", "[::1]", "[::1]:8787"])
async def test_it_is_read_by_any_name_of_the_machine(start_node: StartNode, mail: Path, host: str) -> None:
    node = await start_node(rest={"caught_mail": mail})
    assert (await call_text(node, "/dev/mail", {"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        *(
            {"Host": host}
            for host in ("evil.example", "localhost:evil.com", "localhost:80:80", "[::1", "[::1].evil.com")
        ),
        *({"Host": host} for host in ("localhost.", "evil.com:localhost", "a@localhost", "127.0.0.1.evil.com", "::1")),
    ],
)
async def test_nobody_reads_it_from_elsewhere(start_node: StartNode, mail: Path, headers: dict[str, str]) -> None:
    node = await start_node(rest={"caught_mail": mail})
    for path in ("/dev/mail", "/dev/mail/00000000000000000002-bbbbbb.eml"):
        status, problem, _ = await call(node, "GET", path, headers=headers)
        assert (status, problem["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["port", "..%2Fport", "00000000000000000009-cccccc.eml", "%00.eml"])
async def test_only_mail_is_shown(start_node: StartNode, mail: Path, name: str) -> None:
    node = await start_node(rest={"caught_mail": mail})
    status, problem, _ = await call(node, "GET", f"/dev/mail/{name}")
    assert (status, problem["code"]) == (404, "not_found")


async def test_without_a_mail_catcher_there_is_no_such_page(start_node: StartNode) -> None:
    node = await start_node()
    assert (await call(node, "GET", "/dev/mail"))[0] == 404
