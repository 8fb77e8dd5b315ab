"""nginx and HAProxy as Debian has them, in front of nodes, each with the file of deploy/balancer."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from scripts.embedded.child import Child
from scripts.embedded.ports import held_port
from tests.deploy.manifests import DEPLOY

CONFIGURATIONS: Final = DEPLOY / "balancer"
PACKAGES: Final[Mapping[str, Sequence[str]]] = {
    "nginx": ["nginx"],
    "haproxy": ["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"],
}
UP_WITHIN: Final = 20.0


class Balancer(Protocol):
    """`url` and `secure_url` are where people come; `take_out` says that nobody new is to be sent to a node."""

    url: str
    secure_url: str

    def take_out(self, address: str) -> None: ...


def program(name: str) -> Path | None:
    """The installed one; else Debian's, unpacked without being installed; None where neither can be had."""
    if installed := shutil.which(name):
        return Path(installed)
    cache = Path(tempfile.gettempdir()) / f"lifebuddy-debian-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = cache / name / "usr" / "sbin" / name
        if not unpacked.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
            _unpack(PACKAGES[name], cache / name)
        return unpacked if unpacked.exists() else None


def _unpack(packages: Sequence[str], where: Path) -> None:
    """Leaves nothing where the packages can't be had."""
    with tempfile.TemporaryDirectory() as folder:
        fetched = subprocess.run(
            ["apt-get", "download", "-qq", *packages], cwd=folder, capture_output=True, timeout=60, check=False
        )
        if fetched.returncode == 0:
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, where], check=True)


def _libraries(found: Path) -> dict[str, str]:
    """Those of its packages lie beside it."""
    beside = found.parents[2] / "usr" / "lib"
    return {"LD_LIBRARY_PATH": ":".join(str(path) for path in beside.glob("*-linux-gnu"))}


class Nginx(Child):
    def __init__(self, found: Path, directory: Path, ports: tuple[int, int], nodes: Sequence[str]) -> None:
        self.url, self.secure_url = (
            f"{scheme}://127.0.0.1:{port}" for scheme, port in zip(("http", "https"), ports, strict=True)
        )
        self._nodes = directory / "nodes.conf"
        shutil.copy(CONFIGURATIONS / "nginx.conf", directory)
        example = (CONFIGURATIONS / "nginx-nodes.conf").read_text().splitlines()
        lines = [line.replace(line.split()[1], node) for line, node in zip(example, nodes, strict=False)]
        self._nodes.write_text("\n".join(lines))
        secure = (CONFIGURATIONS / "nginx-listen.conf").read_text().replace("8443", f"127.0.0.1:{ports[1]}")
        (directory / "listen.conf").write_text(f"listen 127.0.0.1:{ports[0]};\n{secure}")
        argv = [str(found), "-p", str(directory), "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
        super().__init__("nginx", argv, directory / "nginx.log", {**os.environ, **_libraries(found)})

    def take_out(self, address: str) -> None:
        """As nginx.conf says: `down`, and read anew."""
        text = self._nodes.read_text().replace(f"{address} ", f"{address} down ")
        self._nodes.write_text(text)
        os.kill(self.pid, signal.SIGHUP)


class HAProxy(Child):
    def __init__(
        self, found: Path, directory: Path, ports: tuple[int, int, int], nodes: Sequence[str], *, secure: bool
    ) -> None:
        self.url, self.secure_url = f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
        joined = directory / "both.pem"
        joined.write_text((directory / "chain.pem").read_text() + (directory / "key.pem").read_text())
        told = {f"NODE_{number}": node for number, node in enumerate(nodes, 1)}
        told |= {"BIND": "127.0.0.1", **dict(zip(("HTTP", "HTTPS", "STATUS"), map(str, ports), strict=True))}
        if secure:  # and then it sends everybody there
            told["CERTIFICATE"] = str(joined)
        argv = [str(found), "-db", "-f", str(CONFIGURATIONS / "haproxy.cfg")]
        super().__init__("haproxy", argv, directory / "haproxy.log", {**os.environ, **_libraries(found), **told})

    def take_out(self, address: str) -> None:
        """It asks for itself."""


@asynccontextmanager
async def balancer(
    name: str, found: Path, directory: Path, nodes: Sequence[str], *, secure: bool = False
) -> AsyncIterator[Balancer]:
    """Running in front of those nodes. `directory` holds `chain.pem` and `key.pem`."""
    with held_port() as one, held_port() as two, held_port() as three:
        running: Nginx | HAProxy = (
            Nginx(found, directory, (one, two), nodes)
            if name == "nginx"
            else HAProxy(found, directory, (one, two, three), nodes, secure=secure)
        )
        running.start()

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", one)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        try:
            await running.until(listens, UP_WITHIN)
            yield running
        finally:
            await running.stop(5.0)
