"""The card of a released operator: README.md, whose YAML head holds every number.

The head has the layout of model cards of the Hugging Face hub, where each result names its data
set; `args` of a data set are the options of ``sciml generate`` that make it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml

from lightning_sciml.errors import InputError
from lightning_sciml.hub import CARD
from lightning_sciml.names import check_name
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.yaml_files import reject_ambiguous_yaml

_FENCE = "---\n"
_LONGEST = 1 << 20  # bytes of a card


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that an operator reaches on a data set.

    Attributes:
        type: what it is, in one word.
        name: the same in words.
        value: the number.
        args: csv_sha256, of the table of samples that it is the mean of.
    """

    type: str
    name: str
    value: float
    args: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class TestedSet:
    """A data set whose test split was predicted.

    Attributes:
        type: name of the data set.
        name: its title.
        revision: CRC32 over the checksums of its test shards.
        args: options of ``sciml generate`` that make the whole set; empty for imported arrays.
        split: always test.
    """

    type: str
    name: str
    revision: str
    args: dict[str, Any]
    split: str = "test"

    def __post_init__(self) -> None:
        """Reject names of no data set, and classes of other packages, which would be imported."""
        check_name(self.type)
        if foreign := [name for name in _class_paths(self.args) if not name.isidentifier()]:
            raise InputError(f"class_path must be a class of this package, got {foreign[0]!r}")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an operator reaches on one data set."""

    dataset: TestedSet
    metrics: tuple[Metric, ...]
    task: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training cost.

    Attributes:
        elapsed_s: seconds, on all processes at once.
        num_threads: of each process; None where the run did not tell.
        world_size: processes.
    """

    elapsed_s: float
    num_threads: int | None = None
    world_size: int = 1


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a released operator beside its config.json."""

    name: str
    summary: str
    license: str
    training: Training | None
    results: tuple[Result, ...]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read FOLDER/README.md.

        Raises:
            InputError: there is none, or its head is not that of a card of this library.
        """
        path = folder / CARD
        try:
            tree: Any = yaml.safe_load(split_card(path)[0])
            (model,) = tree["model-index"]
            own = {**tree["sciml"], "name": model["name"], "license": tree["license"]}
            return msgspec.convert({**own, "results": model["results"]}, cls)
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path} is no card of a released operator ({reason}); "
                "`sciml models release` writes one"
            ) from error

    def save(self, folder: Path, body: str) -> None:
        """Write FOLDER/README.md, whole or not at all."""
        head = {
            "license": self.license,
            "library_name": "lightning_sciml",
            "tags": ["neural-operator", "partial-differential-equations", "physics"],
            "model-index": [{"name": self.name, "results": [asdict(r) for r in self.results]}],
            "sciml": {
                "summary": self.summary,
                "training": asdict(self.training) if self.training else None,
            },
        }
        plain = msgspec.to_builtins(head)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
        write_whole(folder / CARD, f"{_FENCE}{text}{_FENCE}\n{body}")


def split_card(path: Path) -> tuple[str, str]:
    """Read a card as the text of its head and the text below it.

    Raises:
        InputError: there is no such file, it is too long, or it has no head.
    """
    if not path.is_file() or path.stat().st_size > _LONGEST:
        raise InputError(f"{path} must be a file of at most {_LONGEST:,} bytes")
    text = path.read_text(encoding="utf-8")
    head, _, body = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
    if not text.startswith(_FENCE) or not body:
        raise InputError(f"{path} has no YAML head between two lines ---")
    reject_ambiguous_yaml(head)
    return head, body.lstrip("\n")


def _class_paths(tree: Any) -> list[str]:
    """List every class that options name."""
    if isinstance(tree, list):
        return [name for part in tree for name in _class_paths(part)]
    if not isinstance(tree, dict):
        return []
    own = [str(tree["class_path"])] if "class_path" in tree else []
    return own + [name for part in tree.values() for name in _class_paths(part)]
