"""The manifest: what a data set is (written first) and what generation made (written last)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.schema import MANIFEST_FILE, SCHEMA_VERSION, SOURCE


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """One shard as the manifest lists it.

    Attributes:
        file: path relative to the data set.
        split: train, val or test.
        first_index: index in the split of the shard's first sample.
        num_samples: samples in the shard.
        checksum: CRC32 of the payload, 8 hexadecimal digits.
        max_residual: largest ‖Lu-f‖/‖f‖ of its samples, in float64 before rounding; None where no
            equation is known.
        num_rejected: draws that were thrown away to get these samples.
    """

    file: str
    split: str
    first_index: int
    num_samples: int
    checksum: str
    max_residual: float | None
    num_rejected: int

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Self:
        """The record as a shard carries it in its HDF5 attributes (``asdict`` of it, and more)."""
        plain = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in attributes.items()
        }
        return cls(**{f.name: plain[f.name] for f in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class DatasetPlan:
    """What a data set is: everything that decides its bytes. Written before the first sample.

    Attributes:
        name: free name of the data set.
        equation: key of ``EQUATIONS``, or "none".
        equation_parameters: constructor arguments of the equation.
        coefficient_names: what the columns of ``coefficients`` are.
        config: everything that defines the samples, as the generator was given it.
        num_points: grid points an axis.
        seed: the seed all samples derive from.
        shard_size: samples a shard (the last one of a split may hold fewer).
        num_samples: samples of each split.
        input_fields: what the fields before the solution are.
        schema_version: version of the format on disk.
    """

    name: str
    equation: str
    equation_parameters: dict[str, Any]
    coefficient_names: tuple[str, ...]
    config: dict[str, Any]
    num_points: int
    seed: int
    shard_size: int
    num_samples: dict[str, int]
    input_fields: tuple[str, ...] = (SOURCE,)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if "/" in self.name:
            raise InputError(f"a name is part of file names, so it has no /, got {self.name}")

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read and check DATASET/manifest.json.

        Raises:
            InputError: no such folder, not a data set, generation unfinished, or a newer format.
        """
        content = read_manifest(Path(directory))
        return cls._from_content(content, Path(directory))

    @classmethod
    def _from_content(cls, content: dict[str, Any], directory: Path) -> Self:
        content = {"input_fields": [SOURCE], **content}  # which older sets do not say
        own = {f.name: content[f.name] for f in fields(cls) if f.name in content}
        missing = [f.name for f in fields(cls) if f.name not in content]
        if missing:
            raise InputError(
                f"{directory / MANIFEST_FILE} lacks {', '.join(missing)}: "
                "not a data set of this library; give the folder that data_gen/solve.py wrote"
            )
        names = {key: tuple(own[key]) for key in ("coefficient_names", "input_fields")}
        return cls(**{**own, **names})

    @property
    def num_fields(self) -> int:
        """Fields of a sample: inputs and solution."""
        return len(self.input_fields) + 1

    @property
    def text(self) -> str:
        """The plan in one line of JSON: equal plans, equal text. Every shard carries it."""
        plan = {f.name: getattr(self, f.name) for f in fields(DatasetPlan)}
        if self.input_fields == (SOURCE,):  # as before there were others
            del plan["input_fields"]
        return json.dumps(plan, sort_keys=True)

    def save(self, directory: Path) -> None:
        """Write DATASET/manifest.json, whole or not at all."""
        path = directory / MANIFEST_FILE
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True, kw_only=True)
class Manifest(DatasetPlan):
    """The plan and its outcome. Written when every shard is on disk.

    Attributes:
        shards: all shards, by split and first index.
        statistics: of the train split: medians of coefficients and source norm, mean and
            standard deviation of source and solution.
        histograms: realised coefficients by name: {"edges": …, "counts": …}, all splits.
        versions: of the programs that made the data.
        elapsed_s: wall time of the generation that finished it, seconds.
    """

    shards: tuple[ShardRecord, ...]
    statistics: dict[str, Any] = field(default_factory=dict)
    histograms: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    elapsed_s: float = 0.0

    @classmethod
    def _from_content(cls, content: dict[str, Any], directory: Path) -> Self:
        if "shards" not in content and "config" in content:
            raise InputError(
                f"generation of {directory} is unfinished; run the same data_gen/solve.py command "
                "again, it goes on where it stopped"
            )
        try:
            records = tuple(ShardRecord(**record) for record in content.get("shards", ()))
        except TypeError as error:
            raise InputError(
                f"{directory / MANIFEST_FILE} lists shards otherwise than this library does "
                f"({error}); generate the set again"
            ) from error
        manifest = super()._from_content({**content, "shards": records}, directory)
        for split, num_samples in manifest.num_samples.items():
            _check_complete([r for r in records if r.split == split], num_samples, directory)
        return manifest


def _check_complete(records: list[ShardRecord], num_samples: int, directory: Path) -> None:
    ends = [0, *accumulate(record.num_samples for record in records)]
    starts = [record.first_index for record in records]
    if starts != ends[:-1] or ends[-1] != num_samples:
        raise InputError(
            f"the shards that {directory / MANIFEST_FILE} lists do not add up to its "
            f"{num_samples} samples; run the same data_gen/solve.py command again"
        )


def read_manifest(directory: Path) -> dict[str, Any]:
    """The JSON of a manifest whose format version this library knows.

    Raises:
        InputError: no such folder, no manifest in it, not JSON, or a newer format.
    """
    if not directory.is_dir():
        raise InputError(f"data set {directory} does not exist; make it with data_gen/solve.py")
    path = directory / MANIFEST_FILE
    try:
        content = json.loads(path.read_text())
        version = int(content["schema_version"])
    except FileNotFoundError:
        raise InputError(
            f"{directory} is no data set: it has no {MANIFEST_FILE}; "
            "give the folder that data_gen/solve.py wrote"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a data set manifest; generate the set again") from None
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{directory} has format version {version}, this library reads up to {SCHEMA_VERSION}; "
            "update lightning_sciml"
        )
    return content
