"""A program that supervises pretend nodes, `pretend_node.py PORT NODES [BROKEN]`, and is each of them when given `--slot`.

A node answers every connection with its pid. What it is after SIGTERM it takes half a second to end. Once the file
BROKEN is there, a node ends before it is ready; with one called `loud` beside it, it says more than anybody reads.
"""

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import uvloop

from transport.slot import Slot, read_arguments, tie
from transport.supervisor import LONGEST_LINE, NotStartedError, Plan, supervise

SAY = partial(print, flush=True)


async def serve(slot: Slot) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(os.getpid()).encode())
        await writer.drain()
        writer.close()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    slot.own_socket.touch()
    server = await asyncio.start_server(answer, sock=socket.socket(fileno=slot.listener))
    SAY("ready http://pretended")
    if Path(os.environ["BROKEN"]).with_name("loud").exists():
        SAY("x" * (2 * LONGEST_LINE))
        SAY("heard")
    await stop.wait()
    server.close()
    await asyncio.sleep(0.5)
    slot.leave()


async def bury(node: str) -> None:
    SAY(f"buried {node}")


def plan(port: int, nodes: int, broken: str) -> Plan:
    return Plan(
        host="127.0.0.1",
        port=port,
        nodes=nodes,
        command=(sys.executable, "-m", "tests.transport.pretend_node"),
        variables=lambda _: {"BROKEN": broken},
        drain=5.0,
        bury=bury,
        say=SAY,
    )


def main() -> int:
    if "--slot" in sys.argv:
        slot = read_arguments(sys.argv[1:])[1]
        assert slot is not None
        if Path(os.environ["BROKEN"]).exists():
            return 3
        tie(slot, patience=5.0)
        uvloop.run(serve(slot))
        return 0
    try:
        uvloop.run(supervise(plan(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
    except (NotStartedError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
