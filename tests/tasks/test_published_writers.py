"""Published decoders in the loop: their numbers, their tokens, their adapters; and bundles that others start from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import published_runs
import pytest
import torch
from published_folders import decoder
from published_runs import run

from feilun import lifecycle
from feilun.core.errors import InputError, RecipeError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.tasks import text_generation

pytestmark = pytest.mark.usefixtures("measured_shortly")
ROWS = [{**row, "follows": ("yes", "no")[place % 2]} for place, row in enumerate(text_generation.example(0)[:90])]


def recipe(tmp_path: Path, **changes: Any) -> Recipe:
    given = {"task": "text_generation", "inputs": {"told": "text"}, "target": "follows"}
    given |= {"model": {"weights": "qwen"}, "train": {"epochs": 2}}
    return published_runs.recipe(tmp_path, ROWS, **{**given, **changes})


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapter_of_a_published_decoder(tmp_path: Path) -> None:
    """Trained, exported, served after the folder is gone; what it says is what transformers says with the adapter."""
    theirs = decoder(tmp_path / "qwen")
    made = run(
        tmp_path,
        recipe(
            tmp_path,
            model={"weights": "qwen", "adapter": {"lora": {"rank": 4}}},
            train={"epochs": 10, "learning_rate": 0.02},
        ),
    )
    assert made.recipe.model.name == "decoder" and made.recipe.train.optimizer == "adamw"
    shutil.rmtree(tmp_path / "qwen")
    bundle = lifecycle.load(made.version, home=tmp_path / "home")
    feature: Any = bundle.features["text"]
    assert feature.template and feature.file == "tokenizer.json"
    assert str(tmp_path) not in (bundle.folder / "recipe.yaml").read_text("utf-8")
    answers = bundle.predict([{"told": row["told"]} for row in ROWS[:3]], max_length=12)
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(theirs, str(bundle.folder / "adapter"))
    for row, answer in zip(ROWS[:3], answers, strict=True):
        prompt = torch.from_numpy(feature.encode({"told": [row["told"]]})[0].astype(np.int64))[None]
        written = adapted.generate(
            input_ids=prompt, max_new_tokens=12, do_sample=False, eos_token_id=list(feature.stops)
        )
        assert feature.decode(written[0, prompt.shape[1] :].tolist()) == answer["text"]


def judged(tmp_path: Path, given: Recipe) -> tuple[Recipe, dict[str, Path]]:
    """Up to the scores."""
    whole = lifecycle.call("data", "resolve", given, base=tmp_path)
    (tmp_path / "home" / str(given.name)).mkdir(parents=True, exist_ok=True)
    whole = lifecycle.with_weights(whole, tmp_path / "home", tmp_path)
    folder = tmp_path / "home" / str(given.name) / "only"
    return whole, lifecycle.make_stages(
        whole, lifecycle.STAGES[:3], folder, lifecycle.Given(base=tmp_path, say=Quiet())
    )[0]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    decoder(tmp_path / "qwen")
    config = json.loads((tmp_path / "qwen" / "config.json").read_text("utf-8"))

    def wrong(change: dict[str, Any], **changes: Any) -> None:
        (tmp_path / "qwen" / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
        run(tmp_path, recipe(tmp_path, **changes))

    with pytest.raises(RecipeError, match="auto_map"):
        wrong({"auto_map": {"AutoModel": "code.Model"}})
    with pytest.raises(RecipeError, match=r"'mixtral', which is not read here. Known are bert"):
        wrong({"model_type": "mixtral"})
    with pytest.raises(RecipeError, match="see 96 tokens"):
        wrong({}, inputs={"told": {"kind": "text", "context": 200}})
    with pytest.raises(RecipeError, match="which writes texts; the task is classification"):
        wrong({}, task="classification")
    (tmp_path / "qwen" / "model.safetensors").rename(tmp_path / "qwen" / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled"):
        wrong({})
    (tmp_path / "qwen" / "tokenizer.json").unlink()
    with pytest.raises(Exception, match=r"AutoTokenizer"):
        wrong({})


def test_a_bundle_is_where_another_begins(tmp_path: Path) -> None:
    """Pre-trained on plain texts, then taught to answer: its tokens, its model, and a lower loss than from nothing."""
    rows = text_generation.example(1)[:300]
    (tmp_path / "book.jsonl").write_text(
        "".join(json.dumps({"text": f"{row['told']}\n{row['follows']}"}) + "\n" for row in rows), encoding="utf-8"
    )
    small = {"name": "decoder", "size": "tiny", "width": 48, "depth": 2, "positions": "learned", "tied": False}
    before = run(
        tmp_path,
        recipe(
            tmp_path,
            name="book",
            data={"source": "book.jsonl"},
            inputs={"text": {"kind": "text", "tokens": "characters", "context": 96}},
            target=None,
            model=small,
            train={"epochs": 4, "learning_rate": 0.004, "optimizer": "adamw"},
        ),
    )
    (tmp_path / "stories.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in text_generation.example(0)[:120]), encoding="utf-8"
    )
    plain: dict[str, Any] = {"train": {"epochs": 1, "learning_rate": 0.001, "optimizer": "adamw"}}
    plain["data"] = {"source": "stories.jsonl"}
    inputs = {"told": {"kind": "text", "context": 32}}  # fewer places than the book's model has, and than the texts
    whole = {"told": {**inputs["told"], "tokens": "characters"}}
    _, alone = judged(tmp_path, recipe(tmp_path, name="alone", model=small, inputs=whole, **plain))
    bundle = str(before.stages["deployment"] / "bundle")
    found, tuned = judged(tmp_path, recipe(tmp_path, name="tuned", model={"weights": bundle}, inputs=inputs, **plain))
    assert found.model.options["width"] == 48 and found.inputs["told"].options["context"] == 32
    known = [
        json.loads((one["data"] / "features.json").read_text("utf-8"))["text"]["known"]
        for one in (tuned, before.stages)
    ]
    assert known[0] == known[1] and known[0]
    bits = [
        json.loads((one["evaluation"] / "scores.json").read_text("utf-8"))["scores"]["bits_per_letter"]["value"]
        for one in (tuned, alone)
    ]
    assert bits[0] < 0.8 * bits[1]
    named, _ = judged(
        tmp_path, recipe(tmp_path, name="named", model={"weights": before.version}, inputs=whole, **plain)
    )
    assert named.inputs["told"].options["tokens"] == "file"
    with pytest.raises(RecipeError, match="asks for others"):
        other = {"told": {"kind": "text", "tokens": "bpe"}}
        judged(tmp_path, recipe(tmp_path, model={"weights": bundle}, inputs=other))
