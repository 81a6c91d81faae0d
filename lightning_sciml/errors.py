"""The one exception that means: what the user gave cannot be used."""

from typing import NoReturn


class InputError(ValueError):
    """Input that cannot be used; the message is one line: what was wanted, what came, the remedy.

    Programs print the message without a traceback and exit with ``EXIT_CODE``.
    """

    EXIT_CODE = 2


class OneLineErrors:
    """Mixed into a parser: what is wrong in one line, without the usage of a hundred options."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the first lines of the message, which name the option, as an InputError."""
        lines = [line.strip(" -") for line in str(message).splitlines() if line.strip(" -")]
        raise InputError(" ".join(lines[:3])) from ex
