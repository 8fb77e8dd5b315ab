"""server.py whose loop stands still for a moment at each SIGUSR1, as it does where there is too much to do."""

import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import server

LATE = 0.12

if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(LATE))
    sys.exit(server.main())
