"""Check values from a YAML file against the annotations of a dataclass, and list all faults."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def checked(cls: type, values: Any, where: str, faults: list[str]) -> Any:
    """Make an instance of the dataclass from `values`, and add a line to `faults` for each fault.

    Returns None where a required value is missing or invalid.
    """
    prefix = f"{where}: " if where else ""
    if not isinstance(values, dict):
        faults.append(f"{prefix}a mapping is wanted, got {values!r}")
        return None
    known = {f.name: f for f in fields(cls)}
    right: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            faults.append(f"{prefix}unknown key {key}; known are {', '.join(known)}")
        elif (wanted := unmet(known[key].type, value)) is not None:
            faults.append(f"{prefix}{key} must be {wanted}, got {value!r}")
        else:
            right[key] = value
    required = {
        n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING
    }
    faults += [f"{prefix}{key} is missing" for key in sorted(required - set(values))]
    return cls(**right) if required <= set(right) else None


SCALARS: dict[Any, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (int,)),
    float: ("a number (1.0e-3; YAML takes 1e-3 for text)", (int, float)),
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
}


NAMES = {Path: "the name of a folder"}


def unmet(wanted: Any, value: Any) -> str | None:
    """Say what a value must be, or return None where it agrees with its annotation."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        parts = [unmet(argument, value) for argument in arguments]
        return None if None in parts else next(text for text in parts if text)
    if origin is Literal:
        return None if value in arguments else f"one of {', '.join(map(str, arguments))}"
    if wanted is NoneType:
        return None if value is None else "nothing"
    if origin is Sequence:
        if not isinstance(value, (list, tuple)):
            return "a list"
        parts = [unmet(arguments[0], item) for item in value]
        return next((f"a list, each of it {text}" for text in parts if text), None)
    if origin is Mapping:
        return _unmet_mapping(arguments[1], value)
    if wanted in SCALARS:
        text, types = SCALARS[wanted]
        is_it = isinstance(value, types) and (wanted is bool or not isinstance(value, bool))
        return None if is_it else text
    return None if isinstance(value, wanted) else NAMES.get(wanted, f"a {wanted.__name__}")


def _unmet_mapping(wanted: Any, value: Any) -> str | None:
    if not isinstance(value, dict):
        return "a mapping"
    if not all(isinstance(key, str) for key in value):
        return "a mapping by names (numbers in quotes)"
    if wanted is Any:
        return None
    parts = [unmet(wanted, item) for item in value.values()]
    return next((f"a mapping, each of it {text}" for text in parts if text), None)
