"""Becomes a program that dies with its owner: `python -I -S tether.py OWNER_PID TOLD_FD PROGRAM ARGUMENT…`.

TOLD_FD closes when the program runs, so that its owner knows that the tie is made.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1  # prctl(2); kept over execve, so the kernel itself kills the program, stopped or not


def _tie(owner: int, told: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != owner:  # it died before the tie was made
            sys.exit(1)
    elif os.fork() == 0:  # elsewhere a watcher is left behind, so that the program keeps the pid its owner knows
        os.close(told)
        _watch(owner, os.getppid())


def _watch(owner: int, program: int) -> None:
    while os.getppid() == program:
        if not _alive(owner):
            os.kill(program, signal.SIGKILL)
        time.sleep(0.5)
    os._exit(0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[2]), False)
    _tie(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606  # the program is chosen by the owner, no shell wanted
