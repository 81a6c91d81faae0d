"""Errors by which a library says that a setting cannot be used, told from those of a bug.

Lightning and torch raise many types of exception on purpose, after a look at what the user has
chosen. Such an exception comes from a `raise` statement in their own code. One that an operation
meets (a division by zero, an attribute that is not there), or that other code raises, is a bug and
keeps its traceback.
"""

import linecache
import traceback

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightning_sciml.errors import InputError, reported_cause
from lightning_sciml.option_errors import cause

CHECKING_PACKAGES = ("lightning.", "torch.optim.", "pytorch_optimizer.")
LONGEST = 400  # characters of a message


def setting_error(error: BaseException, *, of_constructors: bool = False) -> InputError | None:
    """The InputError that stands for an error about a setting; None for any other error.

    Args:
        error: as it was raised.
        of_constructors: whether it comes from making what the configuration names: a constructor's
            ValueError or ImportError is then about a setting, whoever has written it.
    """
    first = first_cause(error)
    module, line = _raised_at(first)
    is_check = line.startswith("raise ") and module.startswith(CHECKING_PACKAGES)
    by_value = of_constructors and isinstance(first, ValueError | ImportError)
    is_of_setting = by_value or is_check or isinstance(first, MisconfigurationException)
    if reported_cause(error) is not None or not is_of_setting:
        return None
    text = cause(str(error if "Errors:\n" in str(error) else first))
    if of_constructors and str(first) == text:
        text = f"{module.rpartition('.')[2] or type(first).__name__}: {text}"
    short = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    return InputError(f"{short} (SCIML_TRACEBACK=1 shows where this was raised)")


def first_cause(error: BaseException) -> BaseException:
    """The error that all others of a chain were raised from, or while handling it."""
    while above := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = above
    return error


def _raised_at(error: BaseException) -> tuple[str, str]:
    """Module and source line that raised an error; empty where it was not raised."""
    module = line = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        line = linecache.getline(frame.f_code.co_filename, number).strip()
    return module, line
