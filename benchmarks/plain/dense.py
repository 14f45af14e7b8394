"""A table through dense layers of 64 and 32, as one writes it without a framework."""

import os
from pathlib import Path

import pandas
import torch
from torch import nn

table = pandas.read_csv(Path(os.environ["FEILUN_DATA"]) / "california_housing" / "california_housing.csv")
y = torch.tensor(table.pop("median_house_value").to_numpy(), dtype=torch.float32)
x = pandas.get_dummies(table, dtype=float)
x = torch.tensor(x.fillna(x.median()).to_numpy(), dtype=torch.float32)
order = torch.randperm(len(x))
train, test = order[: len(x) * 8 // 10], order[len(x) * 8 // 10 :]
x = (x - x[train].mean(0)) / x[train].std(0)
mean, deviation = y[train].mean(), y[train].std()
network = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
for epoch in range(20):
    for rows in train[torch.randperm(len(train))].split(32):
        loss = nn.functional.mse_loss(network(x[rows])[:, 0], (y[rows] - mean) / deviation)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    said = network(x[test])[:, 0] * deviation + mean
print(f"rmse {((said - y[test]) ** 2).mean().sqrt().item():.0f}")
