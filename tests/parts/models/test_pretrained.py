"""A published text encoder from a local folder: its weights, its tokenizer, its answers; served without it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from feilun import lifecycle
from feilun.core.errors import InputError, RecipeError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.parts.features.text import Text
from feilun.parts.models import pretrained

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*MARKS, *list("abcde"), "fine", "cold", *map(str, range(10)), "##0"]


def published(folder: Path, words: list[str] = WORDS) -> Path:
    """A tiny BERT with random weights, as a hub would give it: padding and truncation of the tokenizer included."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [(mark, words.index(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=marks)
    tokenizer.add_special_tokens(words[:5])
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def rows(path: Path) -> Path:
    """Short texts of two kinds."""
    draw = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for number in range(60):
            filler = " ".join(draw.choice(list("abcde"), size=int(draw.integers(1, 9))))
            out.writerow([f"{filler} {('fine', 'cold')[number % 2]} {number}", ("yes", "no")[number % 2]])
    return path


def test_from_the_folder_to_answers_without_it(tmp_path: Path) -> None:
    """Trained, exported, packed; then the folder is deleted, and predict.py answers without torch and transformers."""
    folder = published(tmp_path / "bert")
    rows(tmp_path / "rows.csv")
    recipe = Recipe.model_validate(
        {
            "name": "my",
            "data": {"source": "rows.csv"},
            "target": "label",
            "inputs": {"text": "text"},
            "model": {"weights": "bert", "adapter": {"lora": {"rank": 2}}},
            "train": {"epochs": 8, "batch_size": 8, "learning_rate": 0.02, "patience": None},
            "evaluate": {"bootstrap": 100},
        }
    )
    run = lifecycle.run_recipe(recipe, home=tmp_path / "home", base=tmp_path)
    assert run.recipe.model.name == "pretrained"
    assert run.recipe.inputs["text"].options["max_length"] == 24
    shutil.rmtree(folder)
    bundle = run.stages["deployment"] / "bundle"
    features = json.loads((bundle / "features.json").read_text("utf-8"))["text"]
    assert features["tokenizer"] and features["file"] == "tokenizer.json"
    (tmp_path / "ask.json").write_text(json.dumps([{"text": "a fine b"}, {"text": "c cold"}]), encoding="utf-8")
    code = f"""
import runpy, sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "peft", "datasets"):
            raise ImportError(name)
sys.meta_path.insert(0, Forbidden())
sys.argv = ["predict.py", {str(tmp_path / "ask.json")!r}]
runpy.run_path({str(bundle / "predict.py")!r}, run_name="__main__")
"""
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    here = lifecycle.load(run.version, home=tmp_path / "home").predict([{"text": "a fine b"}, {"text": "c cold"}])
    for ours, theirs in zip(json.loads(said.stdout), here, strict=True):
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)


def test_states_are_those_of_the_published_model(tmp_path: Path) -> None:
    """Ours, with padding of another length and an explicit mask, against BertModel as it is; 1e-5 for float32."""
    folder = published(tmp_path / "bert")
    theirs = BertModel.from_pretrained(folder).eval()
    config = json.loads((folder / "config.json").read_text("utf-8"))
    feature = Text(columns=("text",), tokens="file", file=str(folder / "tokenizer.json")).fit({"text": ["a"]})
    ours = pretrained.encoder(pretrained.Pretrained(config=config), feature).eval()
    ours.network.load_state_dict(theirs.state_dict(), strict=False)
    tokens = torch.tensor([[2, 5, 6, 7, 3, 0, 0, 0], [2, 8, 3, 0, 0, 0, 0, 0]])
    length = torch.tensor([5, 3])
    with torch.no_grad():
        made = ours.states(tokens, length)
        there = theirs(input_ids=tokens, attention_mask=(tokens > 0).long()).last_hidden_state
        pooled = ours(tokens, length)
    for row, count in enumerate(length.tolist()):
        assert torch.allclose(made[row, :count], there[row, :count], atol=1e-5)
        assert torch.allclose(pooled[row], there[row, :count].mean(0), atol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "distilbert"])
def test_states_of_the_relatives_of_bert(tmp_path: Path, kind: str) -> None:
    """RoBERTa's places begin behind its padding, DistilBERT has no types; padding of ours is number 0 everywhere."""
    from transformers import AutoConfig, AutoModel

    sizes = {"vocab_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24}
    sizes |= {"hidden_size": 16, "intermediate_size": 32} if kind != "distilbert" else {"dim": 16, "hidden_dim": 32}
    torch.manual_seed(0)
    theirs = AutoModel.from_config(AutoConfig.for_model(kind, **sizes)).eval()
    config = theirs.config.to_dict()
    feature = Text(columns=("text",), tokens="characters", vocabulary=20).fit({"text": ["abc"]})
    ours = pretrained.encoder(pretrained.Pretrained(config=config), feature).eval()
    ours.network.load_state_dict(theirs.state_dict(), strict=False)
    tokens, length = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]]), torch.tensor([5, 3])
    with torch.no_grad():
        made = ours.states(tokens, length)
        for row, count in enumerate(length.tolist()):
            there = theirs(input_ids=tokens[row : row + 1, :count]).last_hidden_state[0]
            assert torch.allclose(made[row, :count], there, atol=1e-5)


def test_its_tokenizer_marks_cuts_and_takes_no_orders(tmp_path: Path) -> None:
    """[CLS] and [SEP] stay when a text is cut, no padding is added, and "[MASK]" in a text is text."""
    folder = published(tmp_path / "bert")
    plain = Text(columns=("text",), tokens="file", file=str(folder / "tokenizer.json"), max_length=5, lowercase=False)
    feature = plain.fit({"text": ["a"]})
    made = feature.encode({"text": ["A b", "a b c d e a b", "[MASK]", None]})
    assert made[0].tolist() == [2, 5, 6, 3]
    assert made[1].tolist() == [2, 5, 6, 7, 3]
    assert 4 not in made[2].tolist()
    assert made[3].tolist() == [2, 3]
    assert feature.mask_number == 4
    again = Text(**feature.to_json())
    assert again.encode({"text": ["A b"]})[0].tolist() == [2, 5, 6, 3]


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    folder = published(tmp_path / "bert")
    feature = Text(columns=("text",), tokens="file", file=str(folder / "tokenizer.json")).fit({"text": ["a"]})
    with pytest.raises(RecipeError, match="gpt2"):
        pretrained.encoder(pretrained.Pretrained(config={"model_type": "gpt2"}), feature)
    small = {"model_type": "bert", "vocab_size": 3}
    with pytest.raises(RecipeError, match="tokens"):
        pretrained.encoder(pretrained.Pretrained(config=small), feature)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    rows(tmp_path / "rows.csv")
    given = {"name": "my", "data": {"source": "rows.csv"}, "target": "label", "model": {"weights": "bert"}}
    with pytest.raises(InputError, match="safetensors"):
        lifecycle.run_recipe(Recipe.model_validate(given), home=tmp_path / "home", base=tmp_path, say=Quiet())


def test_a_missing_extra_names_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    feature = Text(columns=("text",), tokens="words").fit({"text": ["a"]})
    with pytest.raises(InputError, match=r"pip install 'feilun\[pretrained\]'"):
        pretrained.encoder(pretrained.Pretrained(config={"model_type": "bert", "vocab_size": 9}), feature)
