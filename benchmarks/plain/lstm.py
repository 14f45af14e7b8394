"""A two-layer LSTM, 200 wide, over 100 steps of ten numbers, as one writes it without a framework."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

data = np.load(Path(os.environ["STARTER_SEQUENCES"]))
x = torch.tensor(data["x"], dtype=torch.float32)
y = torch.tensor(np.stack([data[f"y{place}"] for place in range(10)], 1), dtype=torch.float32)
order = torch.randperm(len(x))
train, test = order[: len(x) * 8 // 10], order[len(x) * 8 // 10 :]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(10, 200, num_layers=2, batch_first=True)
        self.answer = nn.Linear(200, 10)

    def forward(self, steps):
        return self.answer(self.lstm(steps)[0][:, -1])


network = Network()
optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
for epoch in range(5):
    for rows in train[torch.randperm(len(train))].split(32):
        loss = nn.functional.mse_loss(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    wrong = ((network(x[test]) - y[test]) ** 2).sum(0)
spread = ((y[test] - y[test].mean(0)) ** 2).sum(0)
print(f"r2 {(1 - wrong / spread).mean().item():.4f}")
