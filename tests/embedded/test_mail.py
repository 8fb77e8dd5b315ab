"""What the server mails on one machine is kept as files, whoever sends it in whatever form."""

import asyncio
import smtplib
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.embedded import mail
from scripts.embedded.mail import mail_catcher


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "buddy@example.org", "ann@example.org", subject
    message.set_content("Zdravo, grüß dich!\n.\nA line with a dot before it.")
    return message


async def send(url: str, *messages: EmailMessage) -> None:
    def sending() -> None:
        with smtplib.SMTP("127.0.0.1", urlsplit(url).port or 0, timeout=5) as client:
            for message in messages:
                client.send_message(message, to_addrs=["ann@example.org", "bo@example.org"])

    await asyncio.to_thread(sending)


def caught(directory: Path) -> list[EmailMessage]:
    parser = BytesParser(EmailMessage, policy=policy.default)
    return [parser.parsebytes(path.read_bytes()) for path in sorted(directory.glob("*.eml"))]


async def test_each_message_becomes_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    async with mail_catcher(tmp_path / "mail") as url:
        await send(url, letter("Confirm your address"), letter("A second one"))
    first, second = caught(tmp_path / "mail")
    assert (first["Subject"], second["Subject"]) == ("Confirm your address", "A second one")
    assert first["X-Envelope-To"] == "ann@example.org, bo@example.org"
    assert first.get_content().splitlines() == letter("").get_content().splitlines()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "mail").glob("*.eml")} == {0o600}


async def test_started_again_it_listens_where_it_did_and_keeps_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "KEPT", 2)
    async with mail_catcher(tmp_path) as first:
        await send(first, *(letter(f"{n}") for n in range(3)))
    async with mail_catcher(tmp_path) as second:
        assert second == first
        await send(second, letter("3"))
    assert [message["Subject"] for message in caught(tmp_path)] == ["2", "3"]


async def test_a_message_it_cannot_keep_is_refused_for_now(tmp_path: Path) -> None:
    async with mail_catcher(tmp_path / "mail") as url:
        (tmp_path / "mail").rename(tmp_path / "gone")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await send(url, letter("lost"))
    assert refused.value.smtp_code == 452
