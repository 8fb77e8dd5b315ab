"""TLS at our own port: version 1.3 only, and a certificate that may change while we listen."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

LOOK: Final = 5.0
"""Seconds between two looks at the files."""

log = structlog.get_logger(__name__)


class Certificate:
    """A chain and its private key, both PEM. `context` serves what was read last."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises OSError, of which SSLError is one, for files that can't be used."""
        self._chain = chain
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamps()
        self._load(self.context)

    async def follow(self, *, every: float = LOOK) -> None:
        """New connections get a changed certificate, for ever; one that can't be used changes nothing and is reported."""
        while True:
            await asyncio.sleep(every)
            try:
                stamps = await asyncio.to_thread(self._stamps)
                if stamps != self._seen:
                    self._seen = stamps
                    await asyncio.to_thread(self._change)
                    log.info("certificate.changed")
            except OSError as error:
                log.error("certificate.unusable", error=type(error).__name__)  # noqa: TRY400 - its text may show paths

    def _change(self) -> None:
        """Tried beside first: a chain with another's key would otherwise stay half loaded."""
        self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._load(self.context)

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._chain, self._key, password=_no_passphrase)

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        """Of what the names lead to: secrets of containers are changed by turning a link."""
        return tuple((found.st_mtime_ns, found.st_ino) for found in (self._chain.stat(), self._key.stat()))


def _no_passphrase() -> str:
    """Else OpenSSL would ask for one on the terminal, and wait."""
    raise ssl.SSLError("the private key is encrypted")
