"""The program that serves a GGUF file: llama.cpp's own OpenAI server, told by variables where and with which key."""

import os
import signal
import sys
import threading

import xllamacpp

CONTEXT = 8192  # tokens; a coach's prompt with its history is a quarter of that


def parameters(environment: dict[str, str]) -> xllamacpp.CommonParams:
    wanted = xllamacpp.CommonParams()
    wanted.model.path = environment["LLAMA_FILE"]
    wanted.model_alias = {environment["LLAMA_NAME"]}
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = int(environment["LLAMA_PORT"])
    wanted.api_keys = [environment["LLAMA_KEY"]]
    wanted.cors_origins = ""
    wanted.ui = False
    wanted.endpoint_slots = False
    wanted.n_ctx = CONTEXT
    wanted.n_parallel = 1  # two at once on few cores are slower together than one after the other
    wanted.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    return wanted


def main() -> int:
    server = xllamacpp.Server(parameters(dict(os.environ)))
    print("listening on", server.listening_address, flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
