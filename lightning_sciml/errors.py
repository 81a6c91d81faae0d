"""Errors whose message is all the user needs: one line, no traceback."""

import errno
from collections.abc import Sequence


class ReportedError(Exception):
    """Ends a program: it prints the message, one line, and exits with ``EXIT_CODE``."""

    EXIT_CODE = 1


class InputError(ReportedError, ValueError):
    """Input that cannot be used; the message says what was wanted, what came, the remedy."""

    EXIT_CODE = 2


def reject_below(least: int, **options: float | Sequence[int] | None) -> None:
    """Raise an InputError for an option, or a list of values, below the least that makes sense.

    None is an option that is not given; a list must not be empty.
    """
    for name, value in options.items():
        if value is None:
            continue
        values = value if isinstance(value, Sequence) else [value]
        if not values or min(values) < least:
            raise InputError(f"{name} must be at least {least}, got {value}")


def reject_repeated(**options: Sequence[object]) -> None:
    """Raise an InputError for a list that names something twice."""
    for name, values in options.items():
        if len(set(values)) < len(values):
            raise InputError(f"{name} must name each entry once, got {list(values)}")


DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reported_cause(error: BaseException | None) -> ReportedError | None:
    """The first ReportedError among an error and those it was raised from.

    A disk without space, wherever it is met, becomes one.
    """
    while error is not None and not isinstance(error, ReportedError):
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            where = f"{error.filename} cannot be written" if error.filename else "a write failed"
            return ReportedError(
                f"{where} ({error.strerror}): files that were whole still are; free some space and "
                "type the same line again"
            )
        error = error.__cause__ or error.__context__
    return error
