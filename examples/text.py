"""Texts from Python lists: does a guest praise or complain? Run: python examples/text.py"""

import itertools

import feilun

GOOD = ("clean", "friendly", "quiet", "lovely", "tasty", "fast", "bright", "cosy")
BAD = ("dirty", "rude", "noisy", "awful", "cold", "slow", "dark", "broken")
THINGS = ("the room was {}", "{} staff", "we found the breakfast {}", "a {} lobby", "the lift is {}", "what a {} bath")

texts, labels = [], []
for words, label in ((GOOD, "praise"), (BAD, "complaint")):
    for thing, one, other in itertools.product(THINGS, words, words):
        texts.append(f"{thing.format(one)}, and the stay was {other}")
        labels.append(label)

run = feilun.run({"text": texts, "label": labels}, target="label", name="guests", model="bag", train__epochs=8)
print(run.version, run.made("evaluation").facts["verdict"]["words"])
print(feilun.load("guests").predict([{"text": "friendly staff, and the stay was quiet"}]))
