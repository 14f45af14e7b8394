"""Sources, test files, splits and windows that do not fit the recipe, or hold something else than they say."""

from __future__ import annotations

from broken import Case, all_of, data, table, text
from cases_tables import CHECK, RUN, answered, both, grown, rows

CASES = [
    Case(
        name="a test file with the month first beside a training file with the day first",
        make=all_of(
            text("t.csv", grown(when=lambda i: f"{1 + i % 28:02}/{1 + i % 9:02}/2020")),
            text("u.csv", grown(x=lambda i: i % 17 + 0.5, when=lambda i: f"{1 + i % 9:02}/{1 + i % 28:02}/2020")),
            text("r.yaml", "data: {source: t.csv, test: u.csv}\ntarget: y\n"),
        ),
        words=("check", "r.yaml"),
        code=0,
        says=("u.csv is read month first", "when", "2024-01-31"),
    ),
    Case(
        name="train and test in another column order",
        make=all_of(
            text("t.csv", grown()),
            text(
                "u.csv",
                "y,c,x\n"
                + "".join(f"{'no' if i % 17 < 8 else 'yes'},{'ab'[i % 2]},{i % 17}.5\n" for i in range(200, 260)),
            ),
            text("r.yaml", "data: {source: t.csv, test: u.csv}\ntarget: y\ninputs: {x: number, c: category}\n"),
        ),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="a column missing in the test file",
        make=all_of(
            text("t.csv", grown()),
            text("u.csv", "c,y\na,no\nb,yes\n"),
            text("r.yaml", "data: {source: t.csv, test: u.csv}\ntarget: y\ninputs: {x: number, c: category}\n"),
        ),
        words=CHECK,
        says=("u.csv", "x"),
    ),
    Case(
        name="the target missing in the test file",
        make=all_of(
            text("t.csv", grown()),
            text("u.csv", "x,c\n1,a\n2,b\n"),
            text("r.yaml", "data: {source: t.csv, test: u.csv}\ntarget: y\n"),
        ),
        words=CHECK,
        says=("u.csv", "y"),
    ),
    Case(
        name="an unknown label in the test file",
        make=all_of(
            text("t.csv", grown()),
            text("u.csv", "x,c,y\n" + "1,a,no\n2,b,maybe\n3,a,yes\n" * 5),
            text("r.yaml", "data: {source: t.csv, test: u.csv}\ntarget: y\n"),
        ),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="an Excel file",
        make=all_of(data("t.xlsx", b"PK\x03\x04" + bytes(80)), text("r.yaml", "data: {source: t.xlsx}\ntarget: y\n")),
        words=CHECK,
        says=("excel", "csv"),
    ),
    Case(
        name="a folder with nothing in it",
        make=all_of(data("f/.hidden", b""), text("r.yaml", "data: {source: f}\ntarget: y\n")),
        words=CHECK,
        says=("f",),
    ),
    Case(
        name="a folder with two tables",
        make=all_of(
            text("f/one.csv", table()), text("f/two.csv", table()), text("r.yaml", "data: {source: f}\ntarget: y\n")
        ),
        words=CHECK,
        says=("one.csv", "two.csv"),
    ),
    Case(
        name="a damaged parquet file",
        make=all_of(
            data("t.parquet", b"PAR1" + bytes(50) + b"PAR1"), text("r.yaml", "data: {source: t.parquet}\ntarget: y\n")
        ),
        words=CHECK,
        says=("t.parquet",),
    ),
    Case(
        name="JSON lines with a broken line",
        make=all_of(
            text("t.jsonl", '{"x": 1, "y": "a"}\n{"x": 2, "y": \n'),
            text("r.yaml", "data: {source: t.jsonl}\ntarget: y\n"),
        ),
        words=CHECK,
        says=("t.jsonl", "2"),
    ),
    Case(
        name="JSON lines of lists",
        make=all_of(text("t.jsonl", "[1, 2]\n[3, 4]\n"), text("r.yaml", "data: {source: t.jsonl}\ntarget: y\n")),
        words=CHECK,
        says=("t.jsonl",),
    ),
    Case(
        name="JSON lines that change their type",
        make=all_of(
            text(
                "t.jsonl",
                "".join(
                    f'{{"x": {i % 23 if i % 2 else chr(34) + str(i % 23) + chr(34)}, "y": "{"ab"[i % 9 > 3]}"}}\n'
                    for i in range(60)
                ),
            ),
            text("r.yaml", "data: {source: t.jsonl}\ntarget: y\n"),
        ),
        words=CHECK,
        code=0,
        right=rows(60),
    ),
    Case(
        name="JSON lines with NaN",
        make=all_of(
            text(
                "t.jsonl",
                "".join(f'{{"x": {"NaN" if i == 3 else i % 7}, "y": "{"ab"[i % 7 > 3]}"}}\n' for i in range(60)),
            ),
            text("r.yaml", "data: {source: t.jsonl}\ntarget: y\n"),
        ),
        words=CHECK,
        code=0,
        right=rows(60),
    ),
    Case(
        name="a JSON object",
        make=all_of(text("t.json", '{"x": 1}'), text("r.yaml", "data: {source: t.json}\ntarget: y\n")),
        words=CHECK,
        says=("t.json",),
    ),
    Case(
        name="a damaged npz",
        make=all_of(data("t.npz", b"PK\x03\x04" + bytes(80)), text("r.yaml", "data: {source: t.npz}\ntarget: y\n")),
        words=CHECK,
        says=("t.npz",),
    ),
    Case(
        name="a database that is none",
        make=all_of(
            data("t.db", bytes(200)),
            text("r.yaml", 'data: {source: "sqlite:///t.db", query: select * from t}\ntarget: y\n'),
        ),
        words=CHECK,
        says=("t.db",),
    ),
    Case(
        name="a database that is not there",
        make=text("r.yaml", 'data: {source: "sqlite:///no.db", query: select 1}\ntarget: y\n'),
        words=CHECK,
        says=("no.db",),
    ),
    Case(
        name="a host that does not exist",
        make=text("r.yaml", 'data: {source: "http://localhost:9/t.csv"}\ntarget: y\n'),
        words=CHECK,
        says=("localhost",),
    ),
    Case(
        name="limit of one row",
        make=both(table(), "data: {source: t.csv, limit: 1}\ntarget: y\n"),
        words=RUN,
        says=("y",),
    ),
    Case(
        name="shares that leave nothing",
        make=both(table(), "data: {source: t.csv, split: {test: 0.5, gate: 0.3, validation: 0.3}}\ntarget: y\n"),
        words=RUN,
        says=("data.split",),
    ),
    Case(
        name="split by a column that is not there",
        make=both(table(), "data: {source: t.csv, split: {by: group, column: who}}\ntarget: y\n"),
        words=RUN,
        says=("who",),
    ),
    Case(
        name="split by time without a column",
        make=both(table(), "data: {source: t.csv, split: {by: time}}\ntarget: y\n"),
        words=RUN,
        says=("column",),
    ),
    Case(
        name="split by a time that is no time",
        make=both(grown(w=lambda i: "abc"[i % 3]), "data: {source: t.csv, split: {by: time, column: w}}\ntarget: y\n"),
        words=RUN,
        says=("w",),
    ),
    Case(
        name="one group only",
        make=both(grown(w=lambda i: "all"), "data: {source: t.csv, split: {by: group, column: w}}\ntarget: y\n"),
        words=RUN,
        says=("w",),
    ),
    Case(
        name="a fold beyond the folds",
        make=both(table(), "data: {source: t.csv, split: {folds: 3, fold: 5}}\ntarget: y\n"),
        words=RUN,
        says=("fold",),
    ),
    Case(
        name="a window over a word",
        make=both(table(), "data: {source: t.csv, window: {of: [c], steps: 3}}\ntarget: y\n"),
        words=RUN,
        says=("c",),
    ),
    Case(
        name="a window over a missing column",
        make=both(table(), "data: {source: t.csv, window: {of: [q], steps: 3}}\ntarget: y\n"),
        words=RUN,
        says=("q",),
    ),
    Case(
        name="groups that are not there",
        make=both(table(), "data: {source: t.csv}\ntarget: y\nevaluate: {groups: [who]}\n"),
        words=RUN,
        says=("who",),
    ),
]
