"""The pages behind the links in letters: in the reader's language, of one piece, and their policy lets in nothing else."""

import base64
import hashlib
import re

import pytest

from tests.transport.conftest import StartNode
from transport.rest.mail_links import TO, WORDS, Page


def test_every_language_says_everything() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}


@pytest.mark.parametrize("name", TO)
@pytest.mark.parametrize(("header", "language"), [("de-AT,de;q=0.9,en;q=0.5", "de"), ("fr,en;q=0.2", "en"), ("", "en")])
async def test_a_page_speaks_its_readers_language_and_needs_nothing_from_elsewhere(
    start_node: StartNode, name: Page, header: str, language: str
) -> None:
    node = await start_node()
    async with node.http.get(f"/{name}", headers={"Accept-Language": header}) as response:
        page, policy = await response.text(), response.headers["Content-Security-Policy"]
        told = {name: response.headers[name] for name in ("Content-Language", "Vary", "Cache-Control")}
        assert told == {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    assert f'<html lang="{language}">' in page
    assert WORDS[language][f"{name}.do"] in page
    assert not re.search(r"https?://|<link|<img|@import|url\(|src=|style=|\son\w+=", page)
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert (allowed["default-src"], allowed["connect-src"], allowed["frame-ancestors"]) == (
        "'none'",
        "'self'",
        "'none'",
    )
    for kind in ("script", "style"):
        inline = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
        assert allowed[f"{kind}-src"] == f"'sha256-{digests[0]}'"
        assert len(digests) == 1
