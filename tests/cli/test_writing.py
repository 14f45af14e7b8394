"""What `init` says and writes: a short file, and each decision with the line that changes it."""

from __future__ import annotations

from pathlib import Path

from feilun.cli import writing
from feilun.core import reading


def drafted(folder: Path, target: str) -> writing.Draft:
    lines = ["customer_id,signed_up,price,city,tags,cancel_date,y"]
    for i in range(240):
        gone = f"2025-{1 + i % 12:02d}-01" if i % 3 == 0 else ""
        lines.append(
            f"C{i * 7919 % 100_003:06d},{1 + i % 28:02d}/{1 + i % 12:02d}/2023,${i % 90}.50,{['Rome', 'Bonn'][i % 2]},"
            f"{['red|blue', 'red', 'blue', 'green|red'][i // 2 % 4]},{gone},{'yes' if i % 3 == 0 else 'no'}"
        )
    (folder / "shop.csv").write_text("\n".join(lines), "utf-8")
    return writing.draft(str(folder / "shop.csv"), target=[target], task=None, name="shop", base=folder)


def test_each_decision_is_one_line_with_the_line_that_changes_it(tmp_path: Path) -> None:
    told = writing.findings(drafted(tmp_path, "y"), "en")
    assert told[0] == (
        'left out   customer_id  different in every row  (use it: inputs: {customer_id: category, "*": found})'
    )
    (cancel,) = [line for line in told if "cancel_date" in line]
    assert "is missing just where the target says so" in cancel and cancel.count("is it known in time?") == 1
    assert cancel.endswith("(leave it out: data.drop: [cancel_date])")
    assert "如需使用" in writing.findings(drafted(tmp_path, "y"), "zh")[0]


def test_the_file_is_short_and_reads_back(tmp_path: Path) -> None:
    draft = drafted(tmp_path, "y")
    written = writing.text(draft)
    assert len(written.splitlines()) <= 12
    (tmp_path / "shop.yaml").write_text(written, "utf-8")
    read = reading.read_recipe(tmp_path / "shop.yaml", ())
    assert read.target == draft.recipe.target and read.data.drop == ("customer_id",)


def test_several_labels_in_a_cell_are_written_as_such(tmp_path: Path) -> None:
    draft = drafted(tmp_path, "tags")
    assert "separator: '|'" in writing.text(draft) or 'separator: "|"' in writing.text(draft)
    assert draft.recipe.target is not None and draft.recipe.target.separator == "|"
