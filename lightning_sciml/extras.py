"""Packages that only some commands need: the extras of pyproject.toml."""

from collections.abc import Sequence
from importlib.util import find_spec

from lightning_sciml.errors import InputError


def require(what: str, packages: Sequence[str], *, extra: str) -> None:
    """Reject what needs a package that is not installed.

    Args:
        what: needs them, such as "a table of xarray".
        packages: names to import.
        extra: installs them.

    Raises:
        InputError: one of the packages is missing.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise InputError(
            f"{what} needs {' and '.join(missing)}, not installed: "
            f"pip install 'lightning_sciml[{extra}]'"
        )
