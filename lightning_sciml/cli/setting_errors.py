"""Errors by which a library says that a setting cannot be used, told from those of a bug.

Lightning and torch raise many types of exception on purpose, after a look at what the user has
chosen. Such an exception comes from a `raise` statement in their own code. One that an operation
meets (a division by zero, an attribute that is not there), or that other code raises, is a bug and
keeps its traceback.
"""

import linecache
import traceback
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.option_errors import cause

CHECKING_PACKAGES = ("lightning", "torch.optim", "pytorch_optimizer")
LONGEST = 400  # characters of a message


def setting_error(error: BaseException, *, of_constructors: bool = False) -> InputError | None:
    """The InputError that stands for an error about a setting; None for any other error.

    Args:
        error: as it was raised.
        of_constructors: whether it comes from making what the configuration names: a constructor's
            ValueError or ImportError is then about a setting, whoever has written it.
    """
    if reported_cause(error) is not None:
        return None
    first = list(_chain(error))[-1]
    by_value = of_constructors and isinstance(first, ValueError | ImportError)
    if not (by_value or isinstance(first, MisconfigurationException) or _is_raised_by_check(first)):
        return None
    text = cause(str(error if "Errors:\n" in str(error) else first))
    if of_constructors and str(first) == text:
        text = f"{_place(first)}: {text}"
    short = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    return InputError(f"{short} (SCIML_TRACEBACK=1 shows where this was raised)")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _is_raised_by_check(error: BaseException) -> bool:
    frames = _frames(error)
    if not frames:
        return False
    last = frames[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    return line.startswith("raise ") and any(
        Path(last.filename).is_relative_to(folder) for folder in _folders()
    )


def _folders() -> list[Path]:
    specs = [find_spec(name) for name in CHECKING_PACKAGES]
    return [Path(spec.origin).parent for spec in specs if spec and spec.origin]


def _place(error: BaseException) -> str:
    """The module in which an error was raised."""
    frames = _frames(error)
    return Path(frames[-1].filename).stem if frames else type(error).__name__
