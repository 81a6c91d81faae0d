"""Check the links of the finished site: pages, files and anchors that are named are there."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging


class _Page(HTMLParser):
    """The anchors of a page, and what it names."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.named: set[str] = set()
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names or can be named by."""
        values = dict(attrs)
        self.anchors |= {v for key in ("id", "name") if (v := values.get(key))}
        self.named |= {v for key in ("href", "src") if (v := values.get(key))}


def faults(site: Path) -> list[str]:
    """Name what links of the pages below a folder miss."""
    pages = {file.resolve(): _Page(file) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        for named in sorted(page.named):
            parts = urlsplit(named)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            is_there = anchor in pages[target].anchors if target in pages else target.exists()
            if not (is_there or (target.exists() and not anchor)):
                found.append(f"{file.relative_to(site.resolve())}: {named} leads nowhere")
    return found


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for fault in faults(Path(app.outdir)):
            logging.getLogger(__name__).warning("%s", fault)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
