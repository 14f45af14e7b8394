"""The evaluation and optimization stages on a task so simple that every score is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core import manifest
from feilun.core.discover import feature
from feilun.core.errors import DataError, RecipeError
from feilun.core.manifest import Manifest, read_json
from feilun.core.progress import Heard
from feilun.core.recipe import Recipe
from feilun.core.task import Graph, Picture, Score, Task
from feilun.core.work import Made, Work
from feilun.parts import dataset
from feilun.parts.bundle import state as states
from feilun.stages.evaluation import verbs as evaluation
from feilun.stages.optimization import verbs as optimization

RECIPE = {
    "name": "vorzeichen",
    "task": "classification",
    "inputs": {"温度.1": "number", "other": "number"},
    "target": "答案",
    "model": "linear",
    "evaluate": {"bootstrap": 100},
}


def build(recipe: Recipe, features: Any) -> dict[str, Any]:
    from torch import nn

    class Sign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, **batch: Any) -> dict[str, Any]:
            import torch

            return {"logits": self.layer(torch.cat([batch["温度.1"], batch["other"]], 1))}

    return {"main": Sign()}


def graphs(networks: Any, batch: Any) -> dict[str, Graph]:
    inputs = {name: batch[name] for name in ("温度.1", "other")}
    axes = {name: {0: "batch"} for name in (*inputs, "logits")}
    return {"main": Graph(module=networks["main"], inputs=inputs, outputs=("logits",), axes=axes)}


def answer(run: Any, inputs: Any, features: Any, state: Any, **options: Any) -> list[Any]:
    logits = run("main", **inputs)["logits"]
    return [{"label": state["labels"][int(row.argmax())], "probability": float(row.max())} for row in logits]


def settle(run: Any, rows: Any, features: Any, recipe: Recipe) -> dict[str, Any]:
    assert sorted(rows) == ["train", "validation"]  # never gate or test rows
    return {"labels": ["否", "是"], "seen": np.array([len(rows["validation"]["_id"])])}


def scores(answers: Any, truths: Any, recipe: Any) -> dict[str, Score]:
    right = np.array([a["label"] == t for a, t in zip(answers, truths, strict=True)], np.float64)
    return {
        "accuracy": Score(rows=right, unit="%"),
        "spread": Score(statistic=lambda index: float(right[index].std()), better="lower"),
    }


def baselines(rows: Any, recipe: Any) -> dict[str, Any]:
    assert rows["答案"]  # training rows have the target

    def constant(label: str) -> Any:
        def answered(given: Any) -> list[Any]:
            assert "答案" not in given  # test rows must not
            return [{"label": label}] * len(given["other"])

        return answered

    return {"always_yes": constant("是"), "always_no": constant("否")}


def pictures(answers: Any, truths: Any, rows: Any, recipe: Any) -> list[Picture]:
    return [
        Picture(title="表", where="Mistakes", svg="<svg viewBox='0 0 1 1'><script>alert(1)</script></svg>", png=b"")
    ]


TASK = Task(
    summary="Which sign a number has",
    example=lambda seed: [],
    example_recipe={},
    features=lambda recipe: {
        "温度.1": feature("number", columns=("温度.1",), transform="standard"),
        "other": feature("number", columns=("other",), transform="standard"),
        "target": feature("category", columns=("答案",), target=True),
    },
    build=build,
    objective=lambda *given: None,  # type: ignore[arg-type, return-value]
    graphs=graphs,
    settle=settle,
    answer=answer,
    truth=lambda row, recipe: row["答案"],
    correct=lambda row, told, recipe: row,
    scores=scores,
    paired="accuracy",
    baselines=baselines,
    pictures=pictures,
)


def stages(folder: Path, weights: Any, test_rows: int = 100) -> dict[str, Path]:
    """Finished data and training stages; the weights are given, so that the right answers are known."""
    from datasets import Dataset

    from feilun.parts.engine import weights as saving

    rng = np.random.default_rng(0)
    size = 300 + test_rows
    values = rng.normal(size=size)
    columns = {
        "温度.1": values.tolist(),
        "other": rng.normal(size=size).tolist(),
        "答案": ["是" if value > 0 else "否" for value in values],
        "_id": [f"r{place}" for place in range(size)],
    }
    splits = np.array([0] * 200 + [1] * 50 + [2] * 50 + [3] * test_rows, np.int8)
    recipe = Recipe.model_validate(RECIPE)
    made = {stage: folder / "vorzeichen" / "1" / stage for stage in ("data", "training", "evaluation", "optimization")}
    for path in made.values():
        path.mkdir(parents=True)
    profile = [
        {"column": name, "kind": "number", "role": "input", "missing": 0, "distinct": 9, "why": "<i>"}
        for name in columns
    ]
    dataset.write(
        made["data"], Dataset.from_dict(columns), splits, np.zeros(size, np.int16), TASK.features(recipe), profile
    )
    networks = build(recipe, {})
    import torch

    with torch.no_grad():
        networks["main"].layer.weight.copy_(torch.tensor(weights))
        networks["main"].layer.bias.zero_()
    saving.save(networks, made["training"] / saving.FILE)
    manifest.write_json(
        made["training"] / "curves.json", [{"epoch": e, "loss": 1 / e, "validation_loss": 2 / e} for e in (1, 2)]
    )
    for stage in ("data", "training"):
        finish(made, stage, Made(facts={"notes": ["<script>alert(2)</script>"]}))
    return made


def finish(made: dict[str, Path], stage: str, what: Made) -> None:
    found = Manifest(
        kind=stage, key="k" * 64, scores=what.scores, facts=what.facts, files=manifest.hash_files(made[stage])
    )
    manifest.write(made[stage], found)


def work(made: dict[str, Path], stage: str, say: Heard | None = None, **changes: Any) -> Work:
    order = list(made)
    return Work(
        recipe=Recipe.model_validate({**RECIPE, **changes}),
        task=TASK,
        folder=made[stage],
        before={name: made[name] for name in order[: order.index(stage)]},
        say=say or Heard(),
        base=made["data"],
        version=1,
    )


RIGHT = [[-9.0, 0.0], [9.0, 0.0]]  # the sign of the first column, past any standardisation of zero-mean numbers


def test_a_perfect_network_scores_one_beside_both_baselines(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    say = Heard()
    what = evaluation.make(work(made, "evaluation", say))
    found = read_json(made["evaluation"] / "scores.json")
    assert found["main"] == "accuracy" and found["n"] == 100
    assert found["scores"]["accuracy"]["value"] > 0.94  # a fitted mean moves the border a little
    assert set(found["baselines"]) == {"always_yes", "always_no"}
    assert {gap["words"] for gap in found["against"].values()} == {"clearly better"}
    assert what.facts["verdict"]["level"] == "good" and next(iter(what.scores)) == "accuracy"
    assert say.lines[0] == "accuracy, 100 untouched rows" and "this model (linear)" in say.lines[1]
    lines = [json.loads(line) for line in (made["evaluation"] / "answers.jsonl").read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == [f"r{place}" for place in range(300, 400)]
    assert lines[0]["truth"] in ("是", "否") and "label" in lines[0]["answer"]
    state = states.load(made["evaluation"])
    assert state["labels"] == ["否", "是"] and state["seen"].tolist() == [50]


def test_a_network_that_is_always_wrong_is_called_so(tmp_path: Path) -> None:
    made = stages(tmp_path, [[9.0, 0.0], [-9.0, 0.0]])
    what = evaluation.make(work(made, "evaluation"))
    assert read_json(made["evaluation"] / "scores.json")["scores"]["accuracy"]["value"] < 0.06
    assert what.facts["verdict"]["level"] == "bad" and "always" in what.facts["verdict"]["words"]
    wrong = read_json(made["evaluation"] / "examples.json")["wrong"]
    assert all(row["answer"]["label"] != row["truth"] for row in wrong)


def test_no_test_rows_and_an_unknown_score_are_the_users_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no test rows"):
        evaluation.make(work(stages(tmp_path / "a", RIGHT, test_rows=0), "evaluation"))
    with pytest.raises(RecipeError, match=r"'bleu'.*accuracy, spread"):
        evaluation.make(work(stages(tmp_path / "b", RIGHT), "evaluation", evaluate={"score": "bleu"}))


def test_the_report_escapes_data_and_stands_alone(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    finish(made, "evaluation", evaluation.make(work(made, "evaluation")))
    finish(made, "optimization", optimization.make(work(made, "optimization")))
    path = evaluation.report(tmp_path / "vorzeichen" / "1", made, Recipe.model_validate(RECIPE))
    page = path.read_text("utf-8")
    assert path == tmp_path / "vorzeichen" / "1" / "report.html"
    assert page == (tmp_path / "vorzeichen" / "report.html").read_text("utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;i&gt;" in page
    assert "http:" not in page and "https:" not in page and len(page) < 3_000_000
    for word in (
        "Use it",
        "温度.1",
        "always yes",
        "int8",
        "Loss by epoch",
        "训练</span> 200",
        "Reproduce",
        "vorzeichen@1",
    ):
        assert word in page, word


def test_the_report_needs_no_stage_at_all(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    page = evaluation.report(tmp_path / "1", {}, Recipe.model_validate(RECIPE)).read_text("utf-8")
    assert "Not judged yet" in page


def test_the_card_says_what_is_known_and_what_is_not(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    evaluation.make(work(made, "evaluation"))
    card = (made["evaluation"] / "card.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: feilun") and "pipeline_tag: tabular-classification" in card
    for word in ("## Owner\n\nnot stated", "train 200", "always yes", "100 test rows", "Parent: none", "seed 0"):
        assert word in card, word


def test_every_variant_is_measured_and_the_same_answers_come_out(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    evaluation.make(work(made, "evaluation"))
    what = optimization.make(work(made, "optimization"))
    found = read_json(made["optimization"] / "variants.json")
    assert found["chosen"] == what.facts["chosen"] == "fp32"
    assert found["variants"]["fp32"]["agreement"] == 1.0
    assert found["variants"]["fp32"]["score"]["value"] == found["variants"]["torch"]["score"]["value"]
    assert found["graphs"]["main"]["inputs"]["温度.1"]["axes"][0] == "batch"
    assert (made["optimization"] / "graphs" / "main.onnx").stat().st_size == found["variants"]["fp32"]["size_bytes"]
    assert "int8" in found["variants"] or "why_not" in found["graphs"]["main"]["int8"]


def test_without_quantizing_there_is_no_int8(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    evaluation.make(work(made, "evaluation"))
    optimization.make(work(made, "optimization", optimize={"quantize": "none"}))
    assert sorted(read_json(made["optimization"] / "variants.json")["variants"]) == ["fp32", "torch"]
    assert [path.name for path in (made["optimization"] / "graphs").iterdir()] == ["main.onnx"]


def test_baselines_stand_in_every_line_and_why_beside_the_scores(tmp_path: Path) -> None:
    made = stages(tmp_path, RIGHT)
    evaluation.make(work(made, "evaluation", evaluate={"bootstrap": 100, "groups": ["答案"]}))
    lines = [json.loads(line) for line in (made["evaluation"] / "answers.jsonl").read_text("utf-8").splitlines()]
    assert all(set(line["baselines"]) == {"always_yes", "always_no"} for line in lines)
    why = read_json(made["evaluation"] / "why.json")
    assert why["score"] == "accuracy" and why["importance"][0]["input"] == "温度.1"
    assert why["importance"][0]["low"] > 0.3 and why["importance"][1]["value"] == 0
    assert {look["title"]: look["ok"] for look in why["looks"]}["Test rows seen in training"]
    groups = read_json(made["evaluation"] / "scores.json")["groups"]
    assert {row["value"] for row in groups} == {"是", "否"}
