"""Build a dataclass from the values of a YAML file, and list all its faults."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from lightning_sciml.paths import expanded


def checked(cls: Any, values: Any, where: str, faults: list[str]) -> Any:
    """Make an instance of the dataclass from `values`, and add a line to `faults` for each fault.

    Fields that are dataclasses, or lists and mappings of them, are made from their values, too.
    Returns None where a required value is missing or invalid.
    """
    prefix = f"{where}: " if where else ""
    if not isinstance(values, dict):
        faults.append(f"{prefix}a mapping is wanted, got {values!r:.60}")
        return None
    known = {f.name: f for f in fields(cls)}
    right: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            faults.append(f"{prefix}unknown key {key}; known are {', '.join(known)}")
        elif (wanted := unmet(known[key].type, value)) is not None:
            faults.append(f"{prefix}{key} must be {wanted}, got {value!r}")
        else:
            right[key] = _built(known[key].type, value, key, faults)
    required = {
        n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING
    }
    faults += [f"{prefix}{key} is missing" for key in sorted(required - set(values))]
    return cls(**right) if required <= set(right) else None


def _built(wanted: Any, value: Any, where: str, faults: list[str]) -> Any:
    part = (get_args(wanted) or (None,))[-1]
    if is_dataclass(wanted):
        return checked(wanted, value, where, faults)
    if is_dataclass(part) and isinstance(value, dict):
        named = {n: checked(part, v or {}, f"{where}.{n}", faults) for n, v in value.items()}
        return {name: made for name, made in named.items() if made is not None}
    if is_dataclass(part):
        listed = [checked(part, v, f"{where}[{i}]", faults) for i, v in enumerate(value)]
        return [made for made in listed if made is not None]
    return expanded(value) if wanted is Path else value


SCALARS: dict[Any, tuple[str, tuple[type, ...]]] = {
    int: ("a whole number", (int,)),
    float: ("a number (1.0e-3; YAML takes 1e-3 for text)", (int, float)),
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
    Path: ("the name of a folder", (str,)),
}


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
        return _unmet_part("list", arguments[0], value)
    if origin is Mapping:
        return _unmet_mapping(arguments[1], value)
    if wanted in SCALARS:
        text, types = SCALARS[wanted]
        is_it = isinstance(value, types) and (wanted is bool or not isinstance(value, bool))
        return None if is_it else text
    return None  # a dataclass, which says itself what is wrong with its values


def _unmet_mapping(wanted: Any, value: Any) -> str | None:
    if not isinstance(value, dict):
        return "a mapping"
    if not all(isinstance(key, str) for key in value):
        return "a mapping by names (numbers in quotes)"
    return None if wanted is Any else _unmet_part("mapping", wanted, value.values())


def _unmet_part(kind: str, wanted: Any, values: Any) -> str | None:
    parts = (unmet(wanted, value) for value in values)
    return next((f"a {kind}, each of it {text}" for text in parts if text), None)
