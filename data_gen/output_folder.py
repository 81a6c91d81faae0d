"""The data set folder as generation sees it: begin or resume, keep shards, add shards, finish."""

import os
import platform
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_gen.decomposition import ShardTask
from data_gen.shard import Shard
from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.shards.checksums import joined_checksum, payload_checksum, slab_checksum
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.dataset_statistics import finished_manifest
from lightning_sciml.shards.durable import free_bytes, remove_temporaries
from lightning_sciml.shards.manifest import Manifest, ShardRecord
from lightning_sciml.shards.schema import (
    MANIFEST_FILE,
    SPLITS,
    slab_file,
)
from lightning_sciml.shards.shard_layout import open_shard
from lightning_sciml.shards.writer import write_shard, write_slab

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class OutputFolder:
    """A data set being made.

    Args:
        directory: the data set folder.
        plan: what it is to hold.
    """

    def __init__(self, directory: Path, plan: DatasetPlan) -> None:
        self.directory = directory
        self.plan = plan

    def begin(self) -> int:
        """Make the folder and write the plan; or check that the same data set was begun here.

        A plan without a single shard is no data set: it is replaced.

        Returns:
            Bytes that the shards to make will take.

        Raises:
            InputError: the disk has fewer, the folder cannot be written, another data set is there,
                another generation is at work, or a folder has the name of a shard.
        """
        try:
            missing_bytes = self._check_space()
            for split in SPLITS:
                (self.directory / split).mkdir(parents=True, exist_ok=True)
            self._lock()
            shards = (path for split in SPLITS for path in (self.directory / split).glob("*.h5"))
            if (self.directory / MANIFEST_FILE).exists() and any(shards):
                self._compare(DatasetPlan.load(self.directory))
            else:
                self.plan.save(self.directory)
            remove_temporaries(self.directory)
        except OSError as error:
            raise InputError(
                f"--output {self.directory} cannot be written: {error.strerror}; "
                f"choose another folder{_obstacle(error)}"
            ) from None
        return missing_bytes

    def existing(self, task: ShardTask) -> ShardRecord | None:
        """Read the record of a shard on disk; None unless it is whole and of this task."""
        try:
            shard = open_shard(self._path(task), self.plan, task.place)
            shard.check_payload()
        except InputError:
            return None
        return shard.record

    def add(self, task: ShardTask, shard: Shard) -> ShardRecord:
        """Write a shard durably."""
        record = self._record(task, shard, payload_checksum(shard.datasets))
        write_shard(self._path(task), shard.datasets, record=record, plan=self.plan)
        return record

    def _record(self, task: ShardTask, shard: Shard, checksum: str) -> ShardRecord:
        return ShardRecord(
            **task.place,
            checksum=checksum,
            max_residual=shard.max_residual,
            num_rejected=shard.num_rejected,
        )

    def add_slab(self, task: ShardTask, slab: Shard, comm: "Comm") -> ShardRecord | None:
        """Write a shard of which each rank holds some rows; rank 0 gets its record."""
        path = self._path(task)
        if comm.rank == 0:
            for stale in path.parent.glob(f"{path.stem}.*"):
                stale.unlink()
        comm.barrier()
        (name,) = self.plan.sample_shapes
        values = slab.datasets[name]
        on_disk = write_slab(path.with_name(slab_file(path.name, comm.rank)), name, values)
        blocks = values.reshape(-1, *values.shape[-2:])  # of each field, at each time
        gathered = comm.gather((on_disk, [slab_checksum(block) for block in blocks]))
        if gathered is None:
            return None
        slabs, of_blocks = zip(*gathered, strict=True)
        pieces = [piece for of_ranks in zip(*of_blocks, strict=True) for piece in of_ranks]
        small = {key: array for key, array in slab.datasets.items() if key != name}
        record = self._record(task, slab, joined_checksum(small, name, pieces))
        write_shard(path, small, record=record, plan=self.plan, slabs=slabs)
        return record

    def finish(self, records: Sequence[ShardRecord], elapsed_s: float) -> Manifest:
        """Write the whole manifest, with the statistics of what is on disk."""
        records = sorted(records, key=lambda r: (SPLITS.index(r.split), r.first_index))
        small = [
            open_shard(self.directory / record.file, self.plan, asdict(record)).arrays
            for record in records
        ]
        manifest = finished_manifest(
            self.plan, records, small, versions=_versions(self.plan), elapsed_s=elapsed_s
        )
        manifest.save(self.directory)
        return manifest

    def _path(self, task: ShardTask) -> Path:
        return self.directory / task.place["file"]

    def _check_space(self) -> int:
        wanted = sum(self.plan.num_samples.values()) * self.plan.sample_bytes
        for path in self.directory.glob("*/*.h5"):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                raise InputError(f"{path} is a folder, a shard belongs there; move it away")
            wanted -= status.st_size
        free = free_bytes(self.directory)
        if wanted > free:
            raise InputError(
                f"{self.directory} needs {wanted / 1e9:,.2f} GB and its disk has "
                f"{free / 1e9:,.2f} GB free; lower the number of samples or choose another --output"
            )
        return max(0, wanted)

    def _lock(self) -> None:
        """Reject a second generation in this folder; held until the process ends."""
        self._folder_lock = FolderLock(self.directory)
        if not self._folder_lock.acquire():
            raise InputError(
                f"another generation is writing to {self.directory}; wait for it or stop it"
            )

    def _compare(self, found: DatasetPlan) -> None:
        wanted, got = (_flat(asdict(plan)) for plan in (self.plan, found))
        different = [
            f"{key} is {got.get(key)}, asked {wanted.get(key)}"
            for key in sorted(wanted.keys() | got.keys())
            if wanted.get(key) != got.get(key)
        ]
        if different:
            raise InputError(
                f"{self.directory} holds another data set: {'; '.join(different)}; "
                "choose another --output or delete it"
            )


def _obstacle(error: OSError) -> str:
    """Name what lies in the way: a folder, pipe or device where a file belongs."""
    path = error.filename2 or error.filename
    return f", or move {path} away" if path and os.path.lexists(path) else ""


def _flat(tree: Any, key: str = "") -> dict[str, Any]:
    """List the leaves of a tree by their dotted names."""
    if not isinstance(tree, dict):
        return {key.removeprefix("."): list(tree) if isinstance(tree, tuple) else tree}
    branches = [_flat(branch, f"{key}.{name}") for name, branch in tree.items()]
    return {name: leaf for branch in branches for name, leaf in branch.items()}


def _versions(plan: DatasetPlan) -> dict[str, str]:
    """List versions of what decides the bytes: ours, libraries, the library of transforms."""
    names = ("lightning_sciml", "numpy", "h5py", "mpi4py", plan.config.get("library", "numpy"))
    packages = {name: version(name) for name in names}
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True)
        commit = described.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {"python": platform.python_version(), **packages, "git": commit}
