"""Progress in a notebook is drawn in place, and only there."""

from __future__ import annotations

import io
import sys
import types

import pytest

from feilun.core import notebook


def test_a_notebook_is_noticed_without_importing_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook.say() is None and "IPython" not in sys.modules
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
    assert notebook.say() is None, "IPython is imported, but nothing runs in it"
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=object))  # type: ignore[arg-type]
    assert isinstance(notebook.say(), notebook.NotebookSay)


def test_progress_is_drawn_over_and_lines_stay() -> None:
    out = io.StringIO()
    say = notebook.NotebookSay(out=out)
    say.progress("training", epoch=3, of=6, loss=0.4123)
    say.progress("evaluation", doing="drawing intervals")
    say.line("accuracy 90 %")
    said = out.getvalue()
    assert said.startswith("\rtraining ██████████░░░░░░░░░░ 3/6  loss 0.412")
    screen = ""
    for part in said.split("\n")[0].split("\r"):
        screen = part + screen[len(part) :]
    assert screen.rstrip() == "accuracy 90 %", "nothing of the bar is left beside the line"


def test_one_stage_is_not_redrawn_all_the_time() -> None:
    out = io.StringIO()
    say = notebook.NotebookSay(out=out)
    for epoch in range(100):
        say.progress("training", epoch=epoch, of=100)
    assert out.getvalue().count("\r") < 10


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "data"),
        ({"done": 7}, "data 7"),
        ({"done": 20, "of": 10}, f"data {'█' * 20} 20/10"),
        ({"done": 1, "of": 0}, "data 1"),
        ({"doing": "reading", "loss": None}, "data  reading"),
    ],
)
def test_what_is_not_known_is_left_out(fields: dict[str, object], text: str) -> None:
    assert notebook.sentence("data", fields) == text
