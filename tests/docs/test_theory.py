"""The theory page is run: its numbers come out, and its formulas are those of the code that trains and judges."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from feilun.core import discover
from feilun.core.recipe import Recipe, Train
from feilun.parts.engine import losses, optimizers
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.metrics import classification as metrics
from feilun.parts.metrics import regression
from feilun.parts.models import cnn, mlp, recurrent

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
DRAW = np.random.default_rng(0)


def blocks() -> dict[str, str]:
    """{section: its program}; every section has exactly one."""
    found = {}
    for title, text in SECTIONS.items():
        [found[title]] = re.findall(r"```python\n(.*?)```", text, re.S)
    return found


def claims(code: str) -> Iterator[tuple[str, list[str]]]:
    """(expression, the numbers printed behind it) of every expression that stands on its own."""
    lines = code.splitlines()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Expr):
            yield ast.unparse(node), NUMBER.findall(lines[(node.end_lineno or 1) - 1].rpartition("  # ")[2])


def flat(value: Any) -> list[float]:
    """The numbers in a value, in order."""
    if isinstance(value, list | tuple):
        return [number for item in value for number in flat(item)]
    return [float(number) for number in np.asarray(value, np.float64).ravel()]


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Every function of the page, defined by running it from top to bottom."""
    made: dict[str, Any] = {"np": np}
    for title, code in blocks().items():
        exec(compile(code, f"theory.md {title}", "exec"), made)  # noqa: S102 - our own page
    return made


def test_every_number_on_the_page_comes_out() -> None:
    made: dict[str, Any] = {"np": np}
    for title, code in blocks().items():
        exec(compile(code, f"theory.md {title}", "exec"), made)  # noqa: S102 - our own page
        expected = list(claims(code))
        assert expected, f"{title} claims no number"
        for expression, printed in expected:
            got = flat(eval(expression, made))  # noqa: S307 - our own page
            assert len(got) == len(printed) > 0, f"{title}: {expression} gives {got}; the page prints {printed}"
            for value, text in zip(got, printed, strict=True):
                digits = len(text.partition(".")[2])
                assert abs(value - float(text)) <= 0.5 * 10**-digits + 1e-9, f"{title}: {expression}: {value}, {text}"


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_says_what_is_printed_why_and_where(title: str) -> None:
    text = SECTIONS[title]
    assert "ften printed" in text or "is often\nprinted" in text
    assert "\nSource: " in text and "Here:" in text.partition("\nSource: ")[2]
    files = re.findall(r"`(src/[\w/.]+)`", text)
    assert [path for path in files if not (ROOT / path).is_file()] == []
    assert title in COMPARED, f"compare {title} with our own code in this file"


@pytest.mark.parametrize("title", SECTIONS)
def test_a_number_in_the_words_is_a_number_of_the_program(title: str) -> None:
    """What others printed stands before `Right`; from there on, and where there is no such word, nothing is loose."""
    words = SECTIONS[title].partition("\nSource: ")[0].replace(blocks()[title], "")
    ours = [abs(float(number)) for number in NUMBER.findall(blocks()[title])]
    for text in re.findall(r"\d*\.\d+", words.partition("Right")[2] or words):
        digits = len(text.partition(".")[2])
        assert any(round(number, digits) == float(text) for number in ours), f"{title}: {text} is in no block"


def test_the_formulas_are_those_of_the_code(names: dict[str, Any]) -> None:
    assert set(COMPARED) == set(SECTIONS)
    for compare in COMPARED.values():
        compare(names)


def close(ours: Any, page: Any, tolerance: float = 1e-5) -> None:
    """Ours is float32 arithmetic in another order."""
    np.testing.assert_allclose(flat(ours), flat(page), rtol=tolerance, atol=tolerance)


