"""server.py with one more kind of due thing, which only tests know."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import server
from actors.session.due import DUE
from tests.session.ticking import TICK

DUE["tick"] = TICK

if __name__ == "__main__":
    sys.exit(server.main())
