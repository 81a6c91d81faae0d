"""A self-contained HTML page of headings, tables and figures."""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from lightning_sciml.shards.durable import write_whole
from lightning_sciml.shards.figure_style import FigureFormat, rendered, save_figure
from lightning_sciml.study.report.alternative_text import alternative_text

# A figure is shown 1.6 times as large as in print; on a narrow screen it scrolls in its frame
# instead of shrinking until its letters cannot be read.
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
h1{font-size:1.5em;line-height:1.25}
h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.25em .8em;text-align:right;border-bottom:1px solid #e4e4e4;white-space:nowrap}
th{background:#f4f4f4} td.text,td:first-child,th:first-child{text-align:left}
.wide{overflow-x:auto;margin:1em 0} .wide:focus-visible{outline:2px solid #1d4f91}
figure{margin:1em 0} figcaption{color:#555;font-size:12px}
img{display:block;width:calc(var(--inches)*154px);max-width:100%;height:auto;
min-width:calc(var(--inches)*85px)}
p.note{color:#555;font-size:13px;max-width:46em}
@media print{body{max-width:none;margin:0;padding:0;font-size:10pt}
h2{break-after:avoid} figure,tr{break-inside:avoid} .wide{overflow:visible}
table{font-size:7pt} th,td{white-space:normal;padding:.15em .4em} p.note{max-width:none}
img{width:calc(var(--inches)*1in);min-width:0}}
"""


@dataclass
class Page:
    """Parts of the page, in order; figures are written beside it as well.

    Attributes:
        directory: where figures go.
        formats: of the files of figures.
        parts: pieces of HTML.
    """

    directory: Path
    formats: Sequence[FigureFormat] = ("png", "svg")
    parts: list[str] = field(default_factory=list)
    _num_scrolled: int = 0

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def note(self, text: str) -> None:
        """Add a paragraph of explanation."""
        self.parts.append(f'<p class="note">{html.escape(text)}</p>')

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are numbers."""
        head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in header)
        body = "".join("<tr>" + "".join(_cell(str(cell)) for cell in row) + "</tr>" for row in rows)
        whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self.parts.append(self._scrolled(whole, f"table: {header[0]}"))

    def figure(self, name: str, figure: Figure, *, is_photo: bool = False) -> None:
        """Write the figure as a file in each format, and put it into the page.

        Args:
            name: of the files.
            figure: what to show.
            is_photo: whether it is shown as PNG instead of SVG, as pictures of fields are.
        """
        files = save_figure(figure, self.directory / name, self.formats)
        content = base64.b64encode(rendered(figure, "png" if is_photo else "svg")).decode()
        kind = "png" if is_photo else "svg+xml"
        width, height = figure.get_size_inches()
        image = (
            f'<img alt="{html.escape(alternative_text(figure))}" style="--inches:{width:.2f}" '
            f'width="{96 * width:.0f}" height="{96 * height:.0f}" '
            f'src="data:image/{kind};base64,{content}">'
        )
        caption = ", ".join(file.name for file in files)
        scrolled = self._scrolled(image, f"figure: {name}")
        self.parts.append(
            f"<figure>{scrolled}<figcaption>{html.escape(caption)}</figcaption></figure>"
        )

    def _scrolled(self, content: str, label: str) -> str:
        """Put content that may be wider than the screen into a frame of its own."""
        self._num_scrolled += 1
        name = html.escape(f"{self._num_scrolled}, {label}")
        return f'<div class="wide" role="group" tabindex="0" aria-label="{name}">{content}</div>'

    def write(self, title: str) -> Path:
        """Write report.html, and return its path."""
        path = self.directory / "report.html"
        name = html.escape(title)
        write_whole(
            path,
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{name}</title>'
            f"<style>{STYLE}</style></head>"
            f"<body><main><h1>{name}</h1>{chr(10).join(self.parts)}</main></body></html>\n",
        )
        return path


def _cell(text: str) -> str:
    kind = ' class="text"' if text[:1].isalpha() else ""
    return f"<td{kind}>{html.escape(text)}</td>"
