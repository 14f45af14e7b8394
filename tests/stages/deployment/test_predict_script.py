"""predict.py of a bundle: a script that needs neither torch nor pydantic, and leaves the bundle as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundle import ROW

from feilun.core.errors import FeilunError
from feilun.parts.bundle import layout, loading
from feilun.stages.deployment import smoke


def _run(
    bundle: Path, environment: dict[str, str], *arguments: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(bundle / "predict.py"), *arguments]
    plain = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, input=text, capture_output=True, encoding="utf-8", env=plain, timeout=60)


def test_answers_from_every_form_of_rows(bundle: Path, environment: dict[str, str], tmp_path: Path) -> None:
    expected = loading.load(bundle).predict([ROW, {"width": None, "height": -9}])
    rows = [{"width": 1.0, "height": 2.0}, {"width": None, "height": -9}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "rows.csv").write_text("name,width,height\na,1.0,2.0\nb,,-9\n")
    for name in ("rows.json", "rows.jsonl", "rows.csv"):
        said = _run(bundle, environment, str(tmp_path / name))
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout) == expected, name
    assert json.loads(_run(bundle, environment, "-", text=json.dumps(rows[0])).stdout) == expected[:1]
    assert json.loads(_run(bundle, environment, "--example").stdout) == {"width": 0.0, "height": 0.0}
    loading.load(bundle)  # running it left nothing behind


def test_wrong_rows_and_damage_have_exit_codes_and_no_traceback(bundle: Path, environment: dict[str, str]) -> None:
    wrong = _run(bundle, environment, "-", text='[{"widht": 1, "height": 2}]')
    assert wrong.returncode == 2 and "Did you mean" in json.loads(wrong.stderr)["error"]["message"]
    assert _run(bundle, environment, "nowhere.json").returncode == 2
    assert _run(bundle, environment, "-", text="not json").returncode == 2
    (bundle / "card.md").write_text("# better\n")
    damaged = _run(bundle, environment, "-", text=json.dumps(ROW))
    assert damaged.returncode == 4 and json.loads(damaged.stderr)["error"]["code"] == "integrity"
    assert not any("Traceback" in said.stderr for said in (wrong, damaged))


def _flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


CODE = "code/feilun/core/errors.py"


@pytest.mark.parametrize("place", [0, 40, 200, 700])
@pytest.mark.parametrize("name", [CODE, "code/feilun/core/manifest.py", "graphs/main.onnx", "manifest.json"])
def test_a_flipped_bit_is_seen_before_any_code_runs(
    bundle: Path, environment: dict[str, str], name: str, place: int
) -> None:
    size = (bundle / name).stat().st_size
    _flipped(bundle / name, place % size)
    said = _run(bundle, environment, "-", text=json.dumps(ROW))
    assert said.returncode == 4 and "Traceback" not in said.stderr, said.stderr
    (line,) = said.stderr.splitlines()
    assert json.loads(line)["error"]["code"] == "integrity" and said.stdout == ""


@pytest.mark.parametrize("name", ["json.py", "numpy.py", "__future__.py", "argparse.py", "hashlib.py", "os.py"])
def test_a_file_added_to_the_folder_is_never_imported(
    bundle: Path, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    mark = tmp_path / "it-ran"
    (bundle / name).write_text(f"open({str(mark)!r}, 'w').close()\n")
    said = _run(bundle, {**environment, "PYTHONPATH": environment["PYTHONPATH"] + f":{bundle}"}, "-", text="[]")
    assert not mark.exists()
    assert said.returncode == 4 and name in json.loads(said.stderr)["error"]["message"], said.stderr


def test_missing_and_linked_files_and_manifests_are_seen(bundle: Path, environment: dict[str, str]) -> None:
    card, manifest = bundle / "card.md", bundle / "manifest.json"
    card.rename(bundle.parent / "card.md")
    said = [_run(bundle, environment, "-", text="[]")]
    card.symlink_to(bundle.parent / "card.md")
    said.append(_run(bundle, environment, "-", text="[]"))
    card.unlink()
    (bundle.parent / "card.md").rename(card)
    whole = manifest.read_bytes()
    manifest.write_text(json.dumps(json.loads(whole)))  # the same content in another spelling
    said.append(_run(bundle, environment, "-", text="[]"))
    manifest.unlink()
    said.append(_run(bundle, environment, "-", text="[]"))
    assert [one.returncode for one in said] == [4, 4, 4, 4]
    told = [json.loads(one.stderr)["error"]["message"] for one in said]
    for words, message in zip(("missing", "link", "own hash", "missing"), told, strict=True):
        assert words in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("e.csv", b"", "no rows"),
        ("e.csv", b"width,height\n", "no rows"),
        ("e.json", b"[]", "no rows"),
        ("e.jsonl", b"\n", "no rows"),
        ("e.json", b"", "not JSON|no rows"),
        ("e.csv", b"width,height\n\xc8\xfd,1\n", "UTF-8"),
        ("e.csv", b"width;height\n1;2\n", "comma"),
    ],
)
def test_files_it_cannot_answer_are_told(
    bundle: Path, environment: dict[str, str], tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    said = _run(bundle, environment, str(tmp_path / name))
    assert said.returncode == 2 and re.search(words, said.stderr) and "Traceback" not in said.stderr, said.stderr


def test_the_smoke_check_sees_what_needs_torch(
    bundle: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    assert smoke.outside_answers(bundle, [ROW]) == loading.load(bundle, "fp32").predict([ROW])
    script = bundle / "code" / "feilun" / "parts" / "bundle" / "answering.py"
    script.write_text(script.read_text() + "\nimport torch\n")
    sealed = json.loads((bundle / "manifest.json").read_text())
    layout.write(bundle, {key: value for key, value in sealed.items() if key not in ("files", "sha256", "schema")})
    with pytest.raises(FeilunError, match=r"(?s)predict\.py of the bundle fails.*torch"):
        smoke.outside_answers(bundle, [ROW])


def test_answers_are_compared_with_a_tolerance() -> None:
    one = {"label": "a", "probabilities": {"a": 0.9, "b": 0.1}, "boxes": [[1, 2.0]]}
    assert smoke.same(one, {"label": "a", "probabilities": {"a": 0.9004, "b": 0.0996}, "boxes": [[1, 2.0004]]})
    assert not smoke.same(one, {**one, "label": "b"})
    assert not smoke.same(one, {**one, "boxes": []})
    assert smoke.agreement([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]) == 0.75
    with pytest.raises(FeilunError, match="50%"):
        smoke._agree([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}], "The bundle")
