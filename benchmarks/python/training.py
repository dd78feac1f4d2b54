# The workload of the suite `training` in Python: the same network in PyTorch, one thread. `training.py LAYOUT`, which is
# `default` or `channels-last`.

import math
import sys
import time

import media
import torch
from torch import nn


def network(kernel):
    layers = []
    channels = [1, 8, 16, 8, 1]
    for index in range(4):
        layers.append(nn.Conv2d(channels[index], channels[index + 1], kernel, padding="same"))
        if index < 3:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Training:
    """One network and its data for each size; each round is an epoch."""

    def __init__(self, count, grid, kernel, layout):
        torch.manual_seed(1)
        self.network = network(kernel).to(memory_format=layout)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.inputs = (torch.rand(count, 1, grid, grid) * 2 - 1).to(memory_format=layout)
        self.targets = self.inputs / 2

    def epoch(self, batch):
        order = torch.randperm(len(self.inputs))
        total = 0.0
        for at in range(0, len(order), batch):
            chosen = order[at : at + batch]
            self.optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.network(self.inputs[chosen]), self.targets[chosen])
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(chosen)
        return total / len(order)


def main():
    layout = {"default": torch.contiguous_format, "channels-last": torch.channels_last}[sys.argv[1]]
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    trainings = {}
    hello = {"version": media.version(torch), "settings": f"one thread, {sys.argv[1]} layout"}

    def run(command):
        count, grid, kernel = key = tuple(int(command[name]) for name in ("count", "grid", "kernel"))
        if key not in trainings:
            trainings[key] = Training(count, grid, kernel, layout)
        began, busy = time.perf_counter(), time.process_time()
        loss = trainings[key].epoch(int(command["batch"]))
        return {
            "seconds": time.perf_counter() - began,
            "cpuSeconds": time.process_time() - busy,
            "count": count,
            "loss": loss if math.isfinite(loss) else -1,
        }

    media.serve(lambda: hello, run)


main()
