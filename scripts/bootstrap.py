"""Makes .venv as the locks say, with nothing but the standard library: `python3 scripts/bootstrap.py LOCK…`.

The locks are installed by uv, itself installed by pip from its own lock; where uv cannot reach an index, by pip alone.
Hashes are checked either way. When nothing has changed since last time it does nothing.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
UV_LOCK = "requirements-uv.lock"
RENAMED = {"runtime": "requirements.lock"}


def main(names: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  # this file alone may meet an older one
        print("Python 3.11 or newer is needed; this is", sys.version.split()[0])
        return 1
    locks = [name if name.endswith(".lock") else RENAMED.get(name, f"requirements-{name}.lock") for name in names]
    with (ROOT / ".bootstrap.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two starts at once: the second finds all done
        return _install(locks)


def _install(locks: list[str]) -> int:
    installed = _stamp()
    missing = {name: _digest(name) for name in locks if installed.get(name) != _digest(name)}
    if not missing:
        return 0
    began = time.monotonic()
    if not PYTHON.exists():
        _make_venv()
    for name in missing:
        print(f"installing {name} …", flush=True)
        _install_lock(name)
    STAMP.write_text(json.dumps(installed | missing | {"python": sys.version}))
    print(f"installed in {time.monotonic() - began:.1f} s", flush=True)
    return 0


def _make_venv() -> None:
    if not _run(Path(sys.executable), "-m", "venv", "--clear", str(VENV)):
        sys.exit("This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv")


def _install_lock(name: str) -> None:
    """With uv, which takes 2 s where pip takes 30."""
    if not _run(PYTHON, "-m", "uv", "--version", quiet=True):
        _run(PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *_hashed(UV_LOCK))
    options = ["--quiet"] + (["--no-cache"] if os.environ.get("UV_NO_CACHE") else [])
    if sys.dont_write_bytecode:  # then nobody else would, and every start would compile all packages anew
        options.append("--compile-bytecode")
    if _run(PYTHON, "-m", "uv", "pip", "install", "--python", str(PYTHON), *options, *_hashed(name)):
        return
    print("uv could not; trying pip (slower) …", flush=True)
    if not _run(PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *_hashed(name)):
        sys.exit(f"The packages of {name} could not be installed: is a package index reachable?")


def _hashed(name: str) -> list[str]:
    return ["--require-hashes", "-r", str(ROOT / name)]


def _run(program: Path, *arguments: str, quiet: bool = False) -> bool:
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.run([str(program), *arguments], check=False, stdout=sink, stderr=sink).returncode == 0


def _stamp() -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if stamp.get("python") == sys.version and PYTHON.exists() else {}


def _digest(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
