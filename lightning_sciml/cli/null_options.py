"""Null where a value is needed: jsonargparse takes it as an option that is not given."""

import inspect
import types
import typing
from pydoc import locate
from typing import Any

from lightning_sciml.errors import InputError
from lightning_sciml.option_errors import wanted


def reject_nulls(value: Any, name: str) -> None:
    """Raise an InputError for null among the options of classes that are given by class_path.

    Args:
        value: of an option, as jsonargparse parses it.
        name: of the option.
    """
    for item in value if isinstance(value, list) else [value]:
        options, cls = getattr(item, "init_args", None), locate(getattr(item, "class_path", ""))
        if options and isinstance(cls, type):
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
        if value is None and (kind := _needed(cls, key)) is not None:
            raise InputError(f"{name}.{key}: {wanted([str(kind)], 'null')}")
        reject_nulls(value, f"{name}.{key}")


def _needed(cls: type, key: str) -> Any:
    """The type of an option that cannot be null, its first where it has several; else None."""
    for base in cls.__mro__:  # a class may hand options on to those from which it inherits
        init = vars(base).get("__init__")
        if inspect.isfunction(init) and key in inspect.signature(init).parameters:
            if inspect.signature(init).parameters[key].default in (None, inspect.Parameter.empty):
                return None
            try:
                annotation = typing.get_type_hints(init).get(key)
            except (NameError, TypeError):
                return None
            is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
            kinds = typing.get_args(annotation) if is_union else (annotation,)
            return None if {Any, types.NoneType} & {*kinds} else kinds[0]
    return None
