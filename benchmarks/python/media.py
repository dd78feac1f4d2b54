# What contenders in Python have in common: media that arrays go through, sides in processes of their own that are asked
# over pipes, and the loop that reads commands and writes answers, in lines of JSON as in protocol.ts.

import json
import multiprocessing
import os
import sys

import numpy as np

shared_memory = "/dev/shm"


class Npy:
    """Files on tmpfs, written aside and renamed: what is read is whole."""

    settings = f"numpy.save and numpy.load in {shared_memory}, renamed when whole"

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def put(self, data):
        path = f"{self.folder}/{os.getpid()}-{self.count}.npy"
        self.count += 1
        with open(path + ".temp", "wb") as file:
            np.save(file, data)
        os.replace(path + ".temp", path)
        return path

    def get(self, ref):
        return np.load(ref)

    def release(self, ref):
        os.unlink(ref)


class ProxyStore:
    """What a Store of ProxyStore does for an array, with its own serializer; its cache is off: each get is one."""

    def __init__(self, connector):
        from proxystore.store import Store

        self.store = Store(f"bench-{os.getpid()}", connector, cache_size=0)

    def put(self, data):
        return self.store.put(data)

    def get(self, ref):
        return self.store.get(ref)

    def release(self, ref):
        self.store.evict(ref)


def answer_calls(pipe, make, where):
    side = make(where)
    while True:
        try:
            call, args = pipe.recv()
        except EOFError:
            return
        pipe.send(getattr(side, call)(*args))


def side_process(make, where):
    """A process that makes a side and does what comes over the pipe: the pipe, and what ends it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=answer_calls, args=(there, make, where), daemon=True)
    process.start()
    return here, process.kill


def version(module=None):
    python = f"Python {sys.version.split()[0]}"
    return python if module is None else f"{python}, {module.__name__} {module.__version__}"


def serve(hello, run, end=lambda: None):
    """Answers each line on stdin, until it ends; then what is to be done at the end."""
    out = os.fdopen(os.dup(1), "w")
    # What a library prints is no answer.
    os.dup2(2, 1)
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                answer = hello() if asked["case"] == "hello" else run(asked)
            except Exception as error:  # told to the harness, which goes on with the others
                answer = {"error": f"{type(error).__name__}: {error}"}
            out.write(json.dumps({**answer, "case": asked["case"]}) + "\n")
            out.flush()
    finally:
        end()
