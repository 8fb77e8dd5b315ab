"""Becomes the server, its packages imported while the databases still start: `preload.py SERVER ARGUMENT…`.

Its variables come as JSON on standard input, once the databases are there; an empty input means that they never will be.
"""

import importlib.util
import json
import os
import runpy
import sys


def main(program: str) -> int:
    sys.path[0] = os.path.dirname(program)  # noqa: PTH120  # as `python SERVER` has it
    sys.argv = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("server", program)
    if spec is None or spec.loader is None:
        return 1
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    told = sys.stdin.read()
    if not told:
        return 1
    os.environ.update(json.loads(told))
    runpy.run_path(program, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
