"""The plan of a data set: everything that decides its bytes, written before the first sample."""

import json
import math
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

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
)
from lightning_sciml.shipped_configs import shipped_configs

_MAX_COUNT = 1 << 53  # what JSON readers keep exactly; far above any disk
_MAX_DEPTH = 32
_TOLERANCE = 1e-4  # of intervals
_ROUNDING = 2.0**-22  # of the difference of two intervals, by times that a file has in float32
REMEDY = (
    "delete this file and run the same `sciml generate` again, it keeps whole shards; "
    "import an imported set again"
)
T = TypeVar("T")
Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
"""Checked, as the types below, where a file is read."""
AtLeastOne = Annotated[int, Meta(ge=1, le=_MAX_COUNT)]
Split = Annotated[str, Meta(pattern=f"^({'|'.join(SPLITS)})$")]


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
    def has_equal_intervals(self) -> bool:
        """Tell whether all stored times of trajectories are equally far apart."""
        intervals = [after - before for before, after in pairwise(self.times)]
        rounding = _ROUNDING * max(map(abs, self.times), default=0.0)
        return all(
            math.isclose(i, intervals[0], rel_tol=_TOLERANCE, abs_tol=rounding) for i in intervals
        )

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
class _Version:
    """The part of a manifest that is checked before the rest is read."""

    schema_version: int


def _read(directory: Path, expected: type[T]) -> T:
    try:
        return read_json(
            directory / MANIFEST_FILE, expected, remedy=REMEDY, change=with_named_fields
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
