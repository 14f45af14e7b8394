"""Cats and dogs with six transforms, as one writes it without a framework."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

DATA = Path(os.environ["FEILUN_DATA"]) / "cats_dogs_3k"


def read(part):
    files = [
        (path, label) for label, kind in enumerate(("cats", "dogs")) for path in (DATA / part / kind).glob("*.jpg")
    ]
    pictures = [np.asarray(Image.open(path).convert("RGB").resize((64, 64))) for path, _ in files]
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2) / 255, torch.tensor([label for _, label in files])


def changed(pictures):
    count = len(pictures)
    turn, shear = (torch.rand(count) * 2 - 1) * 0.7, (torch.rand(count) * 2 - 1) * 0.2
    zoom, flip = 1 + (torch.rand(count) * 2 - 1) * 0.2, torch.randint(0, 2, (count,)) * 2 - 1
    side, up = (torch.rand(2, count) * 2 - 1) * 0.4
    first = torch.stack([zoom * flip * turn.cos(), zoom * (-turn.sin() + shear), side], 1)
    second = torch.stack([zoom * flip * turn.sin(), zoom * turn.cos(), up], 1)
    grid = functional.affine_grid(torch.stack([first, second], 1), pictures.shape, align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


x, y = read("train")
test_x, test_y = read("test")
network = nn.Sequential(
    *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(128 * 64, 128), nn.ReLU(), nn.Linear(128, 1)),
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
for epoch in range(20):
    for rows in torch.randperm(len(x)).split(20):
        loss = functional.binary_cross_entropy_with_logits(network(changed(x[rows]))[:, 0], y[rows].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
network.eval()
with torch.no_grad():
    right = sum(
        ((network(a)[:, 0] > 0) == b).sum().item() for a, b in zip(test_x.split(100), test_y.split(100), strict=True)
    )
print(f"accuracy {right / len(test_y):.4f}")
