"""The code blocks of a page, with the marks that say how tests run them.

A mark is an HTML comment above a block, with nothing but space between:

    <!-- not run: REASON -->            REASON begins with one of ``REASONS``
    <!-- slow: REASON -->               run by `make test-slow` only
    <!-- in tests: A → B; C → D -->     replace text, where the sizes shown take too long
    <!-- output differs: REASON -->     above what a block prints: it is not compared
    <!-- goes into: FILE, above: TEXT -->    put into that file; without TEXT, at its end

Two comments stand alone: ``<!-- in tests, on this page: A → B -->`` replaces text in all blocks
behind it, and ``<!-- in tests, first: …lines of bash… -->`` does what the reader has done before,
``<!-- in tests, first in Python: … -->`` in Python.
A block of YAML or Python whose first line is ``# name.yaml`` or ``# name.py`` is saved under it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

REASONS = (
    "installs",
    "needs an account",
    "needs a browser",
    "needs a GPU",
    "needs files of others",
    "needs SLURM",
    "needs several machines",
    "needs the data of another page",
    "sizes of the paper",
    "takes minutes",
)
LANGUAGES = ("bash", "python", "yaml")
_TOKEN = re.compile(
    r"<!--\s*(?P<comment>.*?)\s*-->"
    r"|^(?P<indent> *)```(?P<language>[\w{-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(
    r"(not run|slow|goes into|in tests|output differs|in tests, [\w ]+):\s+(.*)", re.DOTALL
)
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|py))$")


@dataclass(frozen=True)
class Block:
    """What a page shows to be typed, run or saved."""

    line: int
    language: str
    text: str
    saved_as: str | None = None
    above: str | None = None  # text of that file above which it belongs; "" is its end
    is_slow: bool = False
    not_run: bool = False
    shown: str | None = None  # what it prints, by the page


def blocks(page: Path) -> list[Block]:
    """Read the blocks of a page in order, as tests run them.

    Raises:
        ValueError: a mark or a language is not known, or text to be replaced does not occur.
    """
    found: list[Block] = []
    reader = _Reader(page)
    for token in _TOKEN.finditer(page.read_text()):
        block = reader.read(token)
        if block is not None and block.language in LANGUAGES:
            found.append(block)
        elif block is not None and reader.follows_a_block and not block.not_run:
            found[-1] = replace(found[-1], shown=block.text)
        reader.follows_a_block = block is not None and block.language in LANGUAGES
    reader.check_replacements()
    return found


class _Reader:
    """Reads a page from top to bottom."""

    def __init__(self, page: Path) -> None:
        self.text, self.name = page.read_text(), page.name
        self.marks: dict[str, str] = {}
        self.marked_until = 0
        self.replaced: dict[str, str] = {}
        self.unused: set[str] = set()
        self.follows_a_block = False

    def read(self, token: re.Match[str]) -> Block | None:
        line = self.text.count("\n", 0, token.start()) + 1
        self.where = f"{self.name}, line {line}"
        if self.text[self.marked_until : token.start()].strip():
            if self.marks:
                raise ValueError(f"{self.where}: no block follows the mark {self.marks}")
            self.follows_a_block = False
        self.marked_until = token.end()
        if token["comment"] is not None:
            return self._read_comment(line, token["comment"])
        if token["language"].startswith("{"):  # what the generator of the site fills in
            return None
        marks, self.marks = self.marks, {}
        return self._made(line, token, marks)

    def _read_comment(self, line: int, comment: str) -> Block | None:
        mark = _MARK.fullmatch(comment)
        if mark is None:
            if comment.startswith(("not run", "slow", "in tests", "output")):
                raise ValueError(f"{self.where}: unknown mark {comment!r}")
            return None
        kind, words = mark.groups()
        if kind.startswith("in tests, first"):
            return Block(line, "python" if kind.endswith("Python") else "bash", words + "\n")
        if kind == "in tests, on this page":
            self.replaced |= dict(_pairs(words))
            self.unused |= {before for before, _ in _pairs(words)}
            return None
        if kind == "not run" and not words.startswith(REASONS):
            raise ValueError(f"{self.where}: {words!r} begins with none of {REASONS}")
        self.marks[kind] = words
        return None

    def _made(self, line: int, token: re.Match[str], marks: dict[str, str]) -> Block:
        language, indent = token["language"], token["indent"]
        if language not in (*LANGUAGES, "", "text"):
            raise ValueError(f"{self.where}: a block of {language!r}; known are {LANGUAGES}")
        text = re.sub(f"^{indent}", "", token["text"], flags=re.MULTILINE)
        if language not in LANGUAGES:
            return Block(line, "", text, not_run="output differs" in marks)
        if "not run" not in marks:
            text = self._in_tests(text, marks.get("in tests", ""))
        first, _, _ = text.partition("\n")
        named = _FILE.match(first) if language != "bash" else None
        if language == "yaml":
            yaml.safe_load(text)
        file, above = named[1] if named else None, None
        if "goes into" in marks:
            file, _, above = marks["goes into"].partition(", above: ")
        return Block(
            *(line, language, text, file, above),
            is_slow="slow" in marks,
            not_run="not run" in marks or (language == "yaml" and named is None),
        )

    def _in_tests(self, text: str, mark: str) -> str:
        for before, after in _pairs(mark):
            if before not in text:
                raise ValueError(f"{self.where}: the block has no {before!r} to be replaced")
            text = text.replace(before, after)
        for before, after in self.replaced.items():
            if before in text:
                self.unused.discard(before)
                text = text.replace(before, after)
        return text

    def check_replacements(self) -> None:
        """Reject marks that change nothing.

        Raises:
            ValueError: no block has the text to be replaced.
        """
        if self.unused:
            raise ValueError(f"{self.name}: no block has {sorted(self.unused)} to be replaced")


def _pairs(mark: str) -> Iterator[tuple[str, str]]:
    for pair in filter(str.strip, mark.split(";")):
        before, arrow, after = pair.partition("→")
        if not arrow:
            raise ValueError(f"{pair!r} is not of the form A → B")
        yield before.strip(), after.strip()


def unseen_lines(shown: str, printed: str) -> list[str]:
    """List lines that a page shows and a run has not printed, numbers, spaces and speeds apart.

    A line `...` stands for others, and a line that ends with it for any that begins so.
    """
    there = {_skeleton(line) for line in printed.splitlines()}
    unseen = []
    for line in filter(str.strip, shown.splitlines()):
        start, dots, _ = line.partition("...")
        wanted = _skeleton(start)
        is_there = any(x.startswith(wanted) for x in there) if dots else wanted in there
        if not is_there:
            unseen.append(line)
    return unseen


def _skeleton(line: str) -> str:
    line = re.sub(r"\x1b\[[\d;]*m|, train/samples_per_s [\d.]+", "", line)
    return " ".join(re.sub(r"[-+−]?\d[\d,.]*(?:e[-+]?\d+)?", "#", line).split())
