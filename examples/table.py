"""A table from pandas: which of 569 tumours are malignant. Run: python examples/table.py"""

from sklearn.datasets import load_breast_cancer

import feilun

table = load_breast_cancer(as_frame=True).frame
table["target"] = table["target"].map({0: "malignant", 1: "benign"})

run = feilun.run(table, target="target", name="tumours", train__epochs=10)
found = run.made("evaluation").scores["accuracy"]
print(f"{run.version}: {found['value']:.1%} right, 95 % interval [{found['low']:.1%}, {found['high']:.1%}]")

model = feilun.load("tumours")
print(model.predict(table.drop(columns="target").head(2).to_dict("records")))
print("Next: feilun serve tumours")
