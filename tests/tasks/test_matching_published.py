"""Published weights as they are: no epoch, and the vectors are those of the published network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertModel

sys.path.insert(0, str(Path(__file__).parents[1] / "parts" / "models"))
from test_pretrained import published, rows

from feilun import lifecycle
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe


def recipe(**keys: Any) -> Recipe:
    made = {"name": "my", "task": "matching", "data": {"source": "rows.csv"}, "target": "label"}
    evaluate, train = {"bootstrap": 100}, {"epochs": 0}
    return Recipe.model_validate({**made, "inputs": {"text": "text"}, "evaluate": evaluate, "train": train, **keys})


def test_without_training_the_vectors_are_the_published_ones(tmp_path: Path) -> None:
    """Mean of the states, of length 1; texts of many lengths, read a few at a time."""
    folder = published(tmp_path / "bert")
    rows(tmp_path / "rows.csv")
    run = lifecycle.run_recipe(recipe(model={"weights": "bert"}), home=tmp_path / "home", base=tmp_path)
    assert json.loads((run.stages["training"] / "curves.json").read_text(encoding="utf-8")) == []
    assert (run.folder / "report.html").is_file()
    texts = ["fine a b", "c", "cold 1 2 3 a b c d e", "e e"] * 40
    bundle = lifecycle.load("my", home=tmp_path / "home")
    answers = bundle.predict([{"text": text} for text in texts], embedding=True, top_k=2)
    network = BertModel.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    for text, said in list(zip(texts, answers, strict=True))[:4]:
        with torch.no_grad():
            states = network(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state
        expected = torch.nn.functional.normalize(states.mean(1), dim=1)[0].numpy()
        assert np.abs(np.array(said["embedding"]) - expected).max() < 1e-5
        assert len(said["matches"]) == 2
    [unknown] = bundle.predict([{"text": "天气 天气"}])
    assert unknown == {"matches": [], "reason": "no piece of the text is known"}


def test_no_epoch_and_no_weights_is_told_before_anything_is_read(tmp_path: Path) -> None:
    rows(tmp_path / "rows.csv")
    with pytest.raises(RecipeError, match="there are none to take"):
        lifecycle.run_recipe(recipe(model="bag"), home=tmp_path, base=tmp_path)
