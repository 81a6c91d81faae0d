"""The data of a run: one or several data sets on disk, as loaders of training and evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import numpy as np
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.pde.equations import EQUATIONS
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.training.loader import Mixture, MixtureMember, ResumableLoader
from lightning_sciml.training.normalization import TrainingStatistics
from lightning_sciml.training.sampler import EpochOrder, Subset

Split = Literal["train", "val", "test"]


class PDEDataModule(pl.LightningDataModule):
    """Data sets written by ``data_gen/solve.py``, mixed where several are named.

    Args:
        datasets: folders of the data sets; all on the same grid.
        batch_size: global batch, over all ranks; a smaller training set shrinks it.
        eval_batch_size: global batch of validation and test; as `batch_size` by default.
        num_train_samples: train on this many samples of each data set, drawn with `subset_seed`;
            draws of one seed are nested. All of them by default.
        num_val_samples: validate on the first this many of each data set; all of them by default.
        subset_seed: seed of that draw.
        seed: seed of the order of the training samples.
        predict_split: the split that ``sciml predict`` runs over.
        verify: what is checked when shards are opened: nothing, sizes and stored checksums
            ("header"), or every byte ("full").
        num_prefetch: batches read ahead.
    """

    def __init__(
        self,
        datasets: Sequence[str],
        *,
        batch_size: int = 128,
        eval_batch_size: int | None = None,
        num_train_samples: int | None = None,
        num_val_samples: int | None = None,
        subset_seed: int = 0,
        seed: int = 0,
        predict_split: Split = "test",
        verify: Literal["none", "header", "full"] = "header",
        num_prefetch: int = 2,
    ) -> None:
        super().__init__()
        if not datasets:
            raise InputError("datasets must name at least one folder, got none")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.directories = [Path(d) for d in datasets]
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or batch_size
        self.num_samples_wanted = {"train": num_train_samples, "val": num_val_samples}
        for split, wanted in self.num_samples_wanted.items():
            if wanted is not None and wanted < 1:
                raise InputError(f"num_{split}_samples must be at least 1, got {wanted}")
        self.subset_seed, self.seed = subset_seed, seed
        self.predict_split: Split = predict_split
        self.verify: Literal["none", "header", "full"] = verify
        self.num_prefetch = num_prefetch
        self.mixtures: dict[Split, Mixture] = {}

    def setup(self, stage: str) -> None:
        """Open the splits that the stage needs.

        Raises:
            InputError: a data set cannot be used, or the batch does not divide over the ranks.
        """
        splits: dict[str, tuple[Split, ...]] = {
            "fit": ("train", "val"),
            "validate": ("val",),
            "test": ("test",),
            "predict": (self.predict_split,),
        }
        for split in splits[stage]:
            wanted = None if stage == "predict" else self.num_samples_wanted.get(split)
            self.mixtures[split] = self._open(split, wanted)
        if stage == "fit" and self.batch_size % self._world_size:
            raise InputError(
                f"batch_size must be a multiple of the number of processes, got "
                f"batch_size={self.batch_size} over {self._world_size}; "
                f"try {self.batch_size - self.batch_size % self._world_size or self._world_size}"
            )

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Coefficients of all data sets, each once."""
        return next(iter(self.mixtures.values())).coefficient_names

    def train_statistics(self) -> TrainingStatistics:
        """Medians over exactly the training samples of this run."""
        norms: list[np.ndarray] = []
        coefficients: dict[str, list[np.ndarray]] = {}
        for member in self.mixtures["train"].members:
            samples = member.subset(np.arange(member.subset.num_samples))
            column = member.dataset.norm_names.index("source_norm")
            norms.append(member.dataset.norms(samples)[:, column])
            values = np.abs(member.dataset.coefficients(samples))
            for name, column_values in zip(member.dataset.coefficient_names, values.T, strict=True):
                coefficients.setdefault(name, []).append(column_values)
        return TrainingStatistics(
            source_norm=float(np.median(np.concatenate(norms))),
            coefficients={k: float(np.median(np.concatenate(v))) for k, v in coefficients.items()},
        )

    def train_dataloader(self) -> ResumableLoader:
        """Shuffled batches of the training split."""
        num_samples = len(self.mixtures["train"])
        if num_samples < self._world_size:
            raise InputError(
                f"training needs at least one sample a process, got {num_samples} samples over "
                f"{self._world_size} processes; use fewer processes"
            )
        return self._loader("train", min(self.batch_size, num_samples), shuffle=True)

    def val_dataloader(self) -> ResumableLoader:
        """Batches of the validation split, in order."""
        return self._loader("val", self.eval_batch_size, shuffle=False)

    def test_dataloader(self) -> ResumableLoader:
        """Batches of the test split, in order."""
        return self._loader("test", self.eval_batch_size, shuffle=False)

    def predict_dataloader(self) -> ResumableLoader:
        """Batches of `predict_split`, in order."""
        return self._loader(self.predict_split, self.eval_batch_size, shuffle=False)

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _loader(self, split: Split, batch_size: int, *, shuffle: bool) -> ResumableLoader:
        mixture = self.mixtures[split]
        return ResumableLoader(
            mixture,
            EpochOrder(
                num_samples=len(mixture), batch_size=batch_size, seed=self.seed, shuffle=shuffle
            ),
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self._world_size,
            num_prefetch=self.num_prefetch,
            pin_memory=torch.cuda.is_available(),
        )

    def _open(self, split: Split, num_samples: int | None) -> Mixture:
        datasets = [ShardedDataset(d, split, verify=self.verify) for d in self.directories]
        names = tuple(dict.fromkeys(n for d in datasets for n in d.coefficient_names))
        return Mixture([self._member(d, num_samples, names) for d in datasets], names)

    def _member(
        self, dataset: ShardedDataset, num_samples: int | None, names: tuple[str, ...]
    ) -> MixtureMember:
        wanted = num_samples or dataset.num_samples
        if wanted > dataset.num_samples:
            raise InputError(
                f"{dataset.directory} has {dataset.num_samples} {dataset.split} samples, {wanted} "
                f"were asked for; lower data.num_{dataset.split}_samples or generate more"
            )
        manifest = dataset.manifest
        return MixtureMember(
            dataset=dataset,
            subset=Subset(
                num_samples=wanted, dataset_size=dataset.num_samples, seed=self.subset_seed
            ),
            equation=EQUATIONS[manifest.equation](**manifest.equation_parameters),
            columns=tuple(names.index(n) for n in dataset.coefficient_names),
        )
