"""The command line itself: every verb, flags, exit codes, the JSON object, and how progress is drawn."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feilun import __version__
from feilun.cli import say as drawing
from feilun.cli import table
from feilun.cli.main import main, parser
from feilun.cli.record import Context, Result, Verb
from feilun.cli.words import CHINESE, tell
from feilun.core import errors

ENVELOPE = [
    *("schema", "ok", "verb", "name", "version", "run", "seconds", "result", "warnings", "error", "next"),
]


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def _planted(monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    """Replace the verb doctor by this function, in the table that main reads."""
    verb = Verb(name="doctor", group="House", summary="planted", call=call)
    verbs = tuple(verb if old.name == "doctor" else old for old in table.VERBS)
    monkeypatch.setattr("feilun.cli.main.VERBS", verbs)


@pytest.mark.parametrize("verb", table.VERBS, ids=lambda verb: verb.name)
def test_arguments_of_a_verb_are_the_parameters_of_its_function(verb: Verb) -> None:
    parameters = dict(inspect.signature(verb.call).parameters)
    assert next(iter(parameters)) == "context"
    assert {item.parameter for item in verb.arguments} == set(parameters) - {"context"}
    for item in verb.arguments:
        assert item.options.get("help"), f"{verb.name} {item.names} has no help"
    assert verb.group in table.GROUPS
    assert verb.call.__doc__


@pytest.mark.parametrize("verb", table.VERBS, ids=lambda verb: verb.name)
def test_every_verb_explains_itself(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb.name, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"usage: feilun {verb.name}" in said
    assert "global options" in said
    assert ("--dry-run" in said) is verb.changes


@pytest.mark.parametrize("verb", table.VERBS, ids=lambda verb: verb.name)
def test_every_example_parses(verb: Verb) -> None:
    import shlex

    if verb.example:
        words = shlex.split(verb.example)
        assert words[:2] == ["feilun", verb.name]
        parser().parse_args(words[1:])


def test_verbs_of_later_issues_are_not_listed() -> None:
    names = [verb.name for verb in table.VERBS]
    assert len(names) == len(set(names))
    assert not {"explain", "optimize", "simulate", "store", "console"} & set(names)


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"  {verb.name} " in said for verb in table.VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"feilun {__version__}"


def test_an_unknown_verb_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ruin"]) == 2
    assert "Did you mean `feilun run`?" in capsys.readouterr().err


def test_the_json_object_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _json(capsys, "help", "train.epochs")
    assert code == 0
    assert sorted(told) == sorted(ENVELOPE)
    assert (told["ok"], told["verb"], told["error"]) == (True, "help", None)
    assert told["result"]["path"] == "train.epochs"


def test_the_json_object_of_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("train: {lr: 1}\n", encoding="utf-8")
    code, told = _json(capsys, "run", str(path))
    assert code == 2
    assert sorted(told) == sorted(ENVELOPE)
    assert (told["ok"], told["verb"], told["result"]) == (False, "run", None)
    assert told["error"]["code"] == "recipe"
    assert told["error"]["where"] == "my.yaml:1:9"
    assert told["error"]["expected"] == "train.learning_rate"


def test_wrong_flags_are_told_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _json(capsys, "runs", "--bogus")
    assert code == 2
    assert "--bogus" in told["error"]["message"]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.InputError("x"), 2),
        (errors.ThresholdMissed("x"), 3),
        (errors.IntegrityError("x"), 4),
        (errors.BusyError("x"), 5),
        (errors.Stopped("x"), 130),
        (errors.FeilunError("x"), 1),
        (ValueError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(context: Context) -> Result:
        raise raised

    _planted(monkeypatch, fail)
    assert main(["doctor"]) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert ("bug in Feilun: ValueError: x" in said.err) is isinstance(raised, ValueError)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: Context) -> Result:
        raise ZeroDivisionError

    _planted(monkeypatch, fail)
    with pytest.raises(ZeroDivisionError):
        main(["doctor", "--debug"])


def test_flags_stand_before_or_after_the_verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Context] = []

    def look(context: Context) -> Result:
        seen.append(context)
        return Result()

    _planted(monkeypatch, look)
    main(["--yes", "--lang", "zh", "--home", str(tmp_path), "doctor"])
    main(["doctor", "--yes", "--lang", "zh", "--home", str(tmp_path)])
    assert [(context.yes, context.lang, context.home) for context in seen] == [(True, "zh", tmp_path)] * 2


def test_home_and_language_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Context] = []

    def look(context: Context) -> Result:
        seen.append(context)
        return Result()

    _planted(monkeypatch, look)
    for name in ("LC_ALL", "LC_MESSAGES", "FEILUN_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    main(["doctor"])
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("FEILUN_HOME", "elsewhere")
    main(["doctor"])
    assert [(context.lang, str(context.home)) for context in seen] == [("zh", "runs"), ("en", "elsewhere")]


def test_chinese_sentences_take_the_same_values_as_english_ones() -> None:
    from string import Formatter

    for english, chinese in CHINESE.items():
        names = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in (english, chinese)]
        assert names[0] == names[1], english
    assert tell("zh", "Next: {next}", next="feilun serve my") == "下一步:feilun serve my"
    assert tell("en", "Next: {next}", next="feilun serve my") == "Next: feilun serve my"


def test_a_terminal_overwrites_one_line() -> None:
    out = io.StringIO()
    say = drawing.TerminalSay(out=out, tty=True, columns=60)
    say.progress("train", epoch=12, of=30, loss=0.4123, rows_per_s=41234.0, left_s=18.2)
    say.line("done")
    drawn = out.getvalue()
    assert drawn.startswith("train 12/30  loss 0.412  41.2k rows/s  0:18 left\r")
    assert drawn.endswith("\rdone\n")
    assert drawn.count("\n") == 1


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    out = io.StringIO()
    say = drawing.TerminalSay(out=out, tty=False)
    for epoch in range(100):
        say.progress("train", epoch=epoch, of=100)
    say.progress("evaluation", doing="drawing intervals")
    assert out.getvalue().splitlines() == ["train 0/100", "evaluation  drawing intervals"]


def test_json_progress_goes_line_by_line() -> None:
    out = io.StringIO()
    drawing.JsonSay(out=out).progress("train", epoch=1, loss=0.5)
    drawing.JsonSay(out=out).line("评论")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"stage": "train", "epoch": 1, "loss": 0.5},
        {"line": "评论"},
    ]


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys; from feilun.cli.main import main; main(['--help']);"
        "heavy = ('torch', 'numpy', 'pydantic', 'yaml', 'sqlalchemy', 'datasets', 'PIL', 'onnxruntime');"
        "print([name for name in heavy if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "feilun.cli.main", "help", "train"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None and writer.stderr is not None
    writer.stdout.close()
    said = writer.stderr.read().decode()
    writer.stderr.close()
    assert writer.wait() == 0
    assert "Traceback" not in said
