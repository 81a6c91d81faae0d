"""Build a dataclass from the values of a YAML file, and list all its faults."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from lightning_sciml.paths import expanded


class Faults(list[str]):
    """Lines on what is wrong in a file; knows which keys of its parts were left out for that.

    A fault that follows from such a key is no news.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        super().__init__(lines)
        self._found: dict[int, tuple[Any, str, set[str]]] = {}  # a part in it keeps its id

    def note(self, part: Any, where: str, left_out: set[str]) -> None:
        """Note where a part stands, and its keys that were given with invalid values."""
        self._found[id(part)] = (part, where, left_out)

    def has_left_out(self, part: Any, key: str) -> bool:
        """Tell whether a part has no such value since the one that was given is invalid."""
        _, _, left_out = self._found.get(id(part), (part, "", set()))
        return key in left_out

    def place_of(self, part: Any) -> str:
        """Tell where a part stands in the file."""
        return self._found[id(part)][1]


def checked(cls: Any, values: Any, where: str, faults: Faults) -> Any:
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
    left_out: set[str] = set()
    for key, value in values.items():
        if key not in known:
            faults.append(f"{prefix}unknown key {key}; known are {', '.join(known)}")
        elif (wanted := unmet(known[key].type, value)) is not None:
            faults.append(f"{prefix}{key} must be {wanted}, got {value!r}{_remedy(value)}")
            left_out.add(key)
        else:
            right[key] = _built(known[key].type, value, key, faults)
            if isinstance(value, dict | list) and _has_fewer(right[key], value):
                left_out.add(key)
    required = {
        n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING
    }
    faults += [f"{prefix}{key} is missing" for key in sorted(required - set(values))]
    if not required <= set(right):
        return None
    made = cls(**right)
    faults.note(made, where, left_out)
    return made


def _has_fewer(made: Any, given: dict[Any, Any] | list[Any]) -> bool:
    """Tell whether parts with faults were left out of a list or a mapping."""
    return isinstance(made, dict | list) and len(made) < len(given)


def _remedy(value: Any) -> str:
    """Write numbers that are text in YAML so that they are numbers: 1e-3 as 1.0e-3."""
    texts = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
    parts = [re.fullmatch(r"([-+]?\d+)(\.?\d*)[eE]([-+]?)(\d+)", text) for text in texts]
    numbers = [f"{p[1]}{p[2] or '.0'}e{p[3] or '+'}{p[4]}" for p in parts if p]
    return f"; write {', '.join(numbers)}" if numbers else ""


def _built(wanted: Any, value: Any, where: str, faults: Faults) -> Any:
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
