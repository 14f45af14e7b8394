"""Tables: files that are no tables, cells that are not what they seem, columns that come and go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from broken import QUICK, Case, all_of, columns, data, table, text

CHECK = ("check", "r.yaml")
RUN = ("run", "r.yaml", *QUICK)
RECIPE = text("r.yaml", "data: {source: t.csv}\ntarget: y\n")


def both(content: str | bytes, recipe: str = "data: {source: t.csv}\ntarget: y\n") -> Any:
    """A table and its recipe."""
    made = content.encode() if isinstance(content, str) else content
    return all_of(data("t.csv", made), text("r.yaml", recipe))


def kind(column: str, wanted: str) -> Any:
    """The kind that `check` found."""

    def right(told: dict[str, Any], folder: Path) -> None:
        assert columns(told)[column]["kind"] == wanted

    return right


def rows(wanted: int) -> Any:
    """The rows that `check` counted."""

    def right(told: dict[str, Any], folder: Path) -> None:
        assert columns(told)["y"]["rows"] == wanted

    return right


def answered(told: dict[str, Any], folder: Path) -> None:
    """A run came to its end with a finite score."""
    main = told["result"]["main"]
    assert 0 <= told["result"]["scores"][main]["value"] <= 1


def grown(**more: Any) -> str:
    """The usual table with more columns."""
    plain = {"x": lambda i: i % 17, "c": lambda i: "ab"[i % 2]}
    return table(120, **{**plain, **more}, y=lambda i: "no" if i % 17 < 8 else "yes")


def cut_at_semicolons(content: str) -> str:
    """The table with semicolons between its cells; a bar in a cell becomes a comma."""
    return content.replace(",", ";").replace("|", ",")


def _remainder(factor: int, place: int) -> int:
    return factor * place % 13


CASES = [
    Case(name="missing file", make=RECIPE, words=CHECK, says=("no file", "t.csv")),
    Case(
        name="missing file, nearly right name",
        make=all_of(text("tt.csv", table()), RECIPE),
        words=CHECK,
        says=("did you mean", "tt.csv"),
    ),
    Case(name="empty file", make=both(b""), words=CHECK, says=("t.csv", "empty")),
    Case(name="only spaces", make=both(b"  \n \n"), words=CHECK, says=("t.csv",)),
    Case(name="header and no rows", make=both("x,y\n"), words=CHECK, says=("t.csv", "rows")),
    Case(name="binary noise", make=both(bytes(range(256)) * 20), words=CHECK, says=("t.csv",)),
    Case(name="a NUL byte in a cell", make=both(table().replace("a", "a\0", 1)), words=CHECK, says=("t.csv",)),
    Case(name="a picture called csv", make=both(b"\x89PNG\r\n\x1a\n" + bytes(100)), words=CHECK, says=("t.csv",)),
    Case(name="a zip called csv", make=both(b"PK\x03\x04" + bytes(60)), words=CHECK, says=("t.csv",)),
    Case(
        name="one field more in line three",
        make=both("x,y\n1,a\n2,b,c\n3,a\n"),
        words=CHECK,
        says=("t.csv:3", "header 2"),
    ),
    Case(
        name="one field fewer in line three",
        make=both("x,z,y\n1,2,a\n2,b\n3,4,a\n"),
        words=CHECK,
        says=("t.csv:3", "header 3"),
    ),
    Case(name="a quote that never ends", make=both('x,y\n1,"a\n2,b\n3,a\n'), words=CHECK, says=("t.csv",)),
    Case(name="two columns of one name", make=both("x,x,y\n1,2,a\n2,3,b\n"), words=CHECK, says=("two columns", "x")),
    Case(name="our own column name", make=both(grown(_id=lambda i: i)), words=CHECK, says=("_id", "rename")),
    Case(name="wrong target", make=both(table(), "data: {source: t.csv}\ntarget: z\n"), words=CHECK, says=("z", "y")),
    Case(
        name="no target",
        make=both(table().replace(",y\n", ",w\n"), "data: {source: t.csv}\n"),
        words=CHECK,
        says=("target",),
    ),
    Case(
        name="wrong input column",
        make=both(table(), "data: {source: t.csv}\ninputs: {xx: number}\ntarget: y\n"),
        words=CHECK,
        says=("xx", "did you mean", "x"),
    ),
    Case(
        name="wrong column in drop",
        make=both(table(), "data: {source: t.csv, drop: [cc]}\ntarget: y\n"),
        words=CHECK,
        says=("cc", "c"),
    ),
    Case(
        name="one class only", make=both(table(y=lambda i: "yes", x=lambda i: i % 7)), words=CHECK, says=("one class",)
    ),
    Case(
        name="target empty in every row",
        make=both(grown(z=lambda i: "").replace(",y\n", ",q\n").replace("z,q", "y,q")),
        words=CHECK,
        says=("y", "no value"),
    ),
    Case(name="three rows with two classes", make=both("x,y\n1,a\n2,b\n3,a\n"), words=RUN, says=("rows",)),
    Case(name="one row", make=both("x,y\n1,a\n"), words=RUN, says=("y",)),
    Case(name="all rows equal but the target", make=both("x,y\n" + "1,a\n1,b\n" * 40), words=RUN, says=("x",)),
    Case(
        name="target different in every row",
        make=both(table(80, x=lambda i: i % 9, y=lambda i: f"name {i} of many")),
        words=CHECK,
        says=("different values",),
    ),
    Case(name="only the target", make=both("y\n" + "a\nb\n" * 30), words=CHECK, says=("no column",)),
    Case(
        name="an all-missing column",
        make=both(grown(empty=lambda i: "")),
        words=(*RUN,),
        code=0,
        right=answered,
    ),
    Case(name="a constant column", make=both(grown(k=lambda i: 7)), words=CHECK, code=0, right=kind("k", "constant")),
    Case(
        name="a counter",
        make=both(grown(number=lambda i: i + 1)),
        words=CHECK,
        code=0,
        right=kind("number", "identifier"),
    ),
    Case(
        name="codes with leading zeros",
        make=both(grown(zip=lambda i: f"0{i % 30:04}")),
        words=CHECK,
        code=0,
        right=kind("zip", "category"),
    ),
    Case(
        name="labels with trailing spaces",
        make=both(grown().replace("yes\n", "yes  \n")),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="labels with trailing spaces in some rows are one label",
        make=both(table(120, x=lambda i: i % 17, y=lambda i: ("no" if i % 17 < 8 else "yes") + " " * (i % 2))),
        words=CHECK,
        code=0,
        says=("yes", "no"),
    ),
    Case(
        name="labels in capitals in some rows",
        make=both(table(120, x=lambda i: i % 17, y=lambda i: "no" if i % 17 < 8 else "YES" if i % 4 else "yes")),
        words=CHECK,
        code=0,
        says=("label spellings", "'yes' for 'YES'", 'target: {column: "y", spellings: join}'),
    ),
    Case(
        name="a target with missing values",
        make=both(table(120, x=lambda i: i % 17, y=lambda i: "" if i % 10 == 0 else "no" if i % 17 < 8 else "yes")),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="numbers with thousands separators",
        make=both(grown(price=lambda i: f'"{1000 + 37 * i:,}"')),
        words=CHECK,
        code=0,
        right=kind("price", "number"),
    ),
    Case(
        name="decimal commas between semicolons",
        make=both(grown(price=lambda i: f"{i}.{i % 10}").replace(",", ";").replace(".", ",")),
        words=CHECK,
        code=0,
        right=kind("price", "number"),
    ),
    Case(
        name="a comma between thousands beside decimal points, cells cut at semicolons",
        make=both(cut_at_semicolons(grown(price=lambda i: f"{i}.5" if i % 9 else f"4|{i:03}"))),
        words=CHECK,
        code=0,
        says=("4,000 is read as 4000",),
    ),
    Case(
        name="a number that may be two is told with the key that decides",
        make=both(cut_at_semicolons(grown(price=lambda i: f"4|{i:03}"))),
        words=CHECK,
        code=0,
        says=("4,000", "4.000", "may be 4000", 'data.decimal: "."', "unclear numbers"),
    ),
    Case(
        name="dates in two orders in one file",
        make=both(grown(when=lambda i: "{1:02}/{0:02}/2020".format(*(1 + i % 9, 1 + i % 28)[:: 2 * (i % 2) - 1]))),
        words=CHECK,
        code=0,
        says=("dates in two orders", "day_first: true", "when"),
    ),
    Case(
        name="numbers with a currency",
        make=both(grown(price=lambda i: f"${i}.50")),
        words=CHECK,
        code=0,
        right=kind("price", "number"),
    ),
    Case(
        name="shares in percent",
        make=both(grown(share=lambda i: f"{i % 100}%")),
        words=CHECK,
        code=0,
        right=kind("share", "number"),
    ),
    Case(
        name="a word among numbers",
        make=both(grown(v=lambda i: "oops" if i == 40 else i * 3 % 50)),
        words=CHECK,
        code=0,
        right=kind("v", "number"),
        says=("oops",),
    ),
    Case(
        name="NaN and infinity among numbers",
        make=both(grown(v=lambda i: ("NaN", "inf", "-inf")[i % 3] if i % 9 == 0 else i * 7 % 60)),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="numbers beyond float64",
        make=both(grown(v=lambda i: "1e400" if i == 3 else f"1e{i % 300}")),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="a formula in a cell",
        make=both(grown(f=lambda i: "=1+1" if i % 2 else "=HYPERLINK(0)")),
        words=CHECK,
        code=0,
        right=kind("f", "category"),
    ),
    Case(
        name="ten thousand categories",
        make=both(
            table(
                12_000, x=lambda i: i % 17, c=lambda i: f"v{i * 7 % 10_007}", y=lambda i: "no" if i % 17 < 8 else "yes"
            )
        ),
        words=CHECK,
        code=0,
        says=("c",),
    ),
    Case(
        name="five hundred columns",
        make=both(grown(**{f"w{k}": partial(_remainder, k) for k in range(500)})),
        words=CHECK,
        code=0,
        right=rows(120),
    ),
    Case(
        name="a very long cell",
        make=both(grown(note=lambda i: "word " * (40_000 if i == 5 else 5))),
        words=CHECK,
        code=0,
        right=rows(120),
    ),
    Case(
        name="a line break in a quoted cell",
        make=both(grown(note=lambda i: f'"one\ntwo {i}"')),
        words=CHECK,
        code=0,
        right=rows(120),
    ),
    Case(name="carriage returns", make=both(grown().replace("\n", "\r\n")), words=CHECK, code=0, right=rows(120)),
    Case(
        name="a byte order mark",
        make=both(b"\xef\xbb\xbf" + grown().encode()),
        words=CHECK,
        code=0,
        right=kind("x", "number"),
    ),
    Case(name="UTF-16", make=both(grown().encode("utf-16")), words=CHECK, code=0, right=rows(120)),
    Case(
        name="GB18030",
        make=both(grown(城市=lambda i: ("北京", "上海", "广州")[i % 3]).encode("gb18030")),
        words=CHECK,
        code=0,
        right=kind("城市", "category"),
    ),
    Case(
        name="Latin-1",
        make=both(grown(ville=lambda i: ("Orléans", "Besançon", "Nîmes")[i % 3]).encode("latin-1")),
        words=CHECK,
        code=0,
        right=kind("ville", "category"),
    ),
    Case(
        name="two encodings in one file",
        make=both(grown(ort=lambda i: "Köln").encode() + "3,a,Köln,no\n".encode("latin-1") + "3,a,Düren,no\n".encode()),
        words=CHECK,
        says=("t.csv", "t.csv:122", "encoding"),
    ),
    Case(name="tabs in a csv", make=both(grown().replace(",", "\t")), words=CHECK, code=0, right=rows(120)),
    Case(name="bars in a csv", make=both(grown().replace(",", "|")), words=CHECK, code=0, right=rows(120)),
    Case(
        name="dates in three formats",
        make=both(
            grown(
                when=lambda i: (f"2024-03-{i % 28 + 1:02}", f"{i % 28 + 1}.3.2024", f"2024/03/{i % 28 + 1:02}")[i % 3]
            )
        ),
        words=CHECK,
        code=0,
        right=kind("when", "time"),
    ),
    Case(
        name="dates that do not exist",
        make=both(grown(when=lambda i: f"2024-02-{i % 40 + 1:02}")),
        words=CHECK,
        code=0,
        says=("when",),
    ),
    Case(
        name="Chinese dates",
        make=both(grown(日期=lambda i: f"2024年{i % 12 + 1}月{i % 28 + 1}日")),
        words=CHECK,
        code=0,
        right=kind("日期", "time"),
    ),
    Case(
        name="Chinese names everywhere",
        make=all_of(
            data("表.csv", grown().replace("y\n", "目标\n", 1).encode()),
            text("方.yaml", "data: {source: 表.csv}\ntarget: 目标\n"),
        ),
        words=("run", "方.yaml", *QUICK),
        code=0,
        right=answered,
    ),
    Case(
        name="a name with a comma",
        make=both(grown(**{'"a, b"': lambda i: i % 5})),
        words=CHECK,
        code=0,
        right=kind("a, b", "number"),
    ),
    Case(name="blank column names", make=both(grown().replace("c,", ",", 1)), words=CHECK, code=0, right=rows(120)),
    Case(
        name="a trailing delimiter",
        make=both("x,y,\n" + "".join(f"{i % 9},{'ab'[i % 9 > 3]},\n" for i in range(60))),
        words=CHECK,
        code=0,
        right=rows(60),
    ),
    Case(
        name="no header",
        make=both(
            "".join(f"{i % 9},{i * 3 % 11},{'ab'[i % 9 > 3]}\n" for i in range(60)),
            "data: {source: t.csv}\ntarget: y\n",
        ),
        words=CHECK,
        says=("t.csv", "column_1"),
    ),
    Case(
        name="no header, names given",
        make=both(
            "".join(f"{i % 9},{i * 3 % 11},{'ab'[i % 9 > 3]}\n" for i in range(60)),
            "data: {source: t.csv, columns: [p, q, y]}\ntarget: y\n",
        ),
        words=CHECK,
        code=0,
        right=rows(60),
    ),
    Case(
        name="too few names given",
        make=both(
            "".join(f"{i % 9},{i * 3 % 11},{'ab'[i % 9 > 3]}\n" for i in range(60)),
            "data: {source: t.csv, columns: [p, y]}\ntarget: y\n",
        ),
        words=CHECK,
        says=("columns", "3"),
    ),
]
