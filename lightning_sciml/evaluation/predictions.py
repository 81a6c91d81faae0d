"""Predictions on disk: one HDF5 file, written by all ranks, readable as soon as it has its name."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import h5py
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lightning_sciml.errors import ReportedError
from lightning_sciml.evaluation.outcome import described, end_if_terminated, say
from lightning_sciml.shards.dataset_names import checksums, joined, reject_overwriting
from lightning_sciml.shards.durable import TEMPORARY_SUFFIX, temporary_beside
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch, Mixture


class PredictionWriter(Callback):
    """Writes DIRECTORY/NAME-SPLIT.h5 after ``sciml predict``.

    `prediction` (n, N, N) float32 in the order of the data sets, `dataset` (n) and `sample_index`
    (n); the attributes `datasets` and `split` name the former and their split, `checksums` tells
    them from others of the same name, whose predictions are not written over.

    Rank 0 lays the file out, then every rank writes its rows at their place: HDF5 keeps a
    contiguous data set in one piece.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._rows: np.memmap | None = None
        self._held: BinaryIO | None = None  # on rank 0, the locked temporary file

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lay out the file under a temporary name.

        Raises:
            InputError: there are predictions for another data set of the same name.
        """
        mixture, split = self._mixture(trainer), pde_data(trainer).predict_split
        names = joined([m.name for m in mixture.members])
        self._path = self.directory / f"{names}-{split}.h5"
        own = str(temporary_beside(self._path))  # others may predict the same meanwhile
        self._temporary = Path(trainer.strategy.broadcast(own))
        datasets = [m.dataset for m in mixture.members]
        reject_overwriting(self._path, saved_checksums(self._path), datasets)
        if trainer.is_global_zero:
            self._remove_leftovers()
            self._lay_out(mixture, split)
        trainer.strategy.barrier()
        with h5py.File(self._temporary, "r", locking=False) as file:
            offset, shape = file["prediction"].id.get_offset(), file["prediction"].shape
        self._rows = np.memmap(self._temporary, np.float32, "r+", offset, shape)
        sizes = [m.subset.num_samples for m in mixture.members]
        self._first = torch.tensor([0, *np.cumsum(sizes)])

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
        if self._rows is not None:
            rows = (self._first[batch.dataset.cpu()] + batch.sample_index.cpu()).numpy()
            self._rows[rows] = outputs[:, 0, 0].float().cpu().numpy()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the file its name once every rank's rows are on disk."""
        if self._rows is not None:
            self._rows.flush()
            self._rows = None
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._temporary.replace(self._path)
            self._release()
            lines = [described(member) for member in self._mixture(trainer).members]
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

    def _mixture(self, trainer: pl.Trainer) -> Mixture:
        data = pde_data(trainer)
        return data.mixtures[data.predict_split]

    def _lay_out(self, mixture: Mixture, split: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._held = self._temporary.open("wb+")
        with suppress(OSError):  # a lock, lest another process takes the file for a leftover
            fcntl.flock(self._held, fcntl.LOCK_EX)
        sizes = [m.subset.num_samples for m in mixture.members]
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        N = mixture.members[0].grid.shape[0]
        take_space(self._temporary, 4 * sum(sizes) * N**2)  # HDF5 cannot close a file without it
        with h5py.File(self._temporary, "w", locking=False) as file:
            space = h5py.h5s.create_simple((sum(sizes), N, N))
            h5py.h5d.create(file.id, b"prediction", h5py.h5t.IEEE_F32LE, space, layout)
            file["dataset"] = np.repeat(np.arange(len(sizes)), sizes)
            file["sample_index"] = np.concatenate([np.arange(n) for n in sizes])
            file.attrs["datasets"] = [m.name for m in mixture.members]
            file.attrs["checksums"] = list(checksums([m.dataset for m in mixture.members]).values())
            file.attrs["split"] = split
        take_space(self._temporary, self._temporary.stat().st_size)


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
