"""The manifest: the plan of a data set and what came of it, written when all shards are."""

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Self, TypedDict
from zlib import crc32

from lightning_sciml.errors import InputError
from lightning_sciml.shards.dataset_plan import REMEDY, AtLeastOne, Count, DatasetPlan, Split
from lightning_sciml.shards.schema import MANIFEST_FILE, SPLITS, shard_file


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
                f"samples, one after the other; {REMEDY}"
            )
        for number, record in enumerate(records):
            if record.file != shard_file(split, number):
                raise InputError(
                    f"{path} lists {record.file!r} as shard {number} of {split}, wanted "
                    f"{shard_file(split, number)!r}; {REMEDY}"
                )
