"""Documents: every kind gives passages with their places; what cannot be read is named; no bomb gets through."""

from __future__ import annotations

import json
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from papers import docx, page, pdf

from feilun.core.errors import DataError, FeilunError
from feilun.core.progress import Heard, Quiet
from feilun.core.recipe import Data, Recipe
from feilun.stages.data import library
from feilun.stages.data.reading import formats, raw
from feilun.stages.data.reading.documents import folder, passages, word_file
from feilun.stages.data.reading.documents.sections import UnreadableError

Row = tuple[str, str, str]


def rows(path: Path, **data: str) -> list[Row]:
    whole = formats.parts_of(path, Data(format="documents", **data))["train"](Data(**data), raw.Most())  # type: ignore[arg-type]
    return [tuple(row.values()) for row in whole.table.to_pylist()]  # type: ignore[misc]


def test_every_kind_of_document_gives_its_text_and_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Open from nine.\n", "utf-8")
    (tmp_path / "b.md").write_text(
        "---\ntitle: x\n---\nBefore.\n\n# Returns\n\nTwo [weeks](http://x.y).\n\n## Fees\n\n```\n# no heading\n```\n"
        "Free.\n\nShipping\n========\nThree days.\n",
        "utf-8",
    )
    body = "<h1>Care</h1><p>Wash   at <b>30</b>&nbsp;degrees.<h2>Wool</h2><ul><li>By hand<li>Cold</ul>"
    (tmp_path / "c.html").write_bytes(page("Shop", body))
    docx(
        tmp_path / "d.docx",
        [("Title", "Terms"), ("heading 1", "Delivery"), ("", "We deliver & smile."), ("", "Daily.")],
    )
    (tmp_path / "中文").mkdir()
    (tmp_path / "中文" / "退货.txt").write_bytes("七天内可以退货。".encode("gb18030"))
    (tmp_path / ".hidden.txt").write_text("no", "utf-8")
    (tmp_path / "e.xlsx").write_bytes(b"x")
    pdf(tmp_path / "f.pdf", ["Page one says hello.", "", "Page three."])
    assert rows(tmp_path) == [
        ("a.txt", "", "Open from nine."),
        ("b.md", "", "Before."),
        ("b.md", "Returns", "Two weeks."),
        ("b.md", "Returns > Fees", "```\n# no heading\n```\nFree."),
        ("b.md", "Shipping", "Three days."),
        ("c.html", "Care", "Wash at 30 degrees."),
        ("c.html", "Care > Wool", "By hand\n\nCold"),
        ("d.docx", "Terms > Delivery", "We deliver & smile.\n\nDaily."),
        ("f.pdf", "page 1", "Page one says hello."),
        ("f.pdf", "page 3", "Page three."),
        ("中文/退货.txt", "", "七天内可以退货。"),
    ]
    assert folder.passages_of(tmp_path).notes == [
        f"{tmp_path.name}: 1 files left aside, no documents by their names: .xlsx (1).",
        "Not UTF-8, read as GB18030 (Chinese): 中文/退货.txt. If letters look wrong, save them as UTF-8, or set "
        "data.encoding.",
    ]
    assert rows(tmp_path / "f.pdf") == [("f.pdf", "page 1", "Page one says hello."), ("f.pdf", "page 3", "Page three.")]


def test_a_page_is_decoded_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(page("店", "<p>営業時間は九時からです。</p>", "shift_jis"))
    (tmp_path / "b.html").write_bytes(page("店", "<p>退货需要七天。</p>", "gbk"))
    (tmp_path / "c.html").write_bytes(b"<p>no title, wrong charset <meta charset=nonsense> \xc3\xa9</p>")
    found = rows(tmp_path)
    assert [row[1:] for row in found] == [
        ("店", "営業時間は九時からです。"),
        ("店", "退货需要七天。"),
        ("", "no title, wrong charset é"),
    ]


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<p hidden>no<p>one<p>two", ["one", "two"]),
        ("<p hidden>no<b>no<ul><li>one</ul>", ["one"]),
        ("<ul><li aria-hidden=true>no<ul><li>no<li>no</ul><li>one</ul>two", ["one", "two"]),
        ("<ul><li hidden>no</ul>one", ["one"]),
        ("<div>one<button>no</div><p>two", ["one", "two"]),
        ("<nav>no</p>no<div>no</div>no</nav>one", ["one"]),
        ("<div hidden>no<div>no</div>no</b>no</div>one", ["one"]),
        ("<script>if (a < b) { no }</script>one<table><tr hidden><td>no<tr><td>two</table>", ["one", "two"]),
    ],
)
def test_hidden_parts_end_where_a_browser_ends_them(tmp_path: Path, body: str, seen: list[str]) -> None:
    (tmp_path / "a.html").write_text(f"<html><body>{body}</body></html>", "utf-8")
    [(_, _, text)] = rows(tmp_path)
    assert text.split() == seen


