"""A self-contained HTML page of headings, tables and figures."""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from lightning_sciml.shards.durable import write_whole

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
h1{font-size:1.5em} h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;font-size:13px;margin:1em 0;font-variant-numeric:tabular-nums}
th,td{padding:.25em .8em;text-align:right;border-bottom:1px solid #e4e4e4;white-space:nowrap}
th{background:#f4f4f4} td.text,td:first-child,th:first-child{text-align:left}
.wide{overflow-x:auto} img{max-width:100%;height:auto} p.note{color:#555;font-size:13px}
"""


@dataclass
class Page:
    """Parts of the page, in order; figures are written beside it as PNG and SVG as well.

    Attributes:
        directory: where figures go.
        parts: pieces of HTML.
    """

    directory: Path
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def note(self, text: str) -> None:
        """Add a paragraph of explanation."""
        self.parts.append(f'<p class="note">{html.escape(text)}</p>')

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are numbers."""
        head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
        body = "".join("<tr>" + "".join(_cell(str(cell)) for cell in row) + "</tr>" for row in rows)
        self.parts.append(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')

    def figure(self, name: str, figure: Figure, *, is_photo: bool = False) -> None:
        """Write NAME.png and NAME.svg, and put one of them into the page."""
        figure.savefig(self.directory / f"{name}.png", dpi=130)
        metadata = {"Date": None, "Creator": None}
        figure.savefig(self.directory / f"{name}.svg", metadata=metadata)
        kind, suffix = ("png", "png") if is_photo else ("svg+xml", "svg")
        content = base64.b64encode((self.directory / f"{name}.{suffix}").read_bytes()).decode()
        source = f"data:image/{kind};base64,{content}"
        self.parts.append(f'<img alt="{html.escape(name)}" src="{source}">')

    def write(self, title: str) -> Path:
        """Write report.html, and return its path."""
        path = self.directory / "report.html"
        name = html.escape(title)
        write_whole(
            path,
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{name}</title><style>{STYLE}</style></head>'
            f"<body><h1>{name}</h1>{chr(10).join(self.parts)}</body></html>\n",
        )
        return path


def _cell(text: str) -> str:
    kind = ' class="text"' if text[:1].isalpha() else ""
    return f"<td{kind}>{html.escape(text)}</td>"
