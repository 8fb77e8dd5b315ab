"""pykka's actor: tell and handle, ask and answer, in CPU microseconds a message. Runs in the benches' own venv."""

import json
import threading
import time

import pykka  # type: ignore[import-not-found, unused-ignore]  # only in the benches' own venv

TELLS, ASKS = 50_000, 5_000


class Counter(pykka.ThreadingActor):  # type: ignore[misc, unused-ignore]  # as above
    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self.count = 0
        self.done = done

    def on_receive(self, message: object) -> int:
        del message
        self.count += 1
        if self.count == TELLS:
            self.done.set()
        return self.count


def main() -> None:
    done = threading.Event()
    ref = Counter.start(done)
    began = time.process_time()
    for _ in range(TELLS):
        ref.tell("more")
    done.wait()
    told = time.process_time()
    for _ in range(ASKS):
        ref.ask("more", timeout=5)
    asked = time.process_time()
    ref.stop()
    print(json.dumps({"tell": (told - began) / TELLS * 1e6, "ask": (asked - told) / ASKS * 1e6}))


main()
