import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import json_text, read_json


@dataclass(frozen=True)
class Point:
    x: int
    name: str | None = None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "truncated"),
        ("null", "got `null`"),
        ("[]", "got `array`"),
        ('{"x": "1"}', r"Expected `int`, got `str` - at `\$.x`"),
        ('{"x": true}', r"Expected `int`, got `bool` - at `\$.x`"),
        ('{"name": "a"}', "missing required field `x`"),
        ('{"x": NaN}', "malformed"),
        ('{"x": 1, "y": ' + "[" * 200_000, "nested too deeply"),
    ],
)
def test_damage_is_one_line_that_names_file_place_and_remedy(
    tmp_path: Path, text: str, cause: str
) -> None:
    path = tmp_path / "point.json"
    path.write_text(text)
    with pytest.raises(InputError, match=cause) as raised:
        read_json(path, Point, remedy="make it again")
    message = str(raised.value)
    assert str(path) in message
    assert message.endswith("; make it again")
    assert "\n" not in message


def test_folder_and_pipe_are_rejected_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("folder.json", "pipe.json"):
        with pytest.raises(InputError, match="must be a file"):
            read_json(tmp_path / name, Point, remedy="make it again")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json", Point, remedy="make it again")


def test_values_come_back(tmp_path: Path) -> None:
    content: dict[str, Any] = {"x": 3, "name": "λ", "more": [1.5, None]}
    (tmp_path / "point.json").write_text(json_text(content, indent=1))
    assert read_json(tmp_path / "point.json", Point, remedy="") == Point(3, "λ")
    assert read_json(tmp_path / "point.json", dict[str, Any], remedy="") == content


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"x": float("nan")})
