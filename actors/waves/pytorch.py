# The network of the waves in PyTorch: `pytorch.py` reads a line of JSON (grid, kernel, count, epochs, batch, learningRate,
# seed), then count pairs of fields in float32, and writes a line of JSON when it is ready and after each epoch.

import json
import sys
import time

import torch
from torch import nn


def say(**words):
    print(json.dumps(words), flush=True)


def network(kernel):
    layers = []
    channels = [1, 8, 16, 8, 1]
    for index in range(4):
        layers.append(nn.Conv2d(channels[index], channels[index + 1], kernel, padding="same"))
        if index < 3:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def read(count, grid):
    size = 2 * grid * grid * 4
    pairs = torch.empty(count, 2, 1, grid, grid)
    view = memoryview(pairs.view(-1).numpy()).cast("B")
    at = 0
    while at < count * size:
        got = sys.stdin.buffer.readinto(view[at:])
        if got == 0:
            sys.exit("the samples ended before the last one")
        at += got
    return pairs


def main():
    # As many trainers as cores, one thread each, is what ours do.
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    say(version=torch.__version__, device=device)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    task = json.loads(line)
    torch.manual_seed(task["seed"])
    model = network(task["kernel"]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), task["learningRate"])
    say(parameters=sum(each.numel() for each in model.parameters()))
    pairs = read(task["count"], task["grid"]).to(device)
    for epoch in range(1, task["epochs"] + 1):
        began = time.perf_counter()
        order = torch.randperm(len(pairs))
        total, seen = 0.0, 0
        for at in range(0, len(order), task["batch"]):
            chosen = pairs[order[at : at + task["batch"]]]
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(chosen[:, 0]), chosen[:, 1])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
            seen += len(chosen)
        say(epoch=epoch, loss=total / seen, samples=seen, seconds=time.perf_counter() - began)


main()
