"""`feilun chat`: what is typed, what is said, and every way in which it ends."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import talking_bundle
import tiny_bundle

from feilun.cli import chatting
from feilun.cli.main import main
from feilun.parts.bundle import loading

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", name="bundles")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {form: talking_bundle.pack(tmp_path_factory.mktemp(form), form) for form in talking_bundle.FORMS}


@pytest.fixture(name="typed")
def at_no_desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """(exit code, standard output, standard error) of `feilun chat` with such words, and such lines to read."""

    def type_lines(lines: str, *words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        code = main(["chat", *map(str, words)])
        return code, *capsys.readouterr()

    return type_lines


def asked(bundle: Path, row: dict[str, Any], **options: Any) -> str:
    return str(loading.load(bundle, threads=1).predict([row], **options)[0]["text"])


def test_a_dialogue_is_kept_until_a_new_one(bundles: dict[str, Path], typed: Typed) -> None:
    words = (bundles["chat"], "--max-length", 12, "--temperature", 0.7, "--seed", 5, "--system", "be kind")
    code, out, err = typed("who sat\n\n  猫 ?\n/new\nwho sat\n/system\nwho sat\n/quit\nnever\n", *words, "--json")
    told = json.loads(out)["result"]
    assert code == 0 and err == "" and [one["asked"] for one in told] == ["who sat", "猫 ?", "who sat", "who sat"]
    turns = [{"role": "system", "content": "be kind"}]
    options = {"max_length": 12, "temperature": 0.7, "seed": 5}
    for one in told[:2]:
        turns.append({"role": "user", "content": one["asked"]})
        assert one["text"] == asked(bundles["chat"], {"messages": turns}, **options)
        turns.append({"role": "assistant", "content": one["text"]})
    assert told[2] == told[0] != told[3]
    assert told[3]["text"] == asked(bundles["chat"], {"messages": turns[1:2]}, **options)


@pytest.mark.parametrize("form", ["question", "text"])
def test_without_dialogues_every_line_stands_alone(form: str, bundles: dict[str, Path], typed: Typed) -> None:
    lines = "the cat\n/etc/hosts, what is it?\n/system be kind\na dog\nthe cat\n"
    code, out, err = typed(lines, bundles[form], "--max-length", 9)
    row = {"text": "the cat"} if form == "text" else {"ask": "the cat", "more": ""}
    first = asked(bundles[form], row, max_length=9)
    assert code == 0 and out.startswith(f"{first}\n") and out.endswith(f"{first}\n")
    assert "takes no system message" in err
    told = json.loads(typed(lines, bundles[form], "--max-length", 9, "--json")[1])["result"]
    assert [one["asked"] for one in told] == ["the cat", "/etc/hosts, what is it?", "a dog", "the cat"]


def test_what_is_told_piece_by_piece_is_the_answer(bundles: dict[str, Path], typed: Typed) -> None:
    schema = '{"type": "array", "items": {"enum": ["猫", "cat"]}, "minItems": 3}'
    for options in ((), ("--option", f"schema={schema}"), ("--option", 'stop=["a", "e"]')):
        code, out, _ = typed("who\n", bundles["chat"], "--temperature", 5, *options)
        given = {"schema": json.loads(schema)} if "schema" in str(options) else {"stop": ["a", "e"]} if options else {}
        row = {"messages": [{"role": "user", "content": "who"}]}
        assert (code, out.removesuffix("\n")) == (0, asked(bundles["chat"], row, temperature=5.0, **given))


def test_what_might_have_become_a_stop_is_told_at_the_end(bundles: dict[str, Path], typed: Typed) -> None:
    whole = asked(bundles["text"], {"text": "the cat"}, max_length=9)
    told = typed("the cat\n", bundles["text"], "--max-length", 9, "--option", f"stop=[{json.dumps(whole[-1] + '☃')}]")
    assert whole and told[1] == f"{whole}\n"


def test_what_cannot_be_talked_to_is_told(bundles: dict[str, Path], typed: Typed, bundle: Path) -> None:
    assert (bundle / "manifest.json").is_file() and tiny_bundle.ROW
    wrong = {
        (bundle,): "my@1 does tiny: it does not talk",
        (bundles["text"], "--system", "x"): "takes no system message",
        (bundles["text"], "--temperature", -1): "temperature is -1.0",
        (bundles["text"], "--max-length", 10**6): "max_length is 1000000",
        (bundles["text"], "--option", "warmth=3"): "no option 'warmth'",
        (bundles["text"], "--option", "schema={minimum: 1}"): "schema.minimum",
        ("nowhere",): "nowhere",
    }
    for words, message in wrong.items():
        code, out, err = typed("hello\n", *words)
        assert (code, out) == (2, "") and message in err and "Traceback" not in err


def test_at_a_terminal_a_command_that_there_is_not_is_told() -> None:
    said = chatting._Dialogue(talk=None, lang="zh", shows=False).command("/什么 好")
    assert said is not None and said.startswith("没有命令 /什么")


def test_it_speaks_chinese(bundles: dict[str, Path], typed: Typed) -> None:
    assert "没有学过对话" in typed("/system 好\n", bundles["text"], "--lang", "zh")[2]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_ctrl_c_ends_an_answer_and_a_second_one_leaves(bundles: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "feilun.cli.main", "chat", str(bundles["chat"]), "--max-length", "4096"]
    endless = ["--temperature", "3", "--option", 'schema={"type": "string", "minLength": 9000}']
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*words, *endless], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_own_terminal
    )
    os.close(theirs)
    try:
        _until(ours, b"/quit\r\n> ")
        os.write(ours, "你好\n".encode())
        _until(ours, b'\n"')
        os.write(ours, b"\x03")
        _until(ours, b"\r\n> ")
        assert _left(process, ours) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _left(process: subprocess.Popen[bytes], terminal: int) -> int | None:
    """Its exit status after Ctrl-C; one that comes just before readline listens is only heard with the next."""
    for _ in range(30):
        os.write(terminal, b"\x03")
        try:
            return process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            continue
    return None


def _own_terminal() -> None:
    """Ctrl-C reaches a process whose terminal it is."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _until(terminal: int, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 1000)
    assert b"Traceback" not in seen


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end in another way")
def test_a_reader_who_went_away_ends_it_quietly(bundles: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "feilun.cli.main", "chat", str(bundles["chat"]), "--max-length", "400"]
    process = subprocess.Popen(
        [*words, "--temperature", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.write(b"hello\n" * 50)
    process.stdin.close()
    assert process.wait(timeout=60) == 130 and process.stderr.read() == b""
    process.stderr.close()


def test_what_is_no_utf_8_is_told(bundles: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "feilun.cli.main", "chat", str(bundles["chat"])]
    made = subprocess.run(words, input="café\n".encode("latin-1"), capture_output=True, timeout=60)
    assert made.returncode == 2 and b"no UTF-8" in made.stderr and b"Traceback" not in made.stderr
