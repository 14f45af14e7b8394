"""Small documents of every kind, written by hand."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(path: Path, pages: list[str]) -> Path:
    """A PDF of these pages of ASCII text; an empty text is an empty page. ISO 32000-1."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, text in enumerate(pages):
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.splitlines())
        drawn = f"BT /F1 12 Tf 72 720 Td {lines}ET" if text else ""
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * place} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    content, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(content)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    content += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    path.write_bytes(content.encode("ascii"))
    return path


def docx(path: Path, paragraphs: list[tuple[str, str]], *, before: str = "") -> Path:
    """A Word file of (style name or "", text). before: what stands ahead of its root, such as a document type."""
    names = list(dict.fromkeys(style for style, _ in paragraphs if style))
    styles = "".join(f'<w:style w:styleId="s{n}"><w:name w:val="{name}"/></w:style>' for n, name in enumerate(names))
    made = ""
    for style, text in paragraphs:
        looks = f'<w:pPr><w:pStyle w:val="s{names.index(style)}"/></w:pPr>' if style else ""
        made += f"<w:p>{looks}<w:r><w:t>{escape(text)}</w:t><w:delText>gone</w:delText></w:r></w:p>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/styles.xml", f'<w:styles xmlns:w="{WORD}">{styles}</w:styles>')
        body = f'<w:document xmlns:w="{WORD}"><w:body>{made}</w:body></w:document>'
        archive.writestr("word/document.xml", f'<?xml version="1.0" encoding="UTF-8"?>{before}{body}')
    return path


def page(title: str, body: str, code: str = "utf-8") -> bytes:
    """A web page with what pages have besides their text."""
    return (
        f'<html><head><meta charset="{code}"><title>{title}</title><style>p {{ color: red }}</style>'
        "<script>var x = 'never seen';</script></head><body><nav><ul><li>Home<li>Shop</ul></nav>"
        f"<div hidden>not shown</div>{body}<footer>All rights reserved</footer></body></html>"
    ).encode(code)
