"""Read docstrings as plain text: signs of mathematics are no markup, backticks are code."""

import re

from sphinx.application import Sphinx

_CODE = re.compile(r"(``.+?``|:\w+:`[^`]+`|`[^`]+`)")
_MARKUP = re.compile(r"[*|\\]|_(?=\W|$)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before napoleon."""
    app.connect("autodoc-process-docstring", _escape, priority=400)
    return {"parallel_read_safe": True}


def _escape(
    app: Sphinx, kind: str, name: str, it: object, options: object, lines: list[str]
) -> None:
    lines[:] = [escaped(line) for line in lines]


def escaped(line: str) -> str:
    """Escape what reStructuredText would take for markup, outside of code."""
    parts = _CODE.split(line)
    return "".join(p if i % 2 else _MARKUP.sub(r"\\\g<0>", p) for i, p in enumerate(parts))
