"""JSON files: read into typed values or rejected in one line; written whole, without NaN."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lightning_sciml.errors import InputError

T = TypeVar("T")
_MAX_BYTES = 1 << 28  # a manifest of a million shards; a larger file would fill the memory


def read_json(
    path: Path,
    expected: type[T],
    *,
    remedy: str,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda content: content,
) -> T:
    """Read a JSON file as a value of the type `expected` (a dataclass, ``dict[str, Any]``, …).

    Types are checked where the file is read: a number is not taken for a text, null not for either.
    Keys that a dataclass does not have are passed over. A class's own ``__post_init__`` may reject
    values by a ValueError.

    Args:
        path: the file.
        expected: what it is to hold.
        remedy: what a user does about a damaged file; ends the message.
        change: what brings the content of an earlier format into today's.

    Raises:
        FileNotFoundError: nothing has this name.
        InputError: not a regular file, not JSON, or not of this type; names the place in the file.
    """
    if path.exists() and not path.is_file():  # a pipe would block, a folder has no bytes
        raise InputError(f"{path} must be a file, it is none; {remedy}")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(f"{path} has {size:,} bytes, wanted at most {_MAX_BYTES:,}; {remedy}")
        content = msgspec.json.decode(path.read_bytes())
        return msgspec.convert(change(content) if isinstance(content, dict) else content, expected)
    except (FileNotFoundError, InputError):
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply to be read; {remedy}") from error
    except (msgspec.DecodeError, ValueError) as error:  # a ValidationError is a DecodeError
        raise InputError(f"{path} is damaged or was edited: {error}; {remedy}") from error


def json_text(content: Any, *, indent: int | None = None) -> str:
    """JSON of plain values, a line at the end.

    Raises:
        ValueError: NaN or an infinity among the values, which JSON does not know: write null.
    """
    return json.dumps(content, indent=indent, allow_nan=False) + "\n"
