"""Predictions on disk: one HDF5 file, written by all ranks, readable as soon as it has its name."""

import fcntl
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import h5py
import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lightning_sciml.errors import ReportedError
from lightning_sciml.evaluation.lead_times import output_times
from lightning_sciml.evaluation.outcome import described, end_if_terminated, say
from lightning_sciml.evaluation.window_numbers import WindowNumbers
from lightning_sciml.shards.dataset_names import checksums, joined, reject_overwriting
from lightning_sciml.shards.durable import TEMPORARY_SUFFIX, temporary_beside
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember


class PredictionWriter(Callback):
    """Writes DIRECTORY/NAME-SPLIT.h5 after ``sciml predict``, with a group for each data set.

    Of rollouts it is NAME-SPLIT-rollout.h5.

    `DATASET/prediction/FIELD` is float32, (n, H, W) by [y, x]; of an evolution (n, K, H, W), K the
    steps of a window. `DATASET/sample_index` (n) tells the samples apart, which are sorted; of an
    evolution also `time_index` (n), the number of the last input state among the stored times, and
    `times` (n, K), those of the predicted states. Attributes of a group are the grid's `lengths`
    and `boundary`, along y and x. The file's attributes `datasets` and `split` name the data sets
    and their split, `checksums` tells them from others of the same name, whose predictions are not
    written over.

    Rank 0 lays the file out, then every rank writes its rows at their place: HDF5 keeps a
    contiguous data set in one piece.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._rows: list[list[np.memmap]] = []  # by data set and field
        self._windows: list[WindowNumbers] = []
        self._held: BinaryIO | None = None  # on rank 0, the locked temporary file

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lay out the file under a temporary name.

        Raises:
            InputError: there are predictions for another data set of the same name.
        """
        members, split = self._members(trainer), pde_data(trainer).predict_split
        names = joined([m.name for m in members])
        kind = "-rollout" if members[0].windows.is_rollout else ""
        self._path = self.directory / f"{names}-{split}{kind}.h5"
        own = str(temporary_beside(self._path))  # others may predict the same meanwhile
        self._temporary = Path(trainer.strategy.broadcast(own))
        datasets = [m.dataset for m in members]
        reject_overwriting(self._path, saved_checksums(self._path), datasets)
        self._windows = [WindowNumbers.of(member) for member in members]
        if trainer.is_global_zero:
            self._remove_leftovers()
            self._lay_out(members, split)
        trainer.strategy.barrier()
        with h5py.File(self._temporary, "r", locking=False) as file:
            self._rows = [[self._mapped(file[p]) for p in _field_paths(m)] for m in members]

    def _mapped(self, dataset: h5py.Dataset) -> np.memmap:
        offset = dataset.id.get_offset()
        return np.memmap(self._temporary, np.float32, "r+", offset, dataset.shape)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Tensor,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write this rank's rows."""
        end_if_terminated(trainer)
        predicted, dataset = outputs.float().cpu().numpy(), batch.dataset.cpu().numpy()
        places = (batch.sample_index.cpu().numpy(), batch.time_index.cpu().numpy())
        for d, member in enumerate(self._members(trainer) if self._rows else ()):
            own = np.flatnonzero(dataset == d)
            rows = self._windows[d].rows(*(place[own] for place in places))
            for field, mapped in zip(member.output_channels, self._rows[d], strict=True):
                mapped[rows] = predicted[own, :, field].reshape(len(own), *mapped.shape[1:])

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the file its name once every rank's rows are on disk."""
        for mapped in (mapped for of_set in self._rows for mapped in of_set):
            mapped.flush()
        self._rows = []
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._temporary.replace(self._path)
            self._release()
            lines = [described(member) for member in self._members(trainer)]
            say([*lines, f"predictions: {self._path}"])

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Remove the unfinished file."""
        if self._held is not None:
            self._temporary.unlink(missing_ok=True)
            self._release()

    def _remove_leftovers(self) -> None:
        """Remove the files of killed processes: their locks have ended with them."""
        for leftover in self.directory.glob(f".{self._path.name}.*{TEMPORARY_SUFFIX}"):
            with suppress(OSError), leftover.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _members(self, trainer: pl.Trainer) -> Sequence[MixtureMember]:
        data = pde_data(trainer)
        return data.mixtures[data.predict_split].members

    def _lay_out(self, members: Sequence[MixtureMember], split: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._held = self._temporary.open("wb+")
        with suppress(OSError):  # a lock, lest another process takes the file for a leftover
            fcntl.flock(self._held, fcntl.LOCK_EX)
        shapes = [_shape(member) for member in members]
        num_values = sum(
            math.prod(shape) * len(member.output_channels)
            for shape, member in zip(shapes, members, strict=True)
        )
        take_space(self._temporary, 4 * num_values)  # HDF5 cannot close a file without it
        with h5py.File(self._temporary, "w", locking=False) as file:
            for member, shape, windows in zip(members, shapes, self._windows, strict=True):
                for path in _field_paths(member):
                    _make_room(file, path, shape)
                _describe(file[member.name], member, windows)
            file.attrs["datasets"] = [m.name for m in members]
            file.attrs["checksums"] = list(checksums([m.dataset for m in members]).values())
            file.attrs["split"] = split
        take_space(self._temporary, self._temporary.stat().st_size)


def _field_paths(member: MixtureMember) -> list[str]:
    """List where the file holds the predictions of a data set's fields."""
    return [f"{member.name}/prediction/{field}" for field in member.dataset.target_fields]


def _shape(member: MixtureMember) -> tuple[int, ...]:
    """Return the shape of the predictions of one field of a data set."""
    steps = (member.windows.num_steps,) if member.dataset.is_evolution else ()
    return (member.samples_per_epoch, *steps, *member.grid.shape)


def _describe(group: h5py.Group, member: MixtureMember, windows: WindowNumbers) -> None:
    """Write what the rows of a data set are, and its grid."""
    group["sample_index"] = windows.sample_index
    if member.dataset.is_evolution:
        group["time_index"] = windows.time_index
        group["times"] = output_times(member, windows.time_index)
    group.attrs["lengths"] = member.grid.lengths
    group.attrs["boundary"] = list(member.grid.boundary)


def _make_room(file: h5py.File, path: str, shape: tuple[int, ...]) -> None:
    """Make a float32 data set in one piece of the file, with nothing written to it."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, path.encode(), h5py.h5t.IEEE_F32LE, space, layout, links)


def take_space(path: Path, num_bytes: int) -> None:
    """Have the file system allot the first bytes of a file, which may be sparse.

    A write through a memory map has no way to report a full disk: it kills the process.

    Raises:
        ReportedError: there is no space for them; the file is removed.
    """
    try:
        with path.open("ab") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, num_bytes)
    except OSError as error:
        path.unlink()
        raise ReportedError(
            f"{path.parent} has no space for the predictions ({error.strerror}); free some and "
            "type the same line again"
        ) from error


def saved_checksums(path: Path) -> dict[str, str]:
    """Read the checksums of the data sets that predictions are for; none without a file."""
    if not path.exists():
        return {}
    with h5py.File(path, "r", locking=False) as file:
        return dict(zip(file.attrs["datasets"], file.attrs["checksums"], strict=True))
