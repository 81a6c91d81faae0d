"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Input that cannot be used; the message is one line: what was wanted, what came, the remedy.

    Programs print the message without a traceback and exit with ``EXIT_CODE``.
    """

    EXIT_CODE = 2
