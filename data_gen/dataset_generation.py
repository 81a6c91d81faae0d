"""Make a data set: what is not in its folder yet, shard by shard, and the manifest over all."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from data_gen.dataset_size import DatasetSize
from data_gen.decomposition import ShardTask, dealt, shard_tasks
from data_gen.memory import check_memory
from data_gen.output_folder import OutputFolder
from data_gen.ranks import Reporter, aborting_all, on_rank_0, wait_quietly
from data_gen.shard import ShardGenerator
from lightning_sciml.shards.description import accuracy, num_rejected
from lightning_sciml.shards.manifest import ShardRecord

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

Maker = Callable[[OutputFolder, Sequence[ShardTask], Callable[[int], None]], list[ShardRecord]]

_MAX_WAITING_SHARDS = 1  # beside the one being written and the one being made


def generate(comm: "Comm", config: DatasetSize, output: Path, *, resume: bool = True) -> None:
    """Make all shards of a data set that are not in the folder, and its manifest.

    Raises:
        InputError: on all ranks, before any work: the configuration or the folder cannot be used.
    """
    started_at = time.monotonic()
    check_memory(config, comm)
    config = config.settled(comm, output, _warn)
    make = _maker(comm, config)
    folder = OutputFolder(output, config.plan())
    missing_bytes = on_rank_0(comm, folder.begin)
    tasks = shard_tasks(folder.plan)
    with aborting_all(comm):
        kept = _kept_shards(comm, folder, tasks) if resume else {}
        missing = [task for task in tasks if task not in kept]
        num_kept, num_missing = (sum(task.num_samples for task in part) for part in (kept, missing))
        if comm.rank == 0:
            _announce(comm, folder, len(tasks), len(missing), missing_bytes)
        with tqdm(
            total=(num_kept + num_missing) * folder.plan.num_times,
            initial=num_kept * folder.plan.num_times,
            unit=" states" if folder.plan.is_evolution else " samples",
            mininterval=0.5 if sys.stderr.isatty() else 30.0,  # s; the log of a job keeps every one
            disable=comm.rank != 0,
        ) as bar:
            reporter = Reporter(comm, bar.update)
            made = reporter.close(make(folder, missing, reporter.advance))
        if comm.rank == 0:
            records = [*kept.values(), *made]
            _finish(folder, records, num_missing, time.monotonic() - started_at)
    wait_quietly(comm)


def _maker(comm: "Comm", config: DatasetSize) -> Maker:
    """Choose how the ranks share the work, after a trial of the first samples.

    So what makes every sample invalid is found while nothing is written, by all ranks at once.
    """
    generator = config.generator(comm)
    first = shard_tasks(config.plan())[0]
    few = replace(first, num_samples=min(first.num_samples, generator.trial_size))
    if config.decomposition == "shards":
        on_rank_0(comm, lambda: bool(generator.shard(few, warn=_warn)))
        return partial(make_shards, comm, generator)
    if few.num_samples:
        generator.shard(few, warn=_warn)
    return partial(make_slabs, comm, generator)


def make_shards(
    comm: "Comm",
    generator: ShardGenerator,
    folder: OutputFolder,
    tasks: Sequence[ShardTask],
    advance: Callable[[int], None],
) -> list[ShardRecord]:
    """Compute shard after shard, each on one rank, while a thread writes the ones before."""
    writing: list[Future[ShardRecord]] = []
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer") as writer:
        for task in dealt(tasks, comm.rank, comm.size):
            shard = generator.shard(task, advance, _warn)
            writing.append(writer.submit(folder.add, task, shard))
            del shard
            if len(writing) > 1 + _MAX_WAITING_SHARDS:
                writing[-2 - _MAX_WAITING_SHARDS].result()
    return [future.result() for future in writing]


def make_slabs(
    comm: "Comm",
    generator: ShardGenerator,
    folder: OutputFolder,
    tasks: Sequence[ShardTask],
    advance: Callable[[int], None],
) -> list[ShardRecord]:
    """Compute sample after sample, each on all ranks; rank 0 has their records."""
    records = []
    for task in tasks:
        record = folder.add_slab(task, generator.shard(task, advance, _warn), comm)
        if record is not None:
            records.append(record)
    return records


def _kept_shards(
    comm: "Comm", folder: OutputFolder, tasks: Sequence[ShardTask]
) -> dict[ShardTask, ShardRecord]:
    """Find the shards on disk that are whole; each rank reads a share."""
    mine = {task: folder.existing(task) for task in dealt(tasks, comm.rank, comm.size)}
    wait_quietly(comm)
    found = {task: record for part in comm.allgather(mine) for task, record in part.items()}
    return {task: record for task in tasks if (record := found[task]) is not None}


def _announce(
    comm: "Comm", folder: OutputFolder, num_shards: int, num_missing: int, missing_bytes: int
) -> None:
    """Say what will be done."""
    plan = folder.plan
    sys.stderr.write(
        f"{plan.name}: {sum(plan.num_samples.values()):,} samples of "
        f"{plan.grid.shape[0]}×{plan.grid.shape[1]} in {num_shards} shards, "
        f"{missing_bytes / 1e9:.2f} GB to write, {comm.size} rank{'s' if comm.size > 1 else ''}\n"
    )
    if num_missing < num_shards:
        sys.stderr.write(f"{num_shards - num_missing} shards are there already and good\n")
    if 0 < num_missing < comm.size and plan.config["decomposition"] == "shards":
        sys.stderr.write(
            f"{comm.size - num_missing} of {comm.size} ranks are idle: there are {num_missing} "
            "shards to make; a smaller --shard_size gives more\n"
        )


def _finish(
    folder: OutputFolder, records: Sequence[ShardRecord], num_made: int, elapsed_s: float
) -> None:
    """Write the manifest and say what was made."""
    manifest = folder.finish(records, elapsed_s)
    told = [f"{name} {value}" for name, value in accuracy(manifest)]
    if (number := num_rejected(manifest)) is not None:
        told.append(f"{number:,} draws rejected")
    rate = num_made / elapsed_s
    pace = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
    sys.stderr.write(
        f"{folder.directory}: {num_made:,} samples in {elapsed_s:.1f} s "
        f"({pace} a second), {', '.join(told)}\n"
    )


def _warn(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
