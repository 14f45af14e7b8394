"""Published encoder-decoders in the loop: as they come, they write what transformers writes; trained on, served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import published_runs
import pytest
import torch
from published_runs import run

from feilun import lifecycle
from feilun.core.errors import DataError, InputError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.features import published_pieces
from feilun.tasks import translation
from translator_folders import marian, t5

pytestmark = pytest.mark.usefixtures("measured_shortly")
ROWS = translation.example(0)[:60]


def recipe(tmp_path: Path, **changes: Any) -> Recipe:
    given = {"task": "translation", "inputs": {"english": "text"}, "target": "german"}
    given |= {"model": {"weights": "published"}, "train": {"epochs": 0}}
    return published_runs.recipe(tmp_path, ROWS, **{**given, **changes})


def check_answers(model: Any, bundle: Any, texts: list[str]) -> None:
    """That transformers, which starts from the published numbers, writes the same tokens."""
    source, target = bundle.features["source"], bundle.features["target"]
    order = published_pieces.order(target.reserved, target.vocabulary_size)
    never = [[token] for token in {*order[:3], *range(max(order) + 1, model.config.vocab_size)}]
    answers = bundle.predict([{"english": text} for text in texts], max_length=15, min_length=6)
    for text, answer in zip(texts, answers, strict=True):
        asked = torch.tensor([[order[number] for number in source.encode({"english": [text]})[0]]])
        written = model.generate(
            input_ids=asked,
            max_new_tokens=15,
            min_new_tokens=6,
            do_sample=False,
            num_beams=1,
            bad_words_ids=never,
        )
        ours = [order.index(number, 3) for number in written[0, 1:].tolist()]
        assert target.decode(ours) == answer["text"] and answer["text"]


@pytest.mark.parametrize("make", [t5, marian])
def test_as_it_comes_it_writes_what_transformers_writes(tmp_path: Path, make: Any) -> None:
    """From the bundle, after the folder is gone."""
    model = make(tmp_path / "published")
    made = run(tmp_path, recipe(tmp_path))
    assert made.recipe.model.name == "encoder_decoder" and made.recipe.train.learning_rate == 5e-5
    shutil.rmtree(tmp_path / "published")
    bundle = lifecycle.load(made.version, home=tmp_path / "home")
    assert str(tmp_path) not in (bundle.folder / "recipe.yaml").read_text("utf-8")
    check_answers(model, bundle, [row["english"] for row in ROWS[:4]])
    searched = bundle.predict([{"english": "we see dogs"}], beams=3, max_length=5)
    assert len(searched) == 1


def test_trained_on_with_a_prefix_tags_and_an_adapter(tmp_path: Path) -> None:
    """Tags are new tokens behind the published ones, of the text that is read alone."""
    t5(tmp_path / "published")
    given = recipe(
        tmp_path,
        inputs={"english": {"kind": "text", "prefix": "translate: "}, "into": "category"},
        model={"weights": "published", "dropout": 0.0, "adapter": {"lora": {"rank": 4}}},
        train={"epochs": 6, "learning_rate": 0.02},
    )
    rows = [{**row, "into": ("de", "en")[place % 2]} for place, row in enumerate(ROWS)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = run(tmp_path, given)
    curves = json.loads((made.stages["training"] / "curves.json").read_text("utf-8"))
    assert curves[-1]["loss"] < 0.9 * curves[0]["loss"]
    bundle = lifecycle.load(made.version, home=tmp_path / "home")
    source, target = bundle.features["source"], bundle.features["target"]
    assert (bundle.folder / "adapter").is_dir() and source.prefix == "translate: "
    assert source.vocabulary_size == target.vocabulary_size + 2
    asked = [{"english": "we see dogs", "into": tag} for tag in ("de", "en")]
    answers = bundle.predict(asked, max_length=5)
    assert answers[0]["confidence"] != answers[1]["confidence"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    t5(tmp_path / "published")
    folder = tmp_path / "published"
    config = json.loads((folder / "config.json").read_text("utf-8"))

    def wrong(change: dict[str, Any], **changes: Any) -> None:
        (folder / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
        run(tmp_path, recipe(tmp_path, **changes))

    with pytest.raises(RecipeError, match="auto_map"):
        wrong({"auto_map": {"AutoModel": "code.Model"}})
    with pytest.raises(RecipeError, match="writes one text from another; the task is classification"):
        wrong({}, task="classification")
    with pytest.raises(RecipeError, match="is a bert, which reads texts and writes none; the task is translation"):
        wrong({"model_type": "bert"})
    with pytest.raises(RecipeError, match="is a gpt2, which writes texts; the task is translation"):
        wrong({"model_type": "gpt2"})
    tokens = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    more = {**tokens["model"], "vocab": [*tokens["model"]["vocab"], *([f"new{place}", -9.0] for place in range(9))]}
    (folder / "tokenizer.json").write_text(json.dumps({**tokens, "model": more}), encoding="utf-8")
    with pytest.raises(RecipeError, match="their table has"):
        wrong({})
    (folder / "tokenizer.json").write_text(
        json.dumps({**tokens, "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}), encoding="utf-8"
    )
    with pytest.raises(DataError, match="WordLevel"):
        wrong({})
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"source\.spm"):
        wrong({})
    (folder / "tokenizer.json").write_text(json.dumps(tokens), encoding="utf-8")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled"):
        wrong({})