def test_a_page_that_never_closes_anything_is_read_in_time(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<b hidden>" + "<b>" * 200_000 + "<p></p></i>" * 100_000 + "</b>one", "utf-8")
    (tmp_path / "b.txt").write_text("here", "utf-8")
    assert ("b.txt", "", "here") in rows(tmp_path)


def test_headings_below_which_nothing_stands_are_texts(tmp_path: Path) -> None:
    text = "# Questions\n## Where are you?\n## Who are you?\n```npm install```\n# The number is 12345\n"
    (tmp_path / "a.md").write_text(text, "utf-8")
    assert rows(tmp_path) == [
        ("a.md", "Questions > Where are you?", "Where are you?"),
        ("a.md", "Questions > Who are you?", "```npm install```"),
        ("a.md", "The number is 12345", "The number is 12345"),
    ]


def test_what_a_text_is_taken_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("王芳住在台北".encode("big5"))
    (tmp_path / "b.txt").write_bytes("王芳住在臺北".encode("gb18030"))
    (tmp_path / "c.txt").write_bytes("王芳".encode("utf-16"))
    (tmp_path / "d.html").write_bytes(b"<meta charset=iso-8859-1><p>The \x93quoted\x94 fee")
    (tmp_path / "e.html").write_bytes(b"<meta charset=undefined><p>fine")
    found = folder.passages_of(tmp_path)
    assert found.rows[3:] == [("d.html", "", "The \u201cquoted\u201d fee"), ("e.html", "", "fine")]
    guessed = [note for note in found.notes if note.startswith("Not UTF-8, read as ")]
    assert len(found.notes) == len(guessed) == 2
    assert any("GB18030" in note and "b.txt" in note for note in guessed)
    assert any("Windows-1252" in note and "a.txt" in note and "data.encoding" in note for note in guessed)


def test_whatever_a_library_raises_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdf

    pdf(tmp_path / "a.pdf", ["x"])
    (tmp_path / "b.txt").write_text("here", "utf-8")
    docx(tmp_path / "c.docx", [("", "y")])
    with zipfile.ZipFile(tmp_path / "c.docx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "c.docx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, b'<?xml version="1.0" encoding="foo"?><a/>' if name == word_file.BODY else content)
    for error, word in (
        (NotImplementedError("filter"), "damaged"),
        (AssertionError(), "damaged"),
        (pypdf.errors.DependencyError("cryptography"), "encrypted"),
    ):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(pypdf, "PdfReader", fails)
        found = folder.passages_of(tmp_path)
        assert [row[0] for row in found.rows] == ["b.txt"]
        assert word in found.notes[0] and "c.docx is damaged" in found.notes[1]


def test_what_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    from pypdf import PdfWriter

    (tmp_path / "good.txt").write_text("Here.", "utf-8")
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "zeros.txt").write_bytes(b"\x00\x01\x02\x03" * 50)
    pdf(tmp_path / "scan.pdf", ["", ""])
    (tmp_path / "cut.pdf").write_bytes(pdf(tmp_path / "whole.pdf", ["x"]).read_bytes()[:60])
    with PdfWriter(clone_from=tmp_path / "whole.pdf") as writer:
        writer.encrypt("secret", algorithm="RC4-128")
        writer.write(tmp_path / "locked.pdf")
    (tmp_path / "locked.docx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (tmp_path / "cut.docx").write_bytes(docx(tmp_path / "whole.docx", [("", "y" * 500)]).read_bytes()[:200])
    with zipfile.ZipFile(tmp_path / "other.docx", "w") as archive:
        archive.writestr("x.txt", "x")
    found = folder.passages_of(tmp_path)
    assert [row[0] for row in found.rows] == ["good.txt", "whole.docx", "whole.pdf"]
    said = dict(note.removeprefix("Not read: ").split(" ", 1) for note in found.notes)
    words = {
        "empty.md": "is empty",
        "zeros.txt": "is no text",
        "scan.pdf": "are pictures",
        "cut.pdf": "is damaged",
        "locked.pdf": "encrypted",
        "locked.docx": "encrypted",
        "cut.docx": "is damaged",
        "other.docx": "no Word file",
    }
    assert set(said) == set(words)
    assert all(word in said[name] for name, word in words.items()), said
    for path in tmp_path.glob("*"):
        if path.name not in ("locked.pdf", "empty.md"):
            path.unlink()
    with pytest.raises(FeilunError, match=r"has no document with text.*empty\.md is empty; locked\.pdf is encrypted"):
        rows(tmp_path)


def test_a_word_file_is_no_bomb(tmp_path: Path) -> None:
    entities = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    docx(tmp_path / "entities.docx", [("", "x")], before=entities)
    with pytest.raises(UnreadableError, match="document type"):
        word_file.read(tmp_path / "entities.docx")
    with zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(word_file.BODY, b" " * (word_file.LARGEST_BYTES + 1))
    assert (tmp_path / "bomb.docx").stat().st_size < 100_000
    with pytest.raises(UnreadableError, match="unpacks to more than 64 MB"):
        word_file.read(tmp_path / "bomb.docx")


TEXTS = (
    "Number {n} is short. The one after {n} is longer than that! Is {n} a question? ",
    "第{n}句话很短。后面一句要长得多，因为里面有逗号{n}；对吧？“真的{n}！”",
    "word{n} ",
    "x{n}",
    "A line {n}\nand {n} another\n\nA paragraph {n}. ",
)


@pytest.mark.parametrize("form", TEXTS)
def test_passages_are_bounded_and_hold_everything(form: str) -> None:
    text = "".join(form.format(n=number) for number in range(100, 400))
    made = list(passages.cut(text, 200, 60))
    assert all(0 < len(one) <= 200 for one in made)
    place, end = 0, 0
    for one in made:
        place = text.index(one, place)
        assert not text[end:place].strip()  # nothing between two but space
        end = max(end, place + len(one))
    assert not text[end:].strip()
    if "." in text or "。" in text:
        assert all(one[-1] in ".!?。；！？”" or (one[-1].isalnum() and "\n" in text) for one in made)
        overlaps = sum(any(two.startswith(one[-size:]) for size in range(5, 61)) for one, two in pairwise(made))
        assert overlaps > len(made) / 2


def test_short_and_empty_texts() -> None:
    assert list(passages.cut("  Hello.  ")) == ["Hello."]
    assert list(passages.cut(" \n ")) == []


def test_tables_of_passages_stand_beside_folders(tmp_path: Path) -> None:
    """A passage that stands twice is one; rows of questions give their passages; a table without any is said."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("Twice.", "utf-8")
    rows_ = [
        {"title": "Faq", "context": text, "question": "?"} for text in ("Once.", "Twice.", "Long one. " * 150, "Once.")
    ]
    (tmp_path / "faq.jsonl").write_text("\n".join(json.dumps(row) for row in rows_), "utf-8")
    recipe = Recipe(task="question_answering", data=Data(documents=("books", "faq.jsonl")))
    library.check(recipe, tmp_path)
    found = library.read(recipe, tmp_path, Quiet())
    assert found["document"][:3] == ["a.txt", "Faq", "Faq"] and found["passage"][:2] == ["Twice.", "Once."]
    assert len(found["passage"]) > 3 and all(len(one) <= passages.LETTERS for one in found["passage"])
    heard = Heard()
    asked = ["Twice.", "Long one. " * 150, "Nobody wrote this.", None]
    assert library.read(recipe, tmp_path, heard, asked) == found
    assert heard.lines[-1].startswith("33% of the test rows ask about a passage that none of the documents holds")
    before = library.fingerprint(recipe, tmp_path)
    (tmp_path / "books" / "b.txt").write_text("New.", "utf-8")
    assert library.fingerprint(recipe, tmp_path) != before
    (tmp_path / "faq.jsonl").write_text('{"question": "?"}\n{"question": "!"}\n', "utf-8")
    with pytest.raises(DataError, match="no column of passages"):
        library.read(recipe, tmp_path, Quiet())


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("The password is swordfish.", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "real.txt").write_text("Refunds take seven days.", encoding="utf-8")
    (tmp_path / "docs" / "link.txt").symlink_to(tmp_path / "secret.txt")
    found = folder.passages_of(tmp_path / "docs")
    assert [name for name, _, _ in found.rows] == ["real.txt"]
    assert any("link.txt is a link out of the folder" in note for note in found.notes)
