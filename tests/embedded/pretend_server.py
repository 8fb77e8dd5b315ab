"""Keeps the contract of server.py with scripts/run: ready line, drain on SIGTERM, exit code; tells what it was given."""

import os
import signal
import sys
import time
from types import FrameType


def stop(_: int, __: FrameType | None) -> None:
    print("drained by request", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    print("given", *sys.argv[1:], os.environ["LIFEBUDDY_EMBEDDED"], flush=True)
    if "--fail" in sys.argv:
        sys.exit(3)
    print(f"ready http://127.0.0.1:{os.environ['LIFEBUDDY_PORT']}", flush=True)
    time.sleep(60)
