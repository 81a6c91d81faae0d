"""Classes that a user chooses for a data set, as its manifest holds them."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from lightning_sciml.errors import InputError


def plain(value: Any) -> Any:
    """Convert a dataclass, or a value of one, as JSON does: lists for tuples."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def class_options(chosen: Any) -> dict[str, Any]:
    """Describe an instance as a configuration does, by its class and arguments.

    Raises:
        InputError: it is no dataclass, so that its arguments are not known.
    """
    if not is_dataclass(chosen):
        raise InputError(
            f"{type(chosen).__qualname__} must be a dataclass, so that the manifest "
            "can hold its arguments; decorate it with @dataclass(frozen=True, kw_only=True)"
        )
    return {"class_path": type(chosen).__name__, "init_args": plain(chosen)}


def check_known(drawn_by: Any, known: Mapping[str, type], place: str) -> None:
    """Reject coefficients of an equation that no reader could make again from the manifest.

    Args:
        drawn_by: what draws the coefficients of its ``equation``.
        known: equations that readers know.
        place: where they are listed.

    Raises:
        InputError: naming the equations.
    """
    equation = drawn_by.equation
    if known.get(equation.name) is not type(equation):
        raise InputError(
            f"{type(drawn_by).__qualname__} draws for the equation {equation.name!r} "
            f"of {type(equation).__module__}, wanted one of {', '.join(known)}: nothing "
            f"could read the data set; add the class to {place}"
        )
