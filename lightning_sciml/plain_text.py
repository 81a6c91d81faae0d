"""Text from files where it leaves the program: shown, and never obeyed or interpreted."""

import unicodedata

# Control and format characters (ESC, right-to-left override), halves of characters, line ends.
_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def for_terminal(text: object, *, keep: str = "") -> str:
    r"""Text with control characters written as escapes, such as \x1b.

    Args:
        text: from a file, or with parts from one.
        keep: control characters that stay, such as the ends of lines.
    """
    return "".join(
        c if c in keep or unicodedata.category(c) not in _NOT_SHOWN else ascii(c)[1:-1]
        for c in str(text)
    )


def counted(number: int, noun: str) -> str:
    """Number and noun, such as "1 shard" and "3 shards"."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def for_figure(text: object) -> str:
    """Text that matplotlib draws as it is: `$` does not begin a formula."""
    return for_terminal(text, keep="\n").replace("$", r"\$")