def by_optimizer(plan: Train, start: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    """The weights after these gradients went through our optimizer."""
    weight = nn.Parameter(torch.tensor(start))
    [optimizer] = optimizers.make(plan, [weight])
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    return weight.detach().numpy()


def rule(kind: str) -> Callable[[dict[str, Any]], None]:
    """Three updates by our optimizer of this name and by the page's function."""

    def compare(names: dict[str, Any]) -> None:
        start, gradients = DRAW.normal(size=(2, 3)), [DRAW.normal(size=(2, 3)) for _ in range(3)]
        plan = Train.model_validate({"optimizer": kind, "learning_rate": 0.1})
        close(by_optimizer(plan, start, gradients), names[kind](start, gradients, rate=0.1))

    return compare


def gates(cell: nn.Module, count: int, which: str) -> np.ndarray:
    """A cell's weights or biases, one block per gate."""
    value = np.asarray(cell.get_parameter(which).detach(), np.float64)
    return value.reshape(count, -1, *value.shape[1:])


def compare_gru(names: dict[str, Any]) -> None:
    cell = recurrent.CELLS["gru"](3, 4)
    given = [gates(cell, 3, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]
    x, h = DRAW.normal(size=3), DRAW.normal(size=4)
    with torch.no_grad():
        ours, _ = cell(torch.tensor(x[None], dtype=torch.float32), torch.tensor(h[None], dtype=torch.float32))
    close(ours[0], names["gru"](x, h, *given))


def compare_lstm(names: dict[str, Any]) -> None:
    cell = recurrent.CELLS["lstm"](3, 4)
    weights = [gates(cell, 4, name) for name in ("weight_ih_l0", "weight_hh_l0")]
    bias = gates(cell, 4, "bias_ih_l0") + gates(cell, 4, "bias_hh_l0")
    x, h, kept = DRAW.normal(size=3), DRAW.normal(size=4), DRAW.normal(size=4)
    state = tuple(torch.tensor(value[None], dtype=torch.float32) for value in (h, kept))
    with torch.no_grad():
        ours, (_, after) = cell(torch.tensor(x[None], dtype=torch.float32), state)
    close((ours[0], after[0]), names["lstm"](x, h, kept, *weights, bias))


def compare_pooling(names: dict[str, Any]) -> None:
    picture = DRAW.normal(size=(6, 6))
    ours = cnn.POOLING["average"](2)(torch.tensor(picture)[None, None])  # type: ignore[call-arg]
    close(ours, names["average_pooling"](picture, 2))


def compare_convolution(names: dict[str, Any]) -> None:
    class Pictures:
        kind, shape = "image", (1, 6, 6)

    encoder: Any = cnn.encoder(cnn.Cnn(width=1, depth=1, norm="none"), Pictures())
    layer = encoder.layers[0]
    picture = DRAW.normal(size=(6, 6))
    with torch.no_grad():
        made = layer(torch.tensor(picture, dtype=torch.float32)[None, None])[0, 0, 1:-1, 1:-1] - layer.bias
        close(made, names["cross_correlation"](picture, layer.weight[0, 0].numpy()), 1e-4)


def compare_binary(names: dict[str, Any]) -> None:
    p, y = DRAW.uniform(0.01, 0.99, size=(20, 1)), DRAW.integers(0, 2, size=(20, 1))
    close(metrics.binary_log_loss(p, y), names["binary_cross_entropy"](p, y))
    close(
        losses.binary(torch.tensor(p).logit(), torch.tensor(y, dtype=torch.float64)),
        names["binary_cross_entropy"](p, y),
    )


def compare_f1(names: dict[str, Any]) -> None:
    said, truth, rows = DRAW.random(50) > 0.4, DRAW.random(50) > 0.5, np.arange(50)
    precision, recall = metrics.precision(said, truth)(rows), metrics.recall(said, truth)(rows)
    ours = metrics.f1_of_labels(said[:, None].astype(float), truth[:, None].astype(float))(rows)
    close(ours, names["f1"](precision, recall), 1e-12)


def compare_deciding(names: dict[str, Any]) -> None:
    task = discover.task("classification")
    logits = np.array([[-2.0], [0.0], [3.0], [0.2]])
    state = {"labels": ["yes"], "several": True, "temperature": 1.0, "thresholds": [0.52]}
    given: Any = lambda graph, **arrays: {"marks": logits}  # noqa: E731
    ours = [bool(one["labels"]) for one in task.answer(given, {}, {}, state)]
    assert ours == names["decide"](names["sigmoid"](logits[:, 0]), 0.52).tolist() == [False, False, True, True]


def compare_gradient(names: dict[str, Any]) -> None:
    inputs, target, start = DRAW.normal(size=(7, 3)), DRAW.normal(size=7), DRAW.normal(size=3)
    weights = torch.tensor(start, requires_grad=True)
    objective = discover.task("regression").objective
    batch = {"x": torch.tensor(inputs), "target": torch.tensor(target[:, None])}
    objective({"main": lambda x: {"values": (x @ weights)[:, None]}}, batch, "main").mean().backward()
    close(weights.grad, names["squared_error_gradient"](inputs, target, start))


def compare_backpropagation(names: dict[str, Any]) -> None:
    z, weights, delta = DRAW.normal(size=4), DRAW.normal(size=(3, 4)), DRAW.normal(size=3)
    below = torch.tensor(z, requires_grad=True)
    (torch.tensor(weights) @ below.tanh()).backward(torch.tensor(delta))
    close(below.grad, names["backpropagated"](weights, 1 - np.tanh(z) ** 2, delta))


def compare_steps(names: dict[str, Any]) -> None:
    arrays = {"x": DRAW.normal(size=(96, 2)).astype(np.float32)}
    learning = Learning(objective=lambda networks, batch, player: networks[player](batch["x"]).square().mean(1))
    for size in (96, 32):
        plan, index = Train(epochs=1, batch_size=size), Index(train=np.arange(96))
        done = fit({"main": nn.Linear(2, 1)}, arrays, index, learning, plan, Run())
        assert done.steps == names["steps_an_epoch"](96, size)


def compare_sigmoid_network(names: dict[str, Any]) -> None:
    layers: Any = mlp.Layers(mlp.Mlp(width=2, depth=2, activation="sigmoid"), 2)
    first, second = layers.layers[0], layers.layers[2]
    given = [np.asarray(value.detach(), np.float64) for value in (*first.parameters(), *second.parameters())]
    x = DRAW.normal(size=2)
    with torch.no_grad():
        ours = layers(torch.tensor(x[None], dtype=torch.float32))
    close(ours, names["sigmoid_network"](x, *given)[3])


def compare_losses(names: dict[str, Any]) -> None:
    said, truth = DRAW.uniform(0.05, 0.95, size=5), DRAW.integers(0, 2, size=5)
    half, mean, entropy, total, binary = names["losses"](said, truth)
    p, y = torch.tensor(said)[None], torch.tensor(truth, dtype=torch.float64)[None]
    close((losses.squared(p, y), losses.squared(p, y) * 5 / 2), (mean, half))
    close(losses.binary(p.logit(), y), binary)
    pairs = torch.stack(
        [(1 - p[0]).log(), p[0].log()], 1
    )  # two classes a row: only the rows of class 1 are in -Σ y log ŷ
    close(losses.cross_entropy(pairs, y[0].long())[y[0] == 1].sum(), entropy)
    close(regression.rmse(said, truth)(np.arange(5)) ** 2, mean)
    ours = metrics.binary_log_loss(said[:, None], truth[:, None])
    close((ours.sum(), ours.mean()), (total, binary))


def compare_relu_step(names: dict[str, Any]) -> None:
    """Our loss is the square, so its gradient has the factor 2."""
    x, w, b, v, c, y = names["start"]
    inner, outer = [torch.tensor(value, requires_grad=True) for value in (w, np.array(b))], torch.tensor(v)
    outer.requires_grad_()
    last = torch.tensor(c, dtype=torch.float64, requires_grad=True)
    objective = discover.task("regression").objective

    def network(x: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = (x @ inner[0] + inner[1]).relu()
        return {"values": (hidden * outer.sum() + last)[:, None]}

    batch = {"x": torch.tensor(x)[None], "target": torch.tensor([[y]])}
    objective({"main": network}, batch, "main").mean().backward()
    parameters = [*inner, outer, last]
    moved = by_optimizer(
        Train(optimizer="sgd", learning_rate=0.01),
        np.concatenate([p.detach().numpy().ravel() for p in parameters]),
        [np.concatenate([np.asarray(p.grad).ravel() for p in parameters])],
    )
    close(moved, names["relu_step"](*names["start"], rate=0.01, factor=2)[1])


def compare_scaling(names: dict[str, Any]) -> None:
    train, test = DRAW.normal(5, 3, size=200), DRAW.normal(50, 3, size=20)
    feature = discover.feature("number", columns=("x",), pieces=0).fit({"x": train.tolist()})
    ours = feature.encode({"x": test.tolist()})[:, 0]
    close(ours, names["standardised"](train, test)[1], 1e-4)


def compare_pairs(names: dict[str, Any]) -> None:
    truth = names["truth"][names["order"]]
    answers = [{"label": str(label), "scores": {str(one): float(one == label) for one in range(4)}} for label in truth]
    recipe = Recipe.model_validate({"target": "label"})
    score = discover.task("classification").scores(answers, [str(label) for label in truth], recipe)["accuracy"]
    assert np.mean(score.rows) == names["accuracy"](truth, truth) == 1.0


COMPARED: dict[str, Callable[[dict[str, Any]], None]] = {
    "Adam": rule("adam"),
    "RMSprop": rule("rmsprop"),
    "Momentum": rule("momentum"),
    "GRU": compare_gru,
    "LSTM": compare_lstm,
    "Average pooling": compare_pooling,
    "Convolution": compare_convolution,
    "Binary cross-entropy": compare_binary,
    "F1": compare_f1,
    "The class of one sigmoid output": compare_deciding,
    "The gradient of the squared error": compare_gradient,
    "Backpropagation": compare_backpropagation,
    "Stochastic, mini-batch, batch": compare_steps,
    "A sigmoid network by hand": compare_sigmoid_network,
    "Losses by hand": compare_losses,
    "One step of a ReLU network by hand": compare_relu_step,
    "Scale after the split": compare_scaling,
    "Answers beside the right truths": compare_pairs,
}
