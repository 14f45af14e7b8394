"""Your own nn.Module on a table from pandas: how diabetes goes on. Run: python examples/own_network.py"""

from sklearn.datasets import load_diabetes
from torch import nn

import feilun

table = load_diabetes(as_frame=True).frame
network = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1))  # ten numbers in, one number out

run = feilun.run(table, target="target", name="diabetes", model=network, train__epochs=60)
for name, found in run.made("evaluation").scores.items():
    print(f"{name:<14} {found['value']:8.3f} [{found['low']:.3f}, {found['high']:.3f}]")
print(feilun.load("diabetes").predict(table.drop(columns="target").head(1).to_dict("records")))
print(f"Read {run.folder.relative_to(run.folder.parents[2]) / 'report.html'}")
