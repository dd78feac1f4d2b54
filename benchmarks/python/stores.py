# The workload of the suite `stores` in Python: numpy.save and numpy.load on tmpfs and ProxyStore's Redis connector between
# two processes, and Ray's object store between a driver and an actor. `stores.py numpy FOLDER`, `ray` or `proxystore HOST:PORT`.

import importlib
import os
import sys
import time

import media
import numpy as np

# For so long a tensor is got again and again.
AGAIN_SECONDS = 0.002


def pattern(size):
    data = (np.arange(size // 8) % 1000).astype(np.float64)
    data[0] = 0
    return data


class ProxyStore(media.ProxyStore):
    settings = "Store over RedisConnector, its own serializer, cache_size 0"

    def __init__(self, where):
        from proxystore.connectors.redis import RedisConnector

        host, port = where.rsplit(":", 1)
        super().__init__(RedisConnector(host, int(port)))


class Ray:
    settings = "ray.put and ray.get, 4 GB of object store, no dashboard; a get copies nothing"

    def __init__(self):
        import ray

        self.ray = ray

    def put(self, data):
        return self.ray.put(data)

    def get(self, ref):
        return self.ray.get(ref)

    def release(self, ref):
        pass


class Side:
    """One process's part of the work."""

    def __init__(self, medium):
        self.medium = medium

    def put(self, size, first, count):
        data = pattern(size)
        refs = []
        for serial in range(first, first + count):
            data[0] = serial
            refs.append(self.medium.put(data))
        return refs

    def check(self, refs, first):
        check = 0.0
        misplaced = 0
        for index, ref in enumerate(refs):
            data = self.medium.get(ref)
            check += float(data.sum())
            misplaced += int(data[0] != first + index)
        return {"count": len(refs), "check": check, "misplaced": misplaced}


def together(a, b):
    return {key: a[key] + b[key] for key in a}


def put(own, partner, size, count, small):
    data = pattern(size)
    spent = 0.0
    cpu = 0.0
    cold = 0.0
    found = {"count": 0, "check": 0.0, "misplaced": 0}
    kept = []
    if not small:
        data[0] = 1
        start = time.perf_counter()
        ref = own.medium.put(data)
        cold = time.perf_counter() - start
        found["misplaced"] = partner("check", [ref], 1)["misplaced"]
        own.medium.release(ref)
        ref = None
    for serial in range(1, count + 1):
        data[0] = serial
        before = time.process_time()
        start = time.perf_counter()
        ref = own.medium.put(data)
        spent += time.perf_counter() - start
        cpu += time.process_time() - before
        kept.append(ref)
        if not small or serial == count:
            found = together(found, partner("check", kept, serial + 1 - len(kept)))
            for each in kept:
                own.medium.release(each)
            kept = []
            ref = None
    return {"seconds": spent, "cpuSeconds": cpu, "coldSeconds": cold, **found}


def make(own, partner, size, count, small):
    block = np.arange(1000, dtype=np.float64)
    block[0] = 0
    data = np.empty(size // 8)
    spent = 0.0
    cpu = 0.0
    found = {"count": 0, "check": 0.0, "misplaced": 0}
    for serial in range(count + 1):
        before = time.process_time()
        start = time.perf_counter()
        data.reshape(-1, len(block))[:] = block
        data[0] = serial
        ref = own.medium.put(data)
        one = time.perf_counter() - start
        one_cpu = time.process_time() - before
        seen = partner("check", [ref], serial)
        if serial > 0:
            spent += one
            cpu += one_cpu
            found = together(found, seen)
        else:
            found["misplaced"] = seen["misplaced"]
        own.medium.release(ref)
        ref = None
    return {"seconds": spent, "cpuSeconds": cpu, **found}


def get(own, partner, size, count, small):
    spent = 0.0
    cpu = 0.0
    reading = 0.0
    again = 0.0
    again_count = 0
    found = {"count": 0, "check": 0.0, "misplaced": 0}
    together_count = count if small else 1
    for first in range(1, count + 1, together_count):
        refs = partner("put", size, first, together_count)
        for index, ref in enumerate(refs):
            before = time.process_time()
            start = time.perf_counter()
            data = own.medium.get(ref)
            middle = time.perf_counter()
            cpu += time.process_time() - before
            total = float(data.sum())
            reading += time.perf_counter() - start
            spent += middle - start
            one = {"count": 1, "check": total, "misplaced": int(data[0] != first + index)}
            found = together(found, one)
            data = None
            start = time.perf_counter()
            while not small:
                own.medium.get(ref)
                again_count += 1
                if time.perf_counter() - start >= AGAIN_SECONDS:
                    break
            again += time.perf_counter() - start
        for ref in refs:
            own.medium.release(ref)
        refs = ref = None
    times = {"seconds": spent, "cpuSeconds": cpu, "readSeconds": reading, "againSeconds": again}
    return {**times, "againCount": again_count, **found}


class NpySide(Side):
    def __init__(self, folder):
        super().__init__(media.Npy(folder))


class ProxyStoreSide(Side):
    def __init__(self, where):
        super().__init__(ProxyStore(where))


def process_partner(make, where):
    pipe, end = media.side_process(make, where)

    def partner(call, *args):
        pipe.send((call, args))
        return pipe.recv()

    return make(where), partner, end


def ray_partner():
    import ray

    os.environ["RAY_DEDUP_LOGS"] = "0"
    ray.init(
        num_cpus=2,
        object_store_memory=4 * 10**9,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )

    @ray.remote
    class Actor:
        def __init__(self):
            self.side = Side(Ray())

        def put(self, *args):
            return self.side.put(*args)

        def check(self, *args):
            return self.side.check(*args)

    actor = Actor.remote()

    def partner(call, *args):
        return ray.get(getattr(actor, call).remote(*args))

    return Side(Ray()), partner, ray.shutdown


def main():
    library = sys.argv[1]
    partners = {
        "ray": ray_partner,
        "numpy": lambda: process_partner(NpySide, sys.argv[2]),
        "proxystore": lambda: process_partner(ProxyStoreSide, sys.argv[2]),
    }
    settings = {"ray": Ray, "numpy": media.Npy, "proxystore": ProxyStore}[library].settings
    parts = []

    def run(asked):
        if not parts:
            parts.extend(partners[library]())
        own, partner, _ = parts
        work = {"put": put, "make": make}.get(asked["case"].split("-")[0], get)
        return work(own, partner, asked["bytes"], asked["count"], asked["inFlight"] > 1)

    def end():
        if parts:
            parts[2]()

    version = media.version(importlib.import_module(library))
    media.serve(lambda: {"version": version, "settings": settings}, run, end)


if __name__ == "__main__":
    main()
