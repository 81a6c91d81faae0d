"""The manifest: what a data set is (written first) and what generation made (written last)."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Any, Self, TypedDict, TypeVar
from zlib import crc32

from msgspec import Meta

from lightning_sciml.errors import InputError
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.names import check_name
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.shards.earlier_plans import with_named_fields
from lightning_sciml.shards.schema import (
    FIELDS,
    INPUTS,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    SPLITS,
    TRAJECTORIES,
    shard_file,
)
from lightning_sciml.shipped_configs import shipped_configs

_MAX_COUNT = 1 << 53  # what JSON readers keep exactly; far above any disk
_MAX_DEPTH = 32
_REMEDY = (
    "delete this file and run the same `sciml generate` again, it keeps whole shards; "
    "import an imported set again"
)
T = TypeVar("T")
Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
"""Checked, as the types below, where a file is read."""
AtLeastOne = Annotated[int, Meta(ge=1, le=_MAX_COUNT)]
Split = Annotated[str, Meta(pattern=f"^({'|'.join(SPLITS)})$")]


class Histogram(TypedDict):
    """Counts of a quantity between consecutive edges."""

    edges: list[float]
    counts: list[float]


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
    split: Split
    first_index: Count
    num_samples: AtLeastOne
    checksum: str
    max_residual: float | None
    num_rejected: Count


@dataclass(frozen=True, kw_only=True)
class DatasetPlan:
    """What a data set is: everything that decides its bytes, written before the first sample.

    Attributes:
        name: free name of the data set.
        equation: key of ``EQUATIONS``, or "none".
        equation_parameters: constructor arguments of the equation.
        coefficient_names: what the columns of ``coefficients`` are.
        config: everything that defines the samples, as the generator was given it.
        grid: where the points of all fields lie.
        input_fields: fields that are constant in time, before the targets.
        output_fields: what a steady problem asks for; empty for an evolution.
        state_fields: what an evolution is in; empty for a steady problem.
        times: instants of the states of every trajectory; empty for a steady problem.
        seed: the seed all samples derive from.
        shard_size: samples a shard (the last one of a split may hold fewer).
        num_samples: samples of each split.
        schema_version: version of the format on disk.
    """

    name: str
    equation: str
    equation_parameters: dict[str, Any]
    coefficient_names: tuple[str, ...]
    config: dict[str, Any]
    grid: Grid
    input_fields: tuple[str, ...]
    output_fields: tuple[str, ...] = ()
    state_fields: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    seed: int
    shard_size: AtLeastOne
    num_samples: dict[Split, Count]
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check_name(self.name)
        if _depth([self.config, self.equation_parameters]) > _MAX_DEPTH:
            raise InputError(f"config and parameters are nested more than {_MAX_DEPTH} deep")
        names = (*self.field_names, *self.coefficient_names)
        if len(set(names)) < len(names):
            raise InputError(f"names of fields and coefficients must differ, got {list(names)}")
        if bool(self.output_fields) == bool(self.state_fields):
            raise InputError(
                "a data set has output fields, or the state fields of an evolution, got "
                f"{list(self.output_fields)} and {list(self.state_fields)}"
            )
        self._check_times()

    def _check_times(self) -> None:
        if not self.is_evolution:
            if self.times:
                raise InputError(f"a steady data set has no times, got {len(self.times)}")
            return
        is_increasing = all(before < after for before, after in pairwise(self.times))
        if len(self.times) < 2 or not is_increasing or not all(map(math.isfinite, self.times)):
            raise InputError(
                f"times of an evolution must be at least two, finite and increasing, "
                f"got {list(self.times)}"
            )

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read and check DATASET/manifest.json.

        Raises:
            InputError: no such folder, not a data set, generation unfinished, values that a data
                set cannot have, or a newer format.
        """
        directory = Path(directory)
        if not directory.is_dir():
            config = f"data/{directory.name}"
            known = f" {config} --output {directory}" if config in shipped_configs() else ""
            raise InputError(
                f"data set {directory} does not exist; make it with sciml generate{known}"
            )
        version = _read(directory, _Version).schema_version
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{directory} has format version {version}, this library reads up to "
                f"{SCHEMA_VERSION}; update lightning_sciml"
            )
        return _read(directory, cls)

    @property
    def is_evolution(self) -> bool:
        """Tell whether samples are trajectories."""
        return bool(self.state_fields)

    @property
    def target_fields(self) -> tuple[str, ...]:
        """Name what is predicted: outputs, or the state at later times."""
        return self.output_fields or self.state_fields

    @property
    def field_names(self) -> tuple[str, ...]:
        """Name all fields: inputs, then targets."""
        return (*self.input_fields, *self.target_fields)

    @property
    def num_fields(self) -> int:
        """Count all fields."""
        return len(self.field_names)

    @property
    def num_times(self) -> int:
        """Count the instants at which targets are stored; 1 for a steady problem."""
        return len(self.times) or 1

    @property
    def sample_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of a sample in each large array of a shard."""
        if not self.is_evolution:
            return {FIELDS: (self.num_fields, *self.grid.shape)}
        inputs = {INPUTS: (len(self.input_fields), *self.grid.shape)} if self.input_fields else {}
        states = (self.num_times, len(self.state_fields), *self.grid.shape)
        return {**inputs, TRAJECTORIES: states}

    @property
    def sample_bytes(self) -> int:
        """Count the bytes of all fields of a sample, at all times."""
        return 4 * sum(map(math.prod, self.sample_shapes.values()))

    @property
    def text(self) -> str:
        """Write the plan as one line of JSON, equal for equal plans; every shard carries it."""
        plan = {f.name: getattr(self, f.name) for f in fields(DatasetPlan)}
        return json.dumps(plan, default=asdict, sort_keys=True, allow_nan=False)

    def save(self, directory: Path) -> None:
        """Write DATASET/manifest.json, whole or not at all."""
        write_whole(directory / MANIFEST_FILE, json_text(asdict(self), indent=1))


@dataclass(frozen=True, kw_only=True)
class Manifest(DatasetPlan):
    """The plan and its outcome, written when every shard is on disk.

    Attributes:
        shards: all shards, by split and first index.
        statistics: of the train split: medians of coefficients and norms, mean and standard
            deviation of each field.
        histograms: realised coefficients by name: {"edges": …, "counts": …}, all splits.
        versions: of the programs that made the data.
        elapsed_s: wall time of the generation that finished it, seconds.
    """

    shards: tuple[ShardRecord, ...] = ()
    statistics: dict[str, float | dict[str, float]] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    elapsed_s: float = 0.0

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read and check DATASET/manifest.json; generation must be finished."""
        manifest = super().load(directory)
        if not manifest.shards:
            raise InputError(
                f"generation of {directory} is unfinished; run the same `sciml generate` command "
                "again, it resumes where it stopped"
            )
        for split in SPLITS:
            manifest._check_complete(split, Path(directory) / MANIFEST_FILE)
        return manifest

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, histogram in self.histograms.items():
            edges, counts = histogram["edges"], histogram["counts"]
            is_sorted = all(low <= high for low, high in pairwise(edges))
            if len(counts) != len(edges) - 1 or not counts or not is_sorted:
                raise InputError(
                    f"the histogram of {name} must have sorted edges, one more than counts, "
                    f"got {len(edges)} edges and {len(counts)} counts"
                )

    @property
    def checksum(self) -> str:
        """Return the CRC32 over the checksums of all shards: any byte of them changes it."""
        joined = "".join(record.checksum for record in self.shards)
        return f"{crc32(joined.encode()):08x}"

    def _check_complete(self, split: str, path: Path) -> None:
        """Check that the shards of a split cover it without gap, each under its place's name."""
        records = [record for record in self.shards if record.split == split]
        starts = [0, *accumulate(record.num_samples for record in records)]
        num_samples = self.num_samples.get(split, 0)
        if starts.pop() != num_samples or starts != [record.first_index for record in records]:
            raise InputError(
                f"the shards of {split} that {path} lists do not add up to its {num_samples} "
                f"samples, one after the other; {_REMEDY}"
            )
        for number, record in enumerate(records):
            if record.file != shard_file(split, number):
                raise InputError(
                    f"{path} lists {record.file!r} as shard {number} of {split}, wanted "
                    f"{shard_file(split, number)!r}; {_REMEDY}"
                )


@dataclass(frozen=True, kw_only=True)
class _Version:
    """The part of a manifest that is checked before the rest is read."""

    schema_version: int


def _read(directory: Path, expected: type[T]) -> T:
    try:
        return read_json(
            directory / MANIFEST_FILE, expected, remedy=_REMEDY, change=with_named_fields
        )
    except FileNotFoundError:
        raise InputError(
            f"{directory} is no data set: it has no {MANIFEST_FILE}; "
            "give the folder that sciml generate, sciml data import or write_dataset wrote"
        ) from None


def _depth(tree: Any) -> int:
    """Count the levels of a tree; what copies or compares a deep one ends in a RecursionError."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    return 1 + max(map(_depth, tree), default=0) if isinstance(tree, list) else 0
