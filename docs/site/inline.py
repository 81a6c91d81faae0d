"""Make nodes of the plain text of docstrings and comments."""

import re
import textwrap

from docutils import nodes

_CODE = re.compile(r"(?::\w+:)?(`{1,2})(.+?)\1")


def spans(text: str) -> list[nodes.Node]:
    """Divide a text into words and code, which stands between backticks."""
    found: list[nodes.Node] = []
    end = 0
    for code in _CODE.finditer(text):
        found += [nodes.Text(text[end : code.start()]), nodes.literal("", code[2])]
        end = code.end()
    return [*found, nodes.Text(text[end:])]


def paragraphs(text: str) -> list[nodes.Node]:
    """Make paragraphs of a text, and blocks of code of what is indented."""
    found: list[nodes.Node] = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        if part.startswith("    "):
            code = textwrap.dedent(part)
            found.append(nodes.literal_block(code, code, language="bash"))
        elif part:
            found.append(nodes.paragraph("", "", *spans(part)))
    return found
