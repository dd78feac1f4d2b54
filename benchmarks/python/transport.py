# The workload of the suite `transport` in Python: two processes simulate, two others read all that they made.
# `transport.py numpy-alone|npy|shared|proxystore|dask|ray FOLDER`, a folder in memory.

import multiprocessing.connection
import sys
import time

import media
import numpy as np

TOLERANCE = 1e-6


def simulate(period, grid, steps):
    """A circular wave: each step a field, and what it has become at the next."""
    line = np.linspace(-2 * np.pi, 2 * np.pi, grid)
    r = np.sqrt(line[:, None] ** 2 + line[None, :] ** 2)
    out = np.empty((steps, 2, grid, grid))
    omega = 2 * np.pi / period
    last = np.sin(2 * r) / (r + 1)
    for step in range(steps):
        out[step, 0] = last
        last = out[step, 1] = np.sin(2 * r - omega * (step + 1)) / (r + 1)
    return out


def read(fields):
    return sum(field.size for field in fields), float(sum(field.sum() for field in fields))


def periods_of(count):
    return [40 + 40 * index / max(1, count - 1) for index in range(count)]


class Alone:
    """Nothing travels: what is made stays, and readers have their own."""

    settings = "in memory of each process"

    def __init__(self, folder):
        self.fields = {}

    def keep(self, period, field):
        self.fields[period] = field
        return period, field.shape

    def get(self, ref):
        period, (steps, _, grid, _) = ref
        if period not in self.fields:
            self.fields[period] = simulate(period, grid, steps)
        return self.fields[period]

    def release(self, ref):
        pass


class Shared:
    """One block a field; readers look at it where it is."""

    settings = "multiprocessing.shared_memory, one block a field, read in place"

    def __init__(self, folder):
        self.blocks = {}

    def put(self, field):
        from multiprocessing.shared_memory import SharedMemory

        block = SharedMemory(create=True, size=field.nbytes)
        np.ndarray(field.shape, field.dtype, buffer=block.buf)[:] = field
        name = block.name
        block.close()
        return name, field.shape

    def get(self, ref):
        from multiprocessing.shared_memory import SharedMemory

        name, shape = ref
        # It is kept open until the next round.
        self.blocks[name] = block = SharedMemory(name=name)
        return np.ndarray(shape, np.float64, buffer=block.buf)

    def forget(self):
        for block in self.blocks.values():
            block.close()
        self.blocks = {}

    def release(self, ref):
        from multiprocessing.shared_memory import SharedMemory

        block = SharedMemory(name=ref[0])
        block.close()
        block.unlink()


class ProxyStore(media.ProxyStore):
    settings = f"Store over FileConnector in {media.shared_memory}, its own serializer, cache_size 0"

    def __init__(self, folder):
        from proxystore.connectors.file import FileConnector

        super().__init__(FileConnector(folder))


MEDIA = {"numpy-alone": Alone, "npy": media.Npy, "shared": Shared, "proxystore": ProxyStore}


class Side:
    """One process's part of the work."""

    def __init__(self, where):
        kind, folder = where
        self.medium = MEDIA[kind](folder)

    def make(self, period, grid, steps):
        field = simulate(period, grid, steps)
        return self.medium.keep(period, field) if isinstance(self.medium, Alone) else self.medium.put(field)

    def look(self, refs):
        found = read([self.medium.get(ref) for ref in refs])
        if isinstance(self.medium, Shared):
            self.medium.forget()
        return found


class Processes:
    """Four processes, asked over pipes."""

    def __init__(self, kind, folder):
        self.settings = MEDIA[kind].settings
        self.medium = MEDIA[kind](folder)
        self.pipes = [media.side_process(Side, (kind, folder))[0] for _ in range(4)]

    def make(self, tasks):
        """Each of two takes the next task as soon as it has done one."""
        waiting = list(tasks)
        refs = []
        busy = []
        for pipe in self.pipes[:2]:
            if waiting:
                pipe.send(("make", waiting.pop(0)))
                busy.append(pipe)
        while busy:
            for pipe in multiprocessing.connection.wait(busy):
                refs.append(pipe.recv())
                if waiting:
                    pipe.send(("make", waiting.pop(0)))
                else:
                    busy.remove(pipe)
        return refs

    def look(self, refs):
        for pipe in self.pipes[2:]:
            pipe.send(("look", (refs,)))
        return [pipe.recv() for pipe in self.pipes[2:]]

    def release(self, refs):
        for ref in refs:
            self.medium.release(ref)

    def end(self):
        pass


