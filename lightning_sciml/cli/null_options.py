"""Null where a value is needed: jsonargparse takes it as an option that is not given."""

import importlib
import inspect
import typing
from collections.abc import Iterator
from typing import Any

from lightning_sciml.errors import InputError


def reject_nulls(value: Any, name: str) -> None:
    """Raise an InputError for null among the options of classes that are given by class_path.

    Args:
        value: of an option, as jsonargparse parses it.
        name: of the option.
    """
    for item in value if isinstance(value, list) else [value]:
        path, options = getattr(item, "class_path", None), getattr(item, "init_args", None)
        if path and options:
            module, _, class_name = path.rpartition(".")
            cls = getattr(importlib.import_module(module), class_name)
            if isinstance(cls, type):
                reject_null_arguments(options, cls, name)


def reject_null_arguments(options: Any, cls: type, name: str) -> None:
    """Raise an InputError for an option of this class that is null and has another default.

    What the class does not describe, or describes as optional, may be null.

    Args:
        options: values by name, as jsonargparse parses them.
        cls: the class that takes them.
        name: of the option that `options` stand for.
    """
    for key, value in vars(options).items():
        if value is None and (wanted := _wanted(cls, key)):
            raise InputError(f"{name}.{key}: wanted {wanted}, got null")
        reject_nulls(value, f"{name}.{key}")


def _wanted(cls: type, key: str) -> str | None:
    """Say in words what an option may be; None where it may be null."""
    parameter, annotation = next(_parameters(cls, key), (None, None))
    if parameter is None or parameter.default in (None, inspect.Parameter.empty):
        return None
    if type(None) in typing.get_args(annotation) or annotation in (Any, None):
        return None
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(map(str, typing.get_args(annotation)))
    words = {bool: "true or false", int: "int", float: "float", str: "text"}
    kinds = (annotation, *typing.get_args(annotation))
    return next((text for kind, text in words.items() if kind in kinds), "a value")


def _parameters(cls: type, key: str) -> Iterator[tuple[inspect.Parameter, Any]]:
    """The parameter of that name, in a class or in those from which it inherits."""
    for base in inspect.getmro(cls):
        init = vars(base).get("__init__")
        if not inspect.isfunction(init) or key not in inspect.signature(init).parameters:
            continue
        try:
            annotation = typing.get_type_hints(init).get(key, Any)
        except (NameError, TypeError):
            annotation = Any
        yield inspect.signature(init).parameters[key], annotation
