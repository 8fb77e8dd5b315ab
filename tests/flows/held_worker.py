"""A worker whose exports wait for a file to be there, or fail: what slow and broken work is made of in tests."""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors.domain.jobs import ExportMade
from actors.jobs.export import Exporter
from actors.jobs.worker import Progress
from actors.ports import Claimed
from scripts import worker

make = Exporter.make


async def held(self: Exporter, claimed: Claimed, progress: Progress) -> ExportMade:
    if "FAIL" in os.environ:
        raise RuntimeError("secret words of a user")
    print("began", claimed.job.id, flush=True)
    made = await make(self, claimed, progress)
    while "HOLD" in os.environ and not Path(os.environ["HOLD"]).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)
    return made


Exporter.make = held  # type: ignore[method-assign]  # this is the one way into a process

if __name__ == "__main__":
    sys.exit(worker.main())