class Dask:
    settings = "four worker processes of one thread, futures as arguments, no dashboard"

    def __init__(self):
        from dask.distributed import Client, LocalCluster

        self.cluster = LocalCluster(n_workers=4, threads_per_worker=1, processes=True, dashboard_address=None)
        self.client = Client(self.cluster)
        self.workers = sorted(self.client.scheduler_info()["workers"])

    def make(self, tasks):
        from dask.distributed import wait

        one = {"pure": False, "workers": self.workers[:2], "allow_other_workers": False}
        futures = [self.client.submit(simulate, *task, **one) for task in tasks]
        wait(futures)
        return futures

    def look(self, futures):
        readers = [
            self.client.submit(read, futures, pure=False, workers=[worker], allow_other_workers=False)
            for worker in self.workers[2:]
        ]
        return self.client.gather(readers)

    def release(self, futures):
        futures.clear()

    def end(self):
        self.client.close()
        self.cluster.close()


class Ray:
    settings = "two actors that simulate, two that read, 2 GB of object store, no dashboard"

    def __init__(self):
        import ray

        ray.init(num_cpus=4, object_store_memory=2 * 10**9, include_dashboard=False, log_to_driver=False)
        self.ray = ray

        @ray.remote(num_cpus=1)
        class Maker:
            def make(self, *task):
                return simulate(*task)

        @ray.remote(num_cpus=1)
        class Looker:
            def look(self, refs):
                return read(ray.get(refs))

        self.makers = [Maker.remote() for _ in range(2)]
        self.lookers = [Looker.remote() for _ in range(2)]

    def make(self, tasks):
        waiting = list(tasks)
        busy = {maker.make.remote(*waiting.pop(0)): maker for maker in self.makers if waiting}
        refs = []
        while busy:
            (ref,), _ = self.ray.wait(list(busy), num_returns=1)
            maker = busy.pop(ref)
            refs.append(ref)
            if waiting:
                busy[maker.make.remote(*waiting.pop(0))] = maker
        return refs

    def look(self, refs):
        return self.ray.get([looker.look.remote(refs) for looker in self.lookers])

    def release(self, refs):
        refs.clear()

    def end(self):
        self.ray.shutdown()


def whole(medium, command, sums):
    count, grid, steps = (int(command[name]) for name in ("count", "grid", "steps"))
    key = (count, grid, steps)
    if key not in sums:
        sums[key] = sum(float(simulate(period, grid, steps).sum()) for period in periods_of(count))
        if isinstance(getattr(medium, "medium", None), Alone):
            medium.look([(period, (steps, 2, grid, grid)) for period in periods_of(count)])
    began = time.perf_counter()
    refs = medium.make([(period, grid, steps) for period in periods_of(count)])
    made = time.perf_counter()
    found = medium.look(refs)
    ended = time.perf_counter()
    medium.release(refs)
    expected = sums[key]
    return {
        "seconds": ended - began,
        "simulateSeconds": made - began,
        "readSeconds": ended - made,
        "samples": min(numbers for numbers, _ in found) // (2 * grid * grid),
        "wrong": sum(abs(total - expected) > TOLERANCE * max(1, abs(expected)) for _, total in found),
    }


def main():
    _, kind, folder = sys.argv
    medium = Dask() if kind == "dask" else Ray() if kind == "ray" else Processes(kind, folder)
    sums = {}
    hello = {"version": media.version(), "settings": medium.settings}
    media.serve(lambda: hello, lambda command: whole(medium, command, sums), medium.end)


if __name__ == "__main__":
    main()
