"""Pictures of 28 x 28 through two convolutions, as one writes it without a framework."""

import gzip
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

DATA = Path(os.environ["FEILUN_DATA"]) / "mnist"
ROWS = 12_000


def read(name, skip):
    with gzip.open(DATA / name) as file:
        return torch.tensor(np.frombuffer(file.read(), np.uint8, offset=skip).copy())


x = read("train-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28)[:ROWS] / 255
y = read("train-labels-idx1-ubyte.gz", 8).long()[:ROWS]
test_x = read("t10k-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28) / 255
test_y = read("t10k-labels-idx1-ubyte.gz", 8).long()
network = nn.Sequential(
    *(nn.Conv2d(1, 10, 3), nn.ReLU(), nn.Conv2d(10, 10, 3), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Linear(10 * 12 * 12, 10)),
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
for epoch in range(5):
    for rows in torch.randperm(len(x)).split(64):
        loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"accuracy {(network(test_x).argmax(1) == test_y).float().mean().item():.4f}")
