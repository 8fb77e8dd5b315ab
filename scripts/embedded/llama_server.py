"""The program that serves a GGUF file: llama.cpp's own OpenAI server, told by variables where and with which key."""

import os
import signal
import sys
import threading

import xllamacpp

CONTEXT = 12_288  # tokens, halved between the slots; a coach's prompt with its history is half of what is left
SLOTS = 2  # 0 keeps the conversation read, 1 the tool router's prompt; the front lets one generate at a time
PIECE = 32  # tokens of a prompt read at once: a spoken turn is one piece, and who goes away is noticed between two
BEHIND = 5  # niceness: whoever answers people and plays sound goes first, text comes when it comes
KEPT = 512  # MiB of prompts of other conversations


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
    wanted.slot_save_path = environment["LLAMA_SLOTS"]
    wanted.n_ctx = CONTEXT
    wanted.n_parallel = SLOTS
    wanted.n_batch = wanted.n_ubatch = PIECE
    wanted.n_cache_reuse = 32
    wanted.cache_ram_mib = KEPT
    cores = os.cpu_count() or 2
    wanted.cpuparams.n_threads = max(min(2, cores), cores // 2)  # writing waits for memory: more than a few only take
    wanted.cpuparams_batch.n_threads = cores  # reading computes: twice as fast on two
    return wanted


def main() -> int:
    os.nice(BEHIND)
    server = xllamacpp.Server(parameters(dict(os.environ)))
    print("listening on", server.listening_address, flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
