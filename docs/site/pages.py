"""Make a site of pages that are plain Markdown on the code host.

An index page names its pages in tables or lists; they become the navigation of the site. Pages of
the repository's root have a place here: a stub links the file, and the site shows its text.
"""

import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
INDEX_PAGES = ("index", "notebook/README")
ROOT_PAGES = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog"}
"""Files of the root, and the pages that show them."""

_LINK = re.compile(r"(\]\()([^)\s#]*)((?:#[^)\s]*)?\))")
_LISTED = re.compile(r"^(?:\||-|\d+\.) .*$", re.MULTILINE)  # rows and items, no running text
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    text, file = source[0], f"docs/{page}.md"
    for name, stub in ROOT_PAGES.items():
        if page == stub:
            app.env.note_dependency(str(ROOT / name))
            text, file = (ROOT / name).read_text(), name
    text = relinked(text, file, page)
    source[0] = text + navigation(text) if page in INDEX_PAGES else text


def relinked(text: str, file: str, page: str) -> str:
    """Rewrite links of a file of the repository, which the site shows as a page.

    Links to files of the root that are pages of the site lead to these pages.
    """
    here, there = posixpath.dirname(file), posixpath.dirname(f"docs/{page}")

    def replaced(found: re.Match[str]) -> str:
        before, path, after = found.groups()
        if not path or ":" in path:
            return found[0]
        target = posixpath.normpath(posixpath.join(here, path))
        if target in ROOT_PAGES:
            target = f"docs/{ROOT_PAGES[target]}.md"
        return before + posixpath.relpath(target, there) + after

    return _LINK.sub(replaced, text)


def navigation(text: str) -> str:
    """Write the tables of contents of an index page, one for each of its headings."""
    _, *parts = _HEADING.split("## \n" + text)
    tables = []
    for caption, body in zip(parts[::2], parts[1::2], strict=True):
        links = (path for _, path, _ in _LINK.findall("\n".join(_LISTED.findall(body))))
        pages = [p for p in dict.fromkeys(links) if p.endswith(".md") and not p.startswith("..")]
        if pages:
            title = f":caption: {caption}\n" if caption else ""
            entries = "\n".join(path.removesuffix(".md") for path in pages)
            tables.append(f"\n```{{toctree}}\n:hidden:\n{title}\n{entries}\n```\n")
    return "".join(tables)
