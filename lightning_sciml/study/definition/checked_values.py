"""Build a dataclass from the values of a YAML file, and list all its faults."""

from collections.abc import Iterable, Mapping, Sequence
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
    NoneType: ("nothing", (NoneType,)),
}


def unmet(wanted: Any, value: Any) -> str | None:
    """Say what a value must be, or return None where it agrees with its annotation.

    A dataclass agrees with any value: it says itself what is wrong.
    """
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        parts = [unmet(argument, value) for argument in arguments]
        return None if None in parts else next(filter(None, parts))
    if origin is Literal:
        return None if value in arguments else f"one of {', '.join(map(str, arguments))}"
    if origin is Sequence:
        return _unmet_parts("a list", arguments[0], value if isinstance(value, list) else None)
    if origin is Mapping:
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            return "a mapping by names (numbers in quotes)"
        items = value.values() if isinstance(value, dict) else None
        return _unmet_parts("a mapping", arguments[1], items)
    text, types = SCALARS.get(wanted, ("", (object,)))
    is_met = isinstance(value, types) and (wanted is bool or not isinstance(value, bool))
    return None if is_met or not text else text


def _unmet_parts(text: str, wanted: Any, items: Iterable[Any] | None) -> str | None:
    if items is None:
        return text
    parts = (unmet(wanted, item) for item in items)
    return next((f"{text}, each of it {part}" for part in parts if part), None)
