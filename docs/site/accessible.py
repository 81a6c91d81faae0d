"""Repair what keeps readers with a keyboard, a screen reader or a phone from parts of pages."""

import re
from pathlib import Path

from sphinx.application import Sphinx

REPAIRS = {
    # What scrolls sideways scrolls by the arrow keys, too.
    r'<pre( class="[^"]*")?>': r'<pre\1 tabindex="0">',
    r'(<div class="table-wrapper[^"]*")>': r'\1 tabindex="0">',
    # The name of an option stays on one line.
    r'<span class="pre">(?=--?[a-z])': '<span class="pre option">',
    # Two landmarks of one kind are told apart by their names.
    r'<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    r'(<aside class="toc-drawer[^"]*")>': r'\1 aria-label="This page">',
    # Sphinx parts a parameter from its meaning by two hyphens, which are read aloud.
    r"</strong> -- ": "</strong>: ",
    # A heading has a level, an empty cell is none, and a page has a title.
    r'role="heading">': 'role="heading" aria-level="2">',
    r"<th[^>]*>(<p></p>)?</th>": "<td></td>",
    r'(?<!</h1>)<div id="search-results">': '<h1>Search</h1><div id="search-results">',
}
"""Patterns of HTML and what takes their place, which none of the patterns matches."""

_CODE = re.compile(r"<pre.*?</pre>", re.DOTALL)
_OPTION = re.compile(r'(?<!option">)(?<=[ \n>])--[a-z][\w.-]*')


def repaired(html: str) -> str:
    """Return a page with all repairs."""
    for pattern, replacement in REPAIRS.items():
        html = re.sub(pattern, replacement, html)
    return _CODE.sub(lambda code: _OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)


def _repair(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for file in Path(app.outdir).rglob("*.html"):
            file.write_text(repaired(file.read_text()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", _repair)
    return {"parallel_read_safe": True}
