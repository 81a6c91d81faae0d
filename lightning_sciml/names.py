"""Names of data sets, models, recipes and studies: one rule, for they become names of files."""

import re

from lightning_sciml.errors import InputError

LONGEST_NAME = 100  # characters: several names and an ending fit into the 255 of a file name
LONGEST_JOINED = 200
_NAME = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*")


def name_fault(name: object) -> str | None:
    """Say in one line what is wrong with a name; None if it can be used."""
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return None
    shown = str(name) if len(str(name)) <= LONGEST_NAME else f"{str(name)[:20]}… ({len(str(name))})"
    return (
        f"a name has letters, digits, '.', '_' and '-' only, at least one letter or digit, and at "
        f"most {LONGEST_NAME} characters, got {shown!r}"
    )


def check_name(name: object) -> None:
    """Raise an InputError for a name that cannot be used."""
    if fault := name_fault(name):
        raise InputError(f"{fault}; give another --name")
